"""One call of a whole network, run by any number of threads at once.

A call is a list of phases, a phase a number of units. Every thread walks through all phases: it
takes units while there are any, then waits until all are done. Who does a unit, and how many
threads came, changes nothing in the result; a thread that comes late finds less to do.
"""

from anyorder.nets.compiled._attention import attend
from anyorder.nets.compiled._kernels import (
    ZERO,
    F,
    activate_row,
    add_row,
    copy_row,
    norm_row,
    rotate_row,
)
from anyorder.nets.compiled._lanes import compiled, real, size, slot, splat, store, word
from anyorder.nets.compiled._matrices import finish, interleave, matrix_of, multiply, take, wait
from anyorder.nets.compiled.machine import GROUP, ROWS
from anyorder.nets.compiled.words import (
    CELLS,
    CROSS_PHASES,
    PHASES,
    QUERIES,
    Call,
    Cell,
    Matrix,
    Net,
    Seen,
)

SEGMENT = 128  # inputs of rows that are interleaved, as a unit of work; a multiple of GROUP


@compiled
def norms(kind, net, call, phase, index, add, rows, score):
    """x += delta; input of the next matrix = norm(x). `score`: of those cells alone.

    A unit is all rows that are interleaved: threads that wrote to the same lines of memory would
    wait for each other longer than this takes.
    """
    weights, eps = word(matrix_of(net, index), Matrix.NORM), real(net + 8 * Net.EPS)
    channels, longest = word(net, Net.CHANNELS), word(net, Net.LONGEST)
    padded, units = (channels + 63) // 64 * 64, (rows + ROWS - 1) // ROWS
    while True:
        unit = take(call, phase)
        if unit >= units:
            break
        for row in range(unit * ROWS, min(rows, (unit + 1) * ROWS)):
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
    wait(call, phase, units)


@compiled
def remember(keys_kind, net, call, phase, layer):
    """Norm queries and keys, if they are; turn them by their positions; write keys and values to
    the cache.
    """
    cells, heads, width = word(call, Call.CELLS), word(net, Net.HEADS), word(net, Net.WIDTH)
    key_heads, widest = word(net, Net.KEY_HEADS), word(net, Net.WIDEST)
    own = call + 8 * Call.OWN
    per_head = word(own, Seen.HEAD_BYTES)
    norms_at, eps = word(net, Net.HEAD_NORMS), real(net + 8 * Net.EPS)
    while True:
        row = take(call, phase)
        if row >= cells:
            break
        cell = word(own, Seen.TABLE) + 8 * Cell.WORDS * row
        x = word(call, Call.WIDE) + 4 * widest * row
        if norms_at:
            for head in range(heads + key_heads):
                weights = norms_at + 4 * width * ((heads + key_heads) * layer + head)
                at = x + 4 * width * head
                norm_row(at, at, weights, word(net, Net.HEAD_WIDTH), width, 0, eps)
        if word(net, Net.ROTARY):
            turn = 4 * width * word(cell, Cell.PLACE)
            for head in range(heads + key_heads):
                cosines, sines = word(net, Net.COSINES) + turn, word(net, Net.SINES) + turn
                rotate_row(x + 4 * width * head, cosines, sines, width)
        keys = word(own, Seen.KEYS) + layer * word(own, Seen.LAYER_BYTES) + word(cell, Cell.ROW)
        keys += word(cell, Cell.SLOT) * width * size(keys_kind)
        for head in range(key_heads):
            k = x + 4 * width * (heads + head)
            into = keys + per_head * head
            copy_row(keys_kind, k, into, width)
            copy_row(
                keys_kind, k + 4 * width * key_heads, into + word(own, Seen.VALUE_BYTES), width
            )
        finish(call, phase)
    wait(call, phase, cells)


@compiled
def look_back(keys_kind, net, call, phase, layer, thread, seen):
    """Attention. A unit is some cells and the heads that share keys, or one head if few. `seen`:
    where the words of what is looked at stand in those of the call.
    """
    seen += call
    cells, heads, width = word(call, Call.CELLS), word(net, Net.HEADS), word(net, Net.WIDTH)
    group, threads = heads // word(net, Net.KEY_HEADS), word(call, Call.THREADS)
    many = cells * word(net, Net.KEY_HEADS) // (3 * threads)
    per = max(1, min(many, min(CELLS, QUERIES // group)))
    part = group if cells * word(net, Net.KEY_HEADS) >= threads else 1
    parts = heads // part
    units = (cells + per - 1) // per * parts
    scratch = word(call, Call.SHARES) + thread * word(call, Call.THREAD_BYTES)
    keys = word(seen, Seen.KEYS) + layer * word(seen, Seen.LAYER_BYTES)
    scale = real(net + 8 * Net.SCALE)
    query_bytes, result_bytes = 4 * word(net, Net.WIDEST), 4 * word(net, Net.LONGEST)
    while True:
        unit = take(call, phase)
        if unit >= units:
            break
        row, head = unit // parts * per, unit % parts * part
        cell = word(seen, Seen.TABLE) + 8 * Cell.WORDS * row
        query = word(call, Call.WIDE) + query_bytes * row + 4 * width * head
        result = word(call, Call.INPUT) + result_bytes * row + 4 * width * head
        k = keys + word(seen, Seen.HEAD_BYTES) * (head // group)
        v, count = k + word(seen, Seen.VALUE_BYTES), min(per, cells - row)
        attend(keys_kind, cell, count, query, query_bytes, k, v, width, part, result, result_bytes, scratch, word(call, Call.SHARE_BYTES), scale)  # fmt: skip # noqa: E501
        finish(call, phase)
    wait(call, phase, units)


@compiled
def hand_on(kind, net, call, phase):
    """What attention gave, as the next matrix reads it. A unit: see `activate`."""
    rows, longest = word(call, Call.CELLS), word(net, Net.LONGEST)
    width = word(net, Net.HEADS) * word(net, Net.WIDTH)
    padded = (width + GROUP - 1) // GROUP * GROUP
    segments = (padded + SEGMENT - 1) // SEGMENT
    units = segments * ((rows + ROWS - 1) // ROWS)
    while True:
        unit = take(call, phase)
        if unit >= units:
            break
        begin, first = unit // segments * ROWS, unit % segments * SEGMENT
        last = min(padded, first + SEGMENT)
        for row in range(begin, min(rows, begin + ROWS)):
            x = word(call, Call.INPUT) + 4 * longest * row
            for i in range(max(width, first), last, 16):
                store(F, x + 4 * i, splat(ZERO))
            interleave(kind, net, call, row, rows, first, last - first)
        finish(call, phase)
    wait(call, phase, units)


@compiled
def activate(kind, net, call, phase):
    """The MLP's middle. A unit is a segment of all rows that are interleaved."""
    middle, rows = word(net, Net.MIDDLE), word(call, Call.CELLS)
    segments = (middle + SEGMENT - 1) // SEGMENT
    units = segments * ((rows + ROWS - 1) // ROWS)
    while True:
        unit = take(call, phase)
        if unit >= units:
            break
        begin, first = unit // segments * ROWS, unit % segments * SEGMENT
        width = min(SEGMENT, middle - first)
        for row in range(begin, min(rows, begin + ROWS)):
            gate = word(call, Call.WIDE) + 4 * (word(net, Net.WIDEST) * row + first)
            into = word(call, Call.INPUT) + 4 * (word(net, Net.LONGEST) * row + first)
            activate_row(gate, gate + 4 * middle, into, width, word(net, Net.ACTIVATION))
            interleave(kind, net, call, row, rows, first, width)
        finish(call, phase)
    wait(call, phase, units)


@compiled
def forward(kind, keys_kind, net, call, thread):
    """All layers and the head. `kind`: of the weights; `keys_kind`: of the cache."""
    cells, layers = word(call, Call.CELLS), word(net, Net.LAYERS)
    wide, wide_bytes = word(call, Call.WIDE), 4 * word(net, Net.WIDEST)
    delta, delta_bytes = word(call, Call.DELTA), 4 * ((word(net, Net.CHANNELS) + 63) // 64 * 64)
    cross, phase, m = word(net, Net.CROSS), 0, 0
    for layer in range(layers):
        norms(kind, net, call, phase, m, layer > 0, cells, False)
        multiply(kind, net, call, phase + 1, m, cells, wide, wide_bytes)
        remember(keys_kind, net, call, phase + 2, layer)
        look_back(keys_kind, net, call, phase + 3, layer, thread, 8 * Call.OWN)
        hand_on(kind, net, call, phase + 4)
        multiply(kind, net, call, phase + 5, m + 1, cells, delta, delta_bytes)
        if cross:
            norms(kind, net, call, phase + 6, m + 2, True, cells, False)
            multiply(kind, net, call, phase + 7, m + 2, cells, wide, wide_bytes)
            look_back(keys_kind, net, call, phase + 8, layer, thread, 8 * Call.SOURCE)
            hand_on(kind, net, call, phase + 9)
            multiply(kind, net, call, phase + 10, m + 3, cells, delta, delta_bytes)
            phase += CROSS_PHASES
            m += 2
        norms(kind, net, call, phase + 6, m + 2, True, cells, False)
        multiply(kind, net, call, phase + 7, m + 2, cells, wide, wide_bytes)
        activate(kind, net, call, phase + 8)
        multiply(kind, net, call, phase + 9, m + 3, cells, delta, delta_bytes)
        phase += PHASES
        m += 4
    scored = word(call, Call.SCORED)
    norms(kind, net, call, phase, m, True, scored, True)
    logits, logit_bytes = word(call, Call.LOGITS), word(call, Call.LOGIT_BYTES)
    multiply(kind, net, call, phase + 1, m, scored, logits, logit_bytes)
