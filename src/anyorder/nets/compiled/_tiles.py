"""The inner loops of matrices: strips of 16 outputs for up to 8 rows.

A strip's weights stand together, in the order in which they are read: for float32 an input's 16
weights side by side; for bfloat16 two inputs at a time, interleaved; for int8 `PACK` at a time.
Where the processor multiplies pairs of bfloat16, inputs stand in pairs as well, rounded.
The rows that go together are interleaved: an input of every row, then the next input. Each output
has its own lane and its own order of summation, inputs from first to last; how many rows and
strips go together changes nothing in it.
"""

from typing import Any

from llvmlite import ir
from numba import types

from anyorder.nets.compiled import _ir
from anyorder.nets.compiled._ir import (
    F32,
    FLOATS,
    HALVES,
    I8,
    I16,
    I32,
    I64,
    INTS,
    OCTETS,
    Builder,
    Value,
)
from anyorder.nets.compiled._lanes import Address, Lanes, Nothing, Whole, instruction
from anyorder.nets.compiled.machine import (
    DOT,
    FLOAT_STRIPS,
    GROUP,
    NARROW_VNNI,
    PACK,
    PAIRS,
    SHIFT,
    VNNI,
)

STEP = 8  # inputs that the float loops take at a time
AHEAD = 1024  # bytes by which weights are asked for early


def strips_of(kind: types.Type) -> int:
    """How many strips go together."""
    return FLOAT_STRIPS if kind != types.int8 else 1


def in_pairs(kind: types.Type) -> bool:
    """Whether inputs of matrices of this kind are pairs of bfloat16."""
    return PAIRS and kind == types.uint16


@instruction(Whole, None)
def abreast(_b: Builder, kind: types.Type) -> Value:
    """How many strips go together, in compiled code."""
    return I64(strips_of(kind))


@instruction(Nothing, Address, Whole, Lanes)
def spread(b: Builder, address: Value, rows: Value, x: Value) -> None:
    """Write sixteen inputs of one of `rows` rows that are interleaved, number by number."""
    _scatter(b, address, rows, x)


@instruction(Nothing, Address, Whole, Lanes)
def spread_whole(b: Builder, address: Value, rows: Value, x: Value) -> None:
    """The same for whole numbers, `PACK` by `PACK` as the int8 loops read them."""
    shifted = b.trunc(b.add(b.fptosi(x, INTS), _ir.ints(SHIFT)), OCTETS if PACK == 4 else HALVES)
    _scatter(b, address, rows, b.bitcast(shifted, ir.VectorType(I32, 16 // PACK)))


@instruction(Nothing, Address, Whole, Lanes)
def spread_pairs(b: Builder, address: Value, rows: Value, x: Value) -> None:
    """The same for bfloat16, pair by pair."""
    _scatter(b, address, rows, b.bitcast(_ir.narrow(b, x), ir.VectorType(I32, 8)))


def _scatter(b: Builder, address: Value, rows: Value, units: Value) -> None:
    for i in range(units.type.count):
        _ir.store(b, b.extract_element(units, I32(i)), _ir.at(b, address, (rows, 4 * i)))


@instruction(
    Nothing, None, None, Address, Address, Address, Address, Address, Address, Whole, Whole
)
def tile(
    b: Builder, kind: types.Type, rows: Any, weights: Value, scales: Value, bias: Value,
    inputs: Value, sizes: Value, outputs: Value, output_bytes: Value, steps: Value,
) -> None:  # fmt: skip
    """outputs[row, :] = bias + weights . inputs[row], for `rows` rows (a literal)."""
    count, strips = rows.literal_value, strips_of(kind)
    step_bytes = 64 * STEP if kind == types.float32 else 32 * STEP
    streams = [_ir.at(b, weights, (steps, strip * step_bytes)) for strip in range(strips)]
    sums = [
        _ir.load(b, _ir.at(b, bias, (s, 64)), FLOATS) for s in range(strips) for _ in range(count)
    ]

    def step(i: Value, sums: list[Value]) -> list[Value]:
        if kind == types.int8:
            return _int8(b, i, sums, weights, scales, inputs, sizes)
        lines = [_ir.at(b, stream, (i, step_bytes)) for stream in streams]
        first = _ir.at(b, inputs, (i, (2 if in_pairs(kind) else 4) * STEP * count))
        if kind == types.float32:
            return _float32(b, sums, lines, first)
        return (_pairs if in_pairs(kind) else _bfloat16)(b, sums, lines, first)

    for place, total in enumerate(_ir.loop(b, steps, sums, step)):
        strip, row = divmod(place, count)
        _ir.store(b, total, _ir.at(b, outputs, (output_bytes, row), (strip, 64)))


def _number(b: Builder, inputs: Value, place: int) -> Value:
    return _ir.splat(b, _ir.load(b, _ir.at(b, inputs, (place, 4)), F32))


def _added(
    b: Builder, sums: list[Value], weights: list[Value], numbers: list[Value]
) -> list[Value]:
    """Each strip's 16 weights for one input, times that input of each row."""
    pairs = [(w, x) for w in weights for x in numbers]
    return [_ir.fma(b, x, w, total) for (w, x), total in zip(pairs, sums, strict=True)]


def _float32(b: Builder, sums: list[Value], lines: list[Value], inputs: Value) -> list[Value]:
    rows = len(sums) // len(lines)
    for offset in range(STEP):
        places = [_ir.at(b, line, (offset, 64)) for line in lines]
        for place in places:
            _ir.prefetch(b, _ir.at(b, place, (AHEAD, 1)))
        weights = [_ir.load(b, place, FLOATS, 64) for place in places]
        numbers = [_number(b, inputs, offset * rows + row) for row in range(rows)]
        sums = _added(b, sums, weights, numbers)
    return sums


def _bfloat16(b: Builder, sums: list[Value], lines: list[Value], inputs: Value) -> list[Value]:
    rows = len(sums) // len(lines)
    for offset in range(0, STEP, 2):
        places = [_ir.at(b, line, (offset, 32)) for line in lines]
        for place in places:
            _ir.prefetch(b, _ir.at(b, place, (AHEAD, 1)))
        pairs = [_ir.load(b, place, INTS, 64) for place in places]
        first = [b.bitcast(b.shl(pair, _ir.ints(16)), FLOATS) for pair in pairs]
        second = [b.bitcast(b.and_(pair, _ir.ints(-65536)), FLOATS) for pair in pairs]
        for k, weights in enumerate((first, second)):
            numbers = [_number(b, inputs, (offset + k) * rows + row) for row in range(rows)]
            sums = _added(b, sums, weights, numbers)
    return sums


def _pairs(b: Builder, sums: list[Value], lines: list[Value], inputs: Value) -> list[Value]:
    """Two inputs at a time, as the processor adds them: the second product, then the first."""
    rows, halves = len(sums) // len(lines), _ir.PAIRS_OF_16
    for pair in range(STEP // 2):
        places = [_ir.at(b, line, (pair, 64)) for line in lines]
        for place in places:
            _ir.prefetch(b, _ir.at(b, place, (AHEAD, 1)))
        weights = [b.bitcast(_ir.load(b, place, INTS, 64), halves) for place in places]
        numbers = [_ir.load(b, _ir.at(b, inputs, (pair * rows + r, 4)), I32) for r in range(rows)]
        splats = [b.bitcast(_ir.splat(b, number), halves) for number in numbers]
        products = [(x, w) for w in weights for x in splats]
        sums = [
            _ir.call(b, "llvm.x86.avx512bf16.dpbf16ps.512", FLOATS, total, x, w)
            for (x, w), total in zip(products, sums, strict=True)
        ]
    return sums


def _int8(
    b: Builder, group: Value, sums: list[Value], weights: Value, scales: Value,
    inputs: Value, sizes: Value,
) -> list[Value]:  # fmt: skip
    """One group: exact sums of integers, then one multiplication by the two scales."""
    rows, units = len(sums), GROUP // PACK
    whole, shifted = [_ir.INT_ZEROS] * rows, _ir.INT_ZEROS
    first = _ir.at(b, inputs, (group, 4 * units * rows))
    for unit in range(units):
        line = _ir.at(b, weights, (group, 16 * GROUP), (unit, 16 * PACK))
        if unit * PACK % 4 == 0:
            _ir.prefetch(b, _ir.at(b, line, (AHEAD, 1)))
        w = _ir.load(b, line, ir.VectorType(I8, 16 * PACK), 16 * PACK)
        if SHIFT:
            shifted = _dot(b, shifted, _ir.ints(SHIFT * 0x01010101 - 2**32), w)
        for row in range(rows):
            x = _ir.splat(b, _ir.load(b, _ir.at(b, first, (unit * rows + row, 4)), I32))
            whole[row] = _dot(b, whole[row], x, w)
    s = _ir.widen(b, _ir.load(b, _ir.at(b, scales, (group, 32)), HALVES, 32))
    size, results = _ir.at(b, sizes, (group, 4 * rows)), []
    for row, (total, number) in enumerate(zip(sums, whole, strict=True)):
        exact = b.sitofp(b.sub(number, shifted), FLOATS)
        results.append(_ir.fma(b, exact, b.fmul(s, _number(b, size, row)), total))
    return results


def _dot(b: Builder, total: Value, x: Value, w: Value) -> Value:
    """total[lane] += sum of `PACK` products; `x` holds the same `PACK` inputs in every lane."""
    if VNNI:
        return _ir.call(b, "llvm.x86.avx512.vpdpbusd.512", INTS, total, x, b.bitcast(w, INTS))
    if NARROW_VNNI or DOT:
        return _dot_in_parts(b, total, x, b.bitcast(w, INTS), 8 if NARROW_VNNI else 4)
    pairs, wide = ir.VectorType(I16, 32), ir.VectorType(I32, 32)
    products = b.mul(b.sext(b.bitcast(x, pairs), wide), b.sext(b.sext(w, pairs), wide))
    even = _ir.shuffle(b, products, range(0, 32, 2))
    return b.add(total, b.add(even, _ir.shuffle(b, products, range(1, 32, 2))))


def _dot_in_parts(b: Builder, total: Value, x: Value, w: Value, lanes: int) -> Value:
    part = ir.VectorType(I32, lanes)
    made = []
    for first in range(0, 16, lanes):
        t, p, q = (_ir.shuffle(b, v, range(first, first + lanes)) for v in (total, x, w))
        if NARROW_VNNI:
            made.append(_ir.call(b, "llvm.x86.avx512.vpdpbusd.256", part, t, p, q))
        else:
            octets = ir.VectorType(I8, 16)
            p, q = b.bitcast(p, octets), b.bitcast(q, octets)
            made.append(_ir.call(b, "llvm.aarch64.neon.sdot.v4i32.v16i8", part, t, p, q))
    while len(made) > 1:
        all_lanes = range(2 * made[0].type.count)
        pairs = zip(made[::2], made[1::2], strict=True)
        made = [_ir.picked(b, p, q, all_lanes) for p, q in pairs]
    return made[0]
