"""Attention of some cells and some heads that share keys and values.

Each query sums over what it sees in the order of its own list of slots: which other queries are
there, and where the loops are cut, changes nothing. They go together so that what is read for one
is still near for the next.
"""

from typing import Any

import numpy as np
from numba import types

from anyorder.nets.compiled import _ir
from anyorder.nets.compiled._ir import F32, FLOATS, HALVES, I32, I64, Builder, Value
from anyorder.nets.compiled._kernels import ONE, ZERO, F, exp
from anyorder.nets.compiled._lanes import (
    Address,
    Lanes,
    Nothing,
    Whole,
    compiled,
    instruction,
    larger,
    largest,
    load,
    only,
    put_real,
    put_slot,
    real,
    size,
    slot,
    splat,
    store,
    total,
    word,
)
from anyorder.nets.compiled.machine import HEAD_PARTS
from anyorder.nets.compiled.words import Cell

NEAR = 64  # values that are mixed for all queries before the next ones are read
LOWEST = np.float32(-np.inf)


@instruction(Lanes, None, Address, Address, Whole, Address, Whole)
def scores_of_16(
    b: Builder, kind: types.Type, query: Value, keys: Value, key_bytes: Value, slots: Value,
    parts: Value,
) -> Value:  # fmt: skip
    """query . keys[slots[j]] in lane j; `parts` is the width of a head in sixteens."""
    places = [b.sext(_ir.load(b, _ir.at(b, slots, (j, 4)), I32), I64) for j in range(16)]
    bases = [b.add(keys, b.mul(place, key_bytes)) for place in places]

    def step(i: Value, sums: list[Value]) -> list[Value]:
        q = _ir.load(b, _ir.at(b, query, (i, 64)), FLOATS)
        keys = [_sixteen(b, kind, base, i) for base in bases]
        return [_ir.fma(b, q, k, total) for k, total in zip(keys, sums, strict=True)]

    return _transposed_sum(b, _ir.loop(b, parts, [_ir.ZEROS] * 16, step))


def _sixteen(b: Builder, kind: types.Type, base: Value, part: Value | int) -> Value:
    if kind == types.float32:
        return _ir.load(b, _ir.at(b, base, (part, 64)), FLOATS)
    return _ir.widen(b, _ir.load(b, _ir.at(b, base, (part, 32)), HALVES, 2))


def _transposed_sum(b: Builder, rows: list[Value]) -> Value:
    """Lane j of the result is the sum of `rows[j]`'s lanes, in an order that j does not change."""
    if len(rows) == 1:
        return rows[0]
    half = len(rows) // 2
    left, right = _transposed_sum(b, rows[:half]), _transposed_sum(b, rows[half:])
    block = 16 // half  # lanes that hold one row's sums by now
    first = [lane for start in range(0, 32, block) for lane in range(start, start + block // 2)]
    second = [lane + block // 2 for lane in first]
    return b.fadd(_ir.picked(b, left, right, first), _ir.picked(b, left, right, second))


@instruction(
    Nothing, None, None, None, Address, Whole, Address, Whole, Address, Whole, Address, Whole
)
def mixed(
    b: Builder, kind: types.Type, heads: Any, parts: Any, shares: Value, share_bytes: Value,
    values: Value, value_bytes: Value, slots: Value, count: Value, results: Value,
    result_bytes: Value,
) -> None:  # fmt: skip
    """results[head] += sum over j of shares[head, j] * values[slots[j]], j from first to last.

    `heads` and `parts` (sixteens of a head's width) are literals.
    """
    H, P = heads.literal_value, parts.literal_value
    shares_of = [b.add(shares, b.mul(share_bytes, I64(h))) for h in range(H)]
    places = [_ir.at(b, results, (result_bytes, h), (p, 64)) for h in range(H) for p in range(P)]

    def step(j: Value, sums: list[Value]) -> list[Value]:
        place = b.sext(_ir.load(b, _ir.at(b, slots, (j, 4)), I32), I64)
        base = b.add(values, b.mul(place, value_bytes))
        sixteens = [_sixteen(b, kind, base, p) for p in range(P)]
        made = []
        for h, row in enumerate(shares_of):
            share = _ir.splat(b, _ir.load(b, _ir.at(b, row, (j, 4)), F32))
            mine = sums[h * P : (h + 1) * P]
            made += [_ir.fma(b, share, v, t) for v, t in zip(sixteens, mine, strict=True)]
        return made

    before = [_ir.load(b, place, FLOATS) for place in places]
    for place, after in zip(places, _ir.loop(b, count, before, step), strict=True):
        _ir.store(b, after, place)


@compiled
def attend(kind, cell, cells, query, query_bytes, keys, values, width, heads, result, result_bytes, scratch, share_bytes, scale):  # fmt: skip # noqa: E501
    """result = softmax(query . keys * scale) . values, for `cells` cells and `heads` heads.

    `cell` is where the first one's words stand, `keys` and `values` where their heads begin in the
    first row of the cache. `scratch` has 64 bytes for each cell and query, then a row of
    `share_bytes` for each query.
    """
    tails, tops = scratch, scratch + 64 * cells
    shares = tops + 64 * cells * heads
    longest = 0
    for c in range(cells):
        longest = max(longest, begin_cell(cell + 8 * Cell.WORDS * c, tails + 64 * c))
        for h in range(heads):
            store(F, tops + 64 * (c * heads + h), splat(LOWEST))
    for j in range(0, longest, 16):
        for c in range(cells):
            w, q = cell + 8 * Cell.WORDS * c, c * heads
            if j < word(w, Cell.COUNT):
                score(kind, w, tails + 64 * c, j, query + query_bytes * c, keys, width, heads, shares + share_bytes * q, share_bytes, tops + 64 * q, scale)  # fmt: skip # noqa: E501
    for c in range(cells):
        count = word(cell + 8 * Cell.WORDS * c, Cell.COUNT)
        for h in range(heads):
            q = c * heads + h
            weigh(shares + share_bytes * q, count, tops + 64 * q)
            clear(result + result_bytes * c + 4 * width * h, width)
    for j in range(0, longest, NEAR):
        for c in range(cells):
            w, q = cell + 8 * Cell.WORDS * c, c * heads
            if j < word(w, Cell.COUNT):
                mix(kind, w, j, values, width, heads, shares + share_bytes * q, share_bytes, result + result_bytes * c)  # fmt: skip # noqa: E501
    for c in range(cells):
        for h in range(heads):
            share = real(tops + 64 * (c * heads + h))
            divide(result + result_bytes * c + 4 * width * h, width, share)


@compiled
def begin_cell(cell, tail):
    """How many slots a cell sees; the last sixteen, where the last stands in for who is missing."""
    slots, count = word(cell, Cell.SLOTS), word(cell, Cell.COUNT)
    for j in range(16):
        put_slot(tail, j, slot(slots, min((count - 1) // 16 * 16 + j, count - 1)))
    return count


@compiled
def score(kind, cell, tail, j, query, keys, width, heads, shares, share_bytes, tops, scale):
    """Sixteen scores of each head from the `j`-th slot on, and the largest ones so far."""
    slots = word(cell, Cell.SLOTS) + 4 * j if j + 16 <= word(cell, Cell.COUNT) else tail
    k, key_bytes = keys + word(cell, Cell.ROW), width * size(kind)
    for h in range(heads):
        s = scores_of_16(kind, query + 4 * width * h, k, key_bytes, slots, width // 16)
        s = s * splat(scale)
        store(F, shares + share_bytes * h + 4 * j, s)
        store(F, tops + 64 * h, larger(s, load(F, tops + 64 * h)))


@compiled
def weigh(shares, count, top):
    """Scores become e^(score - largest), and `top` one over their sum."""
    most, sums = splat(largest(load(F, top))), splat(ZERO)
    for j in range(0, count, 16):
        p = only(exp(load(F, shares + 4 * j) - most), count - j)
        store(F, shares + 4 * j, p)
        sums = sums + p
    put_real(top, ONE / total(sums))


@compiled
def clear(row, width):
    """Zeros."""
    for i in range(0, 4 * width, 64):
        store(F, row + i, splat(ZERO))


@compiled
def divide(row, width, share):
    """row *= share."""
    for i in range(0, 4 * width, 64):
        store(F, row + i, load(F, row + i) * splat(share))


@compiled
def mix(kind, cell, j, values, width, heads, shares, share_bytes, result):
    """Add up to NEAR values from the `j`-th slot on, for each head."""
    count = min(NEAR, word(cell, Cell.COUNT) - j)
    slots, v = word(cell, Cell.SLOTS) + 4 * j, values + word(cell, Cell.ROW)
    shares += 4 * j
    head = 0
    while head < heads:
        rest, row, into = heads - head, shares + share_bytes * head, result + 4 * width * head
        if rest >= 3:
            mix_heads(kind, 3, row, share_bytes, v, width, slots, count, into)
            head += 3
        elif rest == 2:
            mix_heads(kind, 2, row, share_bytes, v, width, slots, count, into)
            head += 2
        else:
            mix_heads(kind, 1, row, share_bytes, v, width, slots, count, into)
            head += 1


@compiled
def mix_heads(kind, heads, shares, share_bytes, values, width, slots, count, result):
    """The same for a few heads, some sixteens of their width at a time."""
    part, bytes_ = 0, width * size(kind)
    while part < width // 16:
        base, into = values + 16 * part * size(kind), result + 64 * part
        if part + HEAD_PARTS <= width // 16:
            mixed(kind, heads, HEAD_PARTS, shares, share_bytes, base, bytes_, slots, count, into, 4 * width)  # fmt: skip # noqa: E501
            part += HEAD_PARTS
        else:
            mixed(kind, heads, 1, shares, share_bytes, base, bytes_, slots, count, into, 4 * width)
            part += 1
