"""Matrices times rows, and the way in which threads share a phase of a call.

Every thread takes units of a phase while there are any, then waits until all are done. Inputs stand
interleaved, up to `ROWS` rows together, as the inner loops read them.
"""

from numba import types

from anyorder.nets.compiled import _ir
from anyorder.nets.compiled._ir import Builder, Value
from anyorder.nets.compiled._kernels import pair_row, round_row, spread_row
from anyorder.nets.compiled._lanes import (
    compiled,
    give_way,
    grab,
    instruction,
    pause,
    seen,
    size,
    word,
)
from anyorder.nets.compiled._tiles import STEP, abreast, in_pairs, tile
from anyorder.nets.compiled.machine import GROUP, PACK, ROWS
from anyorder.nets.compiled.words import COUNTER_BYTES, Call, Matrix, Net

CHUNK = 1 << 18  # bytes of weights that a thread takes at most, so that they stay near it
SPINS = 4000  # looks at a counter before a waiting thread gives way


@instruction(types.boolean, None)
def rounds(b: Builder, kind: types.Type) -> Value:
    """Whether the inputs of matrices of this kind are whole numbers."""
    return _ir.ir.Constant(_ir.ir.IntType(1), kind == types.int8)


@instruction(types.boolean, None)
def pairs(b: Builder, kind: types.Type) -> Value:
    """Whether they are pairs of bfloat16."""
    return _ir.ir.Constant(_ir.ir.IntType(1), in_pairs(kind))


@compiled
def take(call, phase):
    """The next unit of a phase that nobody has taken."""
    return grab(word(call, Call.COUNTERS) + COUNTER_BYTES * phase)


@compiled
def finish(call, phase):
    """One more unit of this phase is done."""
    grab(word(call, Call.COUNTERS) + COUNTER_BYTES * phase + COUNTER_BYTES // 2)


@compiled
def wait(call, phase, units):
    """Wait until all units of a phase are done."""
    counter, spins = word(call, Call.COUNTERS) + COUNTER_BYTES * phase + COUNTER_BYTES // 2, 0
    while seen(counter) < units:
        spins += 1
        if spins < SPINS:
            pause()
        else:
            give_way()


@compiled
def matrix_of(net, index):
    """Where the words of a matrix begin."""
    return net + 8 * (Net.MATRICES + Matrix.WORDS * index)


@compiled
def multiply(kind, net, call, phase, index, rows, y, y_bytes):
    """y = W x + b for all rows; a unit is a few strips of 16 outputs."""
    m = matrix_of(net, index)
    strips, inputs = word(m, Matrix.STRIPS), word(m, Matrix.INPUTS)
    strip_bytes, step = 16 * inputs * size(kind), abreast(kind)
    per = max(1, min(strips // (6 * word(call, Call.THREADS)), CHUNK // strip_bytes) // step) * step
    units = (strips + per - 1) // per
    while True:
        unit = take(call, phase)
        if unit >= units:
            break
        for row in range(0, rows, ROWS):
            for strip in range(unit * per, min(strips, (unit + 1) * per), step):
                some_rows(kind, net, call, m, strip, row, rows, y, y_bytes)
        finish(call, phase)
    wait(call, phase, units)


@compiled
def together(row, rows):
    """How many rows are interleaved where `row` is; some may not be there: scratch memory."""
    rest = rows - row // ROWS * ROWS
    return rest if rest <= 2 else min((rest + 3) // 4 * 4, ROWS)


@compiled
def some_rows(kind, net, call, m, strip, row, rows, y, y_bytes):
    """The strips that go together, for the rows that do."""
    inputs, longest = word(m, Matrix.INPUTS), word(net, Net.LONGEST)
    w = word(m, Matrix.WEIGHTS) + strip * 16 * inputs * size(kind)
    bias = word(m, Matrix.BIAS) + 64 * strip
    scales = word(m, Matrix.SCALES) + 2 * strip * 16 * (inputs // GROUP)
    x = word(call, Call.TILES) + 4 * longest * row
    sizes = word(call, Call.SIZES) + 4 * (longest // GROUP) * row
    steps = inputs // GROUP if rounds(kind) else inputs // STEP
    y += 64 * strip + row * y_bytes
    count = together(row, rows)
    if count == 1:
        tile(kind, 1, w, scales, bias, x, sizes, y, y_bytes, steps)
    elif count == 2:
        tile(kind, 2, w, scales, bias, x, sizes, y, y_bytes, steps)
    elif count == 4:
        tile(kind, 4, w, scales, bias, x, sizes, y, y_bytes, steps)
    else:
        tile(kind, ROWS, w, scales, bias, x, sizes, y, y_bytes, steps)


@compiled
def interleave(kind, net, call, row, rows, first, width):
    """Put inputs of a row where the next matrix reads them, rounded if its kind asks for it."""
    longest, count = word(net, Net.LONGEST), together(row, rows)
    x = word(call, Call.INPUT) + 4 * (longest * row + first)
    begin = row // ROWS * ROWS
    tiles = word(call, Call.TILES) + 4 * (longest * begin + row - begin)
    if rounds(kind):
        sizes = word(call, Call.SIZES) + 4 * (longest // GROUP * begin + row - begin)
        sizes += 4 * count * (first // GROUP)
        round_row(x, tiles + 4 * count * (first // PACK), sizes, count, width)
    elif pairs(kind):
        pair_row(x, tiles + 2 * count * first, count, width)
    else:
        spread_row(x, tiles + 4 * count * first, count, width)
