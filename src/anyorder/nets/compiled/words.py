"""Where things stand in the tables of int64 words that compiled code reads."""

from enum import IntEnum


class Net(IntEnum):
    """What is fixed for a network; then some words for each matrix."""

    LAYERS = 0
    CHANNELS = 1
    HEADS = 2
    KEY_HEADS = 3
    WIDTH = 4  # of a head, in steps of 16
    MIDDLE = 5  # of the MLP, in steps of 16
    CENTRED = 6
    GATED = 7
    ROTARY = 8
    COSINES = 9
    SINES = 10
    EPS = 11  # float32
    SCALE = 12  # float32
    LONGEST = 13  # row of inputs of a matrix
    WIDEST = 14  # row of outputs of a matrix within a layer
    MATRICES = 16


class Matrix(IntEnum):
    """One matrix."""

    WEIGHTS = 0
    SCALES = 1
    BIAS = 2
    NORM = 3  # weights of the norm before it
    STRIPS = 4
    INPUTS = 5
    WORDS = 6


class Call(IntEnum):
    """What is fixed for a call."""

    CELLS = 0
    SCORED = 1
    THREADS = 2
    COUNTERS = 3
    TABLE = 4
    SCORE = 5
    KEYS = 6
    LAYER_BYTES = 7
    VALUE_BYTES = 8
    HEAD_BYTES = 9
    X = 10
    DELTA = 11
    INPUT = 12
    TILES = 13
    SIZES = 14
    WIDE = 15
    SHARES = 16
    SHARE_BYTES = 17
    THREAD_BYTES = 18
    LOGITS = 19
    LOGIT_BYTES = 20
    WORDS = 21


class Cell(IntEnum):
    """One cell of a call."""

    ROW = 0  # bytes from the cache's begin to its row's
    SLOT = 1  # where its keys go
    PLACE = 2  # its position
    SLOTS = 3  # address of the int32 slots that it sees, in logical order
    COUNT = 4
    WORDS = 5


PHASES = 10  # of a layer; the head has two more
CELLS, QUERIES = 8, 24  # that attention takes together at most
COUNTER_BYTES = 128  # between the counters of two phases: no two counters share a line of the cache
