"""One call of a whole network, run by any number of threads at once.

A call is a list of phases, a phase a number of units. Every thread walks through all phases: it
takes units while there are any, then waits until all are done. Who does a unit, and how many
threads came, changes nothing in the result; a thread that comes late finds less to do.
"""

from numba import types

from anyorder.nets.compiled import _ir
from anyorder.nets.compiled._ir import Builder, Value
from anyorder.nets.compiled._kernels import (
    ZERO,
    F,
    activate_row,
    add_row,
    attend,
    copy_row,
    norm_row,
    rotate_row,
    round_row,
    spread_row,
)
from anyorder.nets.compiled._lanes import (
    compiled,
    give_way,
    grab,
    instruction,
    pause,
    real,
    seen,
    size,
    slot,
    splat,
    store,
    word,
)
from anyorder.nets.compiled._tiles import STEP, abreast, tile
from anyorder.nets.compiled.machine import GROUP, PACK, ROWS
from anyorder.nets.compiled.words import COUNTER_BYTES, PHASES, Call, Cell, Matrix, Net

CHUNK = 1 << 18  # bytes of weights that a thread takes at most, so that they stay near it
SPINS = 4000  # looks at a counter before a waiting thread gives way
SEGMENT = 512  # of the MLP's middle: a unit of work; a multiple of GROUP


@instruction(types.boolean, None)
def rounds(b: Builder, kind: types.Type) -> Value:
    """Whether the inputs of matrices of this kind are whole numbers."""
    return _ir.ir.Constant(_ir.ir.IntType(1), kind == types.int8)


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
    else:
        spread_row(x, tiles + 4 * count * first, count, width)


@compiled
def norms(kind, net, call, phase, index, add, rows, score):
    """x += delta; input of the next matrix = norm(x). A unit is a row; `score`: of those alone."""
    weights, eps = word(matrix_of(net, index), Matrix.NORM), real(net + 8 * Net.EPS)
    channels, longest = word(net, Net.CHANNELS), word(net, Net.LONGEST)
    padded = (channels + 63) // 64 * 64
    while True:
        row = take(call, phase)
        if row >= rows:
            break
        source = slot(word(call, Call.SCORE), row) if score else row
        x = word(call, Call.X) + 4 * padded * source
        y = word(call, Call.INPUT) + 4 * longest * row
        if add:
            into = y if score else x  # a cell may be scored twice
            add_row(x, word(call, Call.DELTA) + 4 * padded * source, into, channels)
            x = into
        norm_row(x, y, weights, channels, padded, word(net, Net.CENTRED), eps)
        interleave(kind, net, call, row, rows, 0, padded)
        finish(call, phase)
    wait(call, phase, rows)


@compiled
def remember(keys_kind, net, call, phase, layer):
    """Turn queries and keys by their positions; write keys and values to the cache."""
    cells, heads, width = word(call, Call.CELLS), word(net, Net.HEADS), word(net, Net.WIDTH)
    key_heads, widest = word(net, Net.KEY_HEADS), word(net, Net.WIDEST)
    per_head = word(call, Call.HEAD_BYTES)
    while True:
        row = take(call, phase)
        if row >= cells:
            break
        cell = word(call, Call.TABLE) + 8 * Cell.WORDS * row
        x = word(call, Call.WIDE) + 4 * widest * row
        if word(net, Net.ROTARY):
            turn = 4 * width * word(cell, Cell.PLACE)
            for head in range(heads + key_heads):
                cosines, sines = word(net, Net.COSINES) + turn, word(net, Net.SINES) + turn
                rotate_row(x + 4 * width * head, cosines, sines, width)
        keys = word(call, Call.KEYS) + layer * word(call, Call.LAYER_BYTES) + word(cell, Cell.ROW)
        keys += word(cell, Cell.SLOT) * width * size(keys_kind)
        for head in range(key_heads):
            k = x + 4 * width * (heads + head)
            into = keys + per_head * head
            copy_row(keys_kind, k, into, width)
            copy_row(
                keys_kind, k + 4 * width * key_heads, into + word(call, Call.VALUE_BYTES), width
            )
        finish(call, phase)
    wait(call, phase, cells)


@compiled
def look_back(keys_kind, net, call, phase, layer, thread):
    """Attention. A unit is one head of one cell."""
    heads, width = word(net, Net.HEADS), word(net, Net.WIDTH)
    group = heads // word(net, Net.KEY_HEADS)
    units = word(call, Call.CELLS) * heads
    shares = word(call, Call.SHARES) + thread * word(call, Call.SHARE_BYTES)
    keys = word(call, Call.KEYS) + layer * word(call, Call.LAYER_BYTES)
    while True:
        unit = take(call, phase)
        if unit >= units:
            break
        row, head = unit // heads, unit % heads
        cell = word(call, Call.TABLE) + 8 * Cell.WORDS * row
        query = word(call, Call.WIDE) + 4 * (word(net, Net.WIDEST) * row + width * head)
        k = keys + word(cell, Cell.ROW) + word(call, Call.HEAD_BYTES) * (head // group)
        result = word(call, Call.INPUT) + 4 * (word(net, Net.LONGEST) * row + width * head)
        slots, count = word(cell, Cell.SLOTS), word(cell, Cell.COUNT)
        v = k + word(call, Call.VALUE_BYTES)
        scale = real(net + 8 * Net.SCALE)
        attend(keys_kind, query, k, v, width, slots, count, shares + 64, shares, result, scale)
        finish(call, phase)
    wait(call, phase, units)


@compiled
def hand_on(kind, net, call, phase):
    """What attention gave, as the next matrix reads it. A unit is a row."""
    rows, longest = word(call, Call.CELLS), word(net, Net.LONGEST)
    width = word(net, Net.HEADS) * word(net, Net.WIDTH)
    padded = (width + GROUP - 1) // GROUP * GROUP
    while True:
        row = take(call, phase)
        if row >= rows:
            break
        x = word(call, Call.INPUT) + 4 * longest * row
        for i in range(width, padded, 16):
            store(F, x + 4 * i, splat(ZERO))
        interleave(kind, net, call, row, rows, 0, padded)
        finish(call, phase)
    wait(call, phase, rows)


@compiled
def activate(kind, net, call, phase):
    """The MLP's middle. A unit is a segment of a row."""
    middle = word(net, Net.MIDDLE)
    segments = (middle + SEGMENT - 1) // SEGMENT
    units = segments * word(call, Call.CELLS)
    while True:
        unit = take(call, phase)
        if unit >= units:
            break
        row, first = unit // segments, unit % segments * SEGMENT
        width = min(SEGMENT, middle - first)
        gate = word(call, Call.WIDE) + 4 * (word(net, Net.WIDEST) * row + first)
        into = word(call, Call.INPUT) + 4 * (word(net, Net.LONGEST) * row + first)
        activate_row(gate, gate + 4 * middle, into, width, word(net, Net.GATED) > 0)
        interleave(kind, net, call, row, word(call, Call.CELLS), first, width)
        finish(call, phase)
    wait(call, phase, units)


@compiled
def forward(kind, keys_kind, net, call, thread):
    """All layers and the head. `kind`: of the weights; `keys_kind`: of the cache."""
    cells, layers = word(call, Call.CELLS), word(net, Net.LAYERS)
    wide, wide_bytes = word(call, Call.WIDE), 4 * word(net, Net.WIDEST)
    delta, delta_bytes = word(call, Call.DELTA), 4 * ((word(net, Net.CHANNELS) + 63) // 64 * 64)
    phase = 0
    for layer in range(layers):
        norms(kind, net, call, phase, 4 * layer, layer > 0, cells, False)
        multiply(kind, net, call, phase + 1, 4 * layer, cells, wide, wide_bytes)
        remember(keys_kind, net, call, phase + 2, layer)
        look_back(keys_kind, net, call, phase + 3, layer, thread)
        hand_on(kind, net, call, phase + 4)
        multiply(kind, net, call, phase + 5, 4 * layer + 1, cells, delta, delta_bytes)
        norms(kind, net, call, phase + 6, 4 * layer + 2, True, cells, False)
        multiply(kind, net, call, phase + 7, 4 * layer + 2, cells, wide, wide_bytes)
        activate(kind, net, call, phase + 8)
        multiply(kind, net, call, phase + 9, 4 * layer + 3, cells, delta, delta_bytes)
        phase += PHASES
    scored = word(call, Call.SCORED)
    norms(kind, net, call, phase, 4 * layers, True, scored, True)
    logits, logit_bytes = word(call, Call.LOGITS), word(call, Call.LOGIT_BYTES)
    multiply(kind, net, call, phase + 1, 4 * layers, scored, logits, logit_bytes)
