"""Small words for writing LLVM code by hand: vectors of 16, loads and stores, one loop.

What is written with them is exact to the last bit: no operation may be reordered or fused by the
compiler, and every fused multiply-add is asked for by name.
"""

import platform
from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import ir
from numba.core import cgutils

WIDTH = 16  # lanes: one register of AVX-512, two of AVX2, four of NEON
I8, I16, I32, I64 = (ir.IntType(bits) for bits in (8, 16, 32, 64))
F32 = ir.FloatType()
FLOATS, INTS = ir.VectorType(F32, WIDTH), ir.VectorType(I32, WIDTH)
HALVES, OCTETS = ir.VectorType(I16, WIDTH), ir.VectorType(I8, WIDTH)


class BFloat(ir.Type):
    """LLVM's bfloat, which llvmlite does not name."""

    def _to_string(self) -> str:
        return "bfloat"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, BFloat)

    def __hash__(self) -> int:
        return hash(BFloat)


PAIRS_OF_16 = ir.VectorType(BFloat(), 2 * WIDTH)
ZEROS, INT_ZEROS = ir.Constant(FLOATS, [0.0] * WIDTH), ir.Constant(INTS, [0] * WIDTH)

Builder = ir.IRBuilder
Value = Any


def call(b: Builder, name: str, result: ir.Type, *args: Value) -> Value:
    """Call an LLVM intrinsic or a C function by its name."""
    of = ir.FunctionType(result, [arg.type for arg in args])
    return b.call(cgutils.get_or_insert_function(b.module, of, name), args)


def fma(b: Builder, x: Value, y: Value, z: Value) -> Value:
    """x * y + z, rounded once."""
    return call(b, "llvm.fma.v16f32", FLOATS, x, y, z)


def splat(b: Builder, scalar: Value, lanes: int = WIDTH) -> Value:
    """The same number in every lane."""
    empty = ir.Constant(ir.VectorType(scalar.type, lanes), ir.Undefined)
    one = b.insert_element(empty, scalar, I32(0))
    return b.shuffle_vector(one, empty, ir.Constant(ir.VectorType(I32, lanes), [0] * lanes))


def ints(value: int) -> Value:
    """A constant in every lane."""
    return ir.Constant(INTS, [value] * WIDTH)


def shuffle(b: Builder, x: Value, order: Sequence[int]) -> Value:
    """The lanes of `x` in another order."""
    empty = ir.Constant(x.type, ir.Undefined)
    return b.shuffle_vector(x, empty, ir.Constant(ir.VectorType(I32, len(order)), list(order)))


def picked(b: Builder, x: Value, y: Value, lanes: Sequence[int]) -> Value:
    """Lanes out of two values: those of `y` are numbered after those of `x`."""
    return b.shuffle_vector(x, y, ir.Constant(ir.VectorType(I32, len(lanes)), list(lanes)))


def folded(b: Builder, x: Value, join: Callable[[Value, Value], Value]) -> Value:
    """All lanes in one, halves joined with halves: always in the same order."""
    for half in (8, 4, 2, 1):
        x = join(x, shuffle(b, x, [lane ^ half for lane in range(WIDTH)]))
    return b.extract_element(x, I32(0))


def at(b: Builder, base: Value, *steps: tuple[Value | int, int]) -> Value:
    """An address: `base` plus the sum of index times bytes."""
    for index, size in steps:
        wide = I64(index * size) if isinstance(index, int) else b.mul(index, I64(size))
        base = b.add(base, wide)
    return base


def load(b: Builder, address: Value, of: ir.Type, align: int = 4) -> Value:
    """What stands at an address."""
    return b.load(b.inttoptr(address, of.as_pointer()), align=align)


def store(b: Builder, value: Value, address: Value, align: int = 4) -> None:
    """Write to an address."""
    b.store(value, b.inttoptr(address, value.type.as_pointer()), align=align)


def widen(b: Builder, halves: Value) -> Value:
    """bfloat16 -> float32: the upper half of the bits."""
    return b.bitcast(b.shl(b.zext(halves, INTS), ints(16)), FLOATS)


def narrow(b: Builder, x: Value) -> Value:
    """float32 -> bfloat16, to the nearest, ties to even."""
    bits = b.bitcast(x, INTS)
    odd = b.and_(b.lshr(bits, ints(16)), ints(1))
    return b.trunc(b.lshr(b.add(b.add(bits, odd), ints(0x7FFF)), ints(16)), HALVES)


def prefetch(b: Builder, address: Value) -> None:
    """Ask for a line of memory that is read once, soon."""
    pointer = b.inttoptr(address, I8.as_pointer())
    call(b, "llvm.prefetch.p0", ir.VoidType(), pointer, I32(0), I32(3), I32(1))


Body = Callable[[Value, list[Value]], list[Value]]


def loop(b: Builder, times: Value, carried: list[Value], body: Body) -> list[Value]:
    """`for i in range(times): carried = body(i, carried)`, with `times` >= 1."""
    before, inside = b.block, b.append_basic_block("loop")
    after = b.append_basic_block("after")
    b.branch(inside)
    b.position_at_end(inside)
    i = b.phi(I64)
    i.add_incoming(I64(0), before)
    held = [b.phi(value.type) for value in carried]
    for phi, value in zip(held, carried, strict=True):
        phi.add_incoming(value, before)
    results = body(i, list(held))
    following = b.add(i, I64(1))
    i.add_incoming(following, b.block)
    for phi, value in zip(held, results, strict=True):
        phi.add_incoming(value, b.block)
    b.cbranch(b.icmp_signed("<", following, times), inside, after)
    b.position_at_end(after)
    return results


# A C function without arguments that gives the core to another thread.
GIVE_WAY = "SwitchToThread" if platform.system() == "Windows" else "sched_yield"
