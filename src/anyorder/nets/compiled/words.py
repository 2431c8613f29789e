"""Where things stand in the tables of int64 words that compiled code reads."""

from enum import IntEnum


class Net(IntEnum):
    """What is fixed for a network; then some words for each matrix."""

    LAYERS = 0
    CHANNELS = 1
    HEADS = 2
    KEY_HEADS = 3
    WIDTH = 4  # of a head, in steps of 16
    MIDDLE = 5  # of the MLP, in steps of 64
    CENTRED = 6
    ACTIVATION = 7
    ROTARY = 8
    COSINES = 9
    SINES = 10
    EPS = 11  # float32
    SCALE = 12  # float32
    LONGEST = 13  # row of inputs of a matrix
    WIDEST = 14  # row of outputs of a matrix within a layer
    CROSS = 15  # whether layers look at a source, too
    HEAD_NORMS = 16  # weights of norms of queries and keys, [layers, heads of both, WIDTH], or 0
    HEAD_WIDTH = 17  # what is not padding of WIDTH
    MATRICES = 18


class Activation(IntEnum):
    """Of the MLP's middle."""

    GELU = 0
    SILU = 1  # of a gate, times what is gated
    RELU = 2


class Matrix(IntEnum):
    """One matrix."""

    WEIGHTS = 0
    SCALES = 1
    BIAS = 2
    NORM = 3  # weights of the norm before it
    STRIPS = 4
    INPUTS = 5
    WORDS = 6


class Seen(IntEnum):
    """Keys and values that the cells of a call look at."""

    TABLE = 0  # what each cell sees
    KEYS = 1
    LAYER_BYTES = 2
    VALUE_BYTES = 3
    HEAD_BYTES = 4
    WORDS = 5


class Call(IntEnum):
    """What is fixed for a call."""

    CELLS = 0
    SCORED = 1
    THREADS = 2
    COUNTERS = 3
    SCORE = 4
    OWN = 5  # `Seen`: of the text
    SOURCE = 10  # `Seen`: of the source, if there is one
    X = 15
    DELTA = 16
    INPUT = 17
    TILES = 18
    SIZES = 19
    WIDE = 20
    SHARES = 21
    SHARE_BYTES = 22
    THREAD_BYTES = 23
    LOGITS = 24
    LOGIT_BYTES = 25
    WORDS = 26


class Cell(IntEnum):
    """One cell of a call."""

    ROW = 0  # bytes from the cache's begin to its row's
    SLOT = 1  # where its keys go
    PLACE = 2  # its position
    SLOTS = 3  # address of the int32 slots that it sees, in logical order
    COUNT = 4
    WORDS = 5


PHASES = 10  # of a layer; the head has two more
CROSS_PHASES = 5  # more, for a layer that looks at a source
CELLS, QUERIES = 8, 24  # that attention takes together at most
COUNTER_BYTES = 128  # between the counters of two phases: no two counters share a line of the cache
