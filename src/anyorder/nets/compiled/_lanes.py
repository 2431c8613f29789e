"""Sixteen float32 numbers as one value inside compiled functions, and what threads need.

    x = load(kind, address); x = fma(x, y, z); store(kind, address, x); total(x)

Memory is named by addresses (int64). A `kind` is a number whose type says how memory is written:
float32, or uint16 for bfloat16 (widened when read, rounded when written).
"""

import inspect
import operator
from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic, models, overload, register_model

from anyorder.nets.compiled import _ir
from anyorder.nets.compiled._ir import F32, FLOATS, HALVES, I32, I64, INTS, WIDTH, Builder, Value
from anyorder.nets.compiled.machine import ARM


class LanesType(types.Type):
    """The type of sixteen numbers; it never leaves compiled code."""

    def __init__(self) -> None:
        super().__init__(name="Lanes")


Lanes, Address, Whole, Real, Nothing = (
    LanesType(), types.int64, types.int64, types.float32, types.void
)  # fmt: skip


@register_model(LanesType)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, manager: Any, of: Any) -> None:
        super().__init__(manager, of, FLOATS)


def compiled(function: Callable) -> Any:
    """Compile on first use: IEEE arithmetic to the letter, no exceptions, no GIL."""
    return njit(nogil=True, error_model="numpy", boundscheck=False)(inspect.unwrap(function))


def instruction(result: types.Type, *given: types.Type | None) -> Callable[[Callable], Any]:
    """Make `write(builder, *values)` a word of compiled code.

    `given` are the types of its arguments; None: a kind or a literal, handed over as its type.
    """

    def make(write: Callable) -> Any:
        def typed(_context: Any, *args: types.Type) -> Any:
            pairs = list(zip(given, args, strict=True))

            def code(context: Any, builder: Builder, _of: Any, values: Sequence[Value]) -> Value:
                handed = [
                    have if want is None else value
                    for (want, have), value in zip(pairs, values, strict=True)
                ]
                made = write(builder, *handed)
                return context.get_dummy_value() if made is None else made

            return result(*(have if want is None else want for want, have in pairs)), code

        typed = inspect.unwrap(typed)
        names = ["context", *(f"x{i}" for i in range(len(given)))]
        once = inspect.Parameter.POSITIONAL_OR_KEYWORD
        typed.__signature__ = inspect.Signature([inspect.Parameter(n, once) for n in names])  # type: ignore[attr-defined]
        typed.__name__ = write.__name__
        return intrinsic(prefer_literal=True)(typed)

    return make


# ---- memory ----


@instruction(Whole, Address, Whole)
def word(b: Builder, address: Value, index: Value) -> Value:
    """The `index`-th int64 at an address."""
    return _ir.load(b, _ir.at(b, address, (index, 8)), I64, 8)


@instruction(Whole, Address, Whole)
def slot(b: Builder, address: Value, index: Value) -> Value:
    """The `index`-th int32 at an address."""
    return b.sext(_ir.load(b, _ir.at(b, address, (index, 4)), I32), I64)


@instruction(Nothing, Address, Whole, Whole)
def put_slot(b: Builder, address: Value, index: Value, value: Value) -> None:
    """Write an int32."""
    _ir.store(b, b.trunc(value, I32), _ir.at(b, address, (index, 4)))


@instruction(Lanes, None, Address)
def load(b: Builder, kind: types.Type, address: Value) -> Value:
    """Sixteen neighbours in memory."""
    if kind == types.float32:
        return _ir.load(b, address, FLOATS)
    return _ir.widen(b, _ir.load(b, address, HALVES, 2))


@instruction(Nothing, None, Address, Lanes)
def store(b: Builder, kind: types.Type, address: Value, x: Value) -> None:
    """Write sixteen neighbours."""
    if kind == types.float32:
        _ir.store(b, x, address)
    else:
        _ir.store(b, _ir.narrow(b, x), address, 2)


@instruction(Real, Address)
def real(b: Builder, address: Value) -> Value:
    """One float32."""
    return _ir.load(b, address, F32)


@instruction(Nothing, Address, Real)
def put_real(b: Builder, address: Value, value: Value) -> None:
    """Write one float32."""
    _ir.store(b, value, address)


@instruction(Whole, None)
def size(_b: Builder, kind: Any) -> Value:
    """Bytes of one number of this kind."""
    return I64(kind.bitwidth // 8)


# ---- arithmetic ----


@instruction(Lanes, Real)
def splat(b: Builder, value: Value) -> Value:
    """The same number sixteen times."""
    return _ir.splat(b, value)


@instruction(Lanes, Lanes, Lanes, Lanes)
def fma(b: Builder, x: Value, y: Value, z: Value) -> Value:
    """x * y + z, rounded once."""
    return _ir.fma(b, x, y, z)


def _binary(sign: Callable, name: str) -> None:
    @instruction(Lanes, Lanes, Lanes)
    def apply(b: Builder, x: Value, y: Value) -> Value:
        return getattr(b, name)(x, y)

    def operation(x, y):
        if isinstance(x, LanesType) and isinstance(y, LanesType):
            return inspect.unwrap(lambda x, y: apply(x, y))
        return None

    overload(sign)(inspect.unwrap(operation))


for _sign, _name in (
    (operator.add, "fadd"),
    (operator.sub, "fsub"),
    (operator.mul, "fmul"),
    (operator.truediv, "fdiv"),
):
    _binary(_sign, _name)


@instruction(Lanes, Lanes, Lanes)
def larger(b: Builder, x: Value, y: Value) -> Value:
    """The larger of two in each lane."""
    return b.select(b.fcmp_ordered(">", x, y), x, y)


@instruction(Lanes, Lanes, Lanes)
def smaller(b: Builder, x: Value, y: Value) -> Value:
    """The smaller of two in each lane."""
    return b.select(b.fcmp_ordered("<", x, y), x, y)


@instruction(Lanes, Lanes)
def magnitude(b: Builder, x: Value) -> Value:
    """|x|."""
    return b.bitcast(b.and_(b.bitcast(x, INTS), _ir.ints(0x7FFFFFFF)), FLOATS)


@instruction(Real, Lanes)
def total(b: Builder, x: Value) -> Value:
    """The sum of all lanes, always in the same order."""
    return _ir.folded(b, x, b.fadd)


@instruction(Real, Lanes)
def largest(b: Builder, x: Value) -> Value:
    """The largest of all lanes."""
    return _ir.folded(b, x, lambda p, q: b.select(b.fcmp_ordered(">", p, q), p, q))


@instruction(Lanes, Lanes, Whole)
def only(b: Builder, x: Value, lanes: Value) -> Value:
    """The first `lanes`, and 0 in the others."""
    place = ir.Constant(INTS, list(range(WIDTH)))
    within = b.icmp_signed("<", place, _ir.splat(b, b.trunc(lanes, I32)))
    return b.select(within, x, _ir.ZEROS)


@instruction(Lanes, Lanes)
def swapped(b: Builder, x: Value) -> Value:
    """Neighbours exchanged: lanes 1, 0, 3, 2, ..."""
    return _ir.shuffle(b, x, [lane ^ 1 for lane in range(WIDTH)])


@instruction(Lanes, Lanes)
def whole(b: Builder, x: Value) -> Value:
    """The nearest whole number, ties to even."""
    return _ir.call(b, "llvm.rint.v16f32", FLOATS, x)


@instruction(Lanes, Lanes)
def power_of_two(b: Builder, n: Value) -> Value:
    """2^n for whole n from -126 to 127."""
    return b.bitcast(b.shl(b.add(b.fptosi(n, INTS), _ir.ints(127)), _ir.ints(23)), FLOATS)


# ---- threads ----


@instruction(Whole, Address)
def grab(b: Builder, address: Value) -> Value:
    """Add one to a counter that threads share; what it was."""
    return b.atomic_rmw("add", b.inttoptr(address, I64.as_pointer()), I64(1), "seq_cst")


@instruction(Whole, Address)
def seen(b: Builder, address: Value) -> Value:
    """A counter that threads share."""
    return b.load_atomic(b.inttoptr(address, I64.as_pointer()), "seq_cst", 8)


@instruction(Nothing)
def pause(b: Builder) -> None:
    """Let a waiting loop be gentle on the core."""
    if ARM:
        _ir.call(b, "llvm.aarch64.hint", ir.VoidType(), I32(1))
    else:
        _ir.call(b, "llvm.x86.sse2.pause", ir.VoidType())


@instruction(Nothing)
def give_way(b: Builder) -> None:
    """Let another thread run on this core."""
    _ir.call(b, _ir.GIVE_WAY, I32)
