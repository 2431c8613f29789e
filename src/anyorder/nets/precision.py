"""Which form a network takes: chosen by precision, and by what this machine has.

    form = form_of("bfloat16", rows=1728, columns=576)
    form.dtype, form.linear, form.network, form.name

Compiled code (`anyorder.nets.compiled`) serves wherever it can be made and gives the right
numbers; it is the same to the last bit however a text is cut into calls, so it is never traded
for a form that is not. Elsewhere torch's operators serve, the fastest of them by measurement.
"int8" keeps activations in float32 between layers. "bfloat16" without bfloat16 arithmetic rounds
the weights and computes in float32.
Shapes: T rows, I inputs, O outputs.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from anyorder.nets.linear import Int8, Linear, Packed, Plain
from anyorder.nets.network import Network
from anyorder.nets.transformer import Block, Shape, Transformer

PRECISIONS = ("float32", "bfloat16", "int8")


@runtime_checkable
class MakeNetwork(Protocol):
    """Puts a network together; blocks may come one by one."""

    def __call__(
        self,
        *,
        shape: Shape,
        embedding_VC: Float[Tensor, "V C"],
        blocks: Iterable[Block],
        head: Linear,
        turns_RD: Tensor | None,
        positions_RC: Float[Tensor, "R C"] | None,
    ) -> Network: ...


def eager(
    *,
    shape: Shape,
    embedding_VC: Float[Tensor, "V C"],
    blocks: Iterable[Block],
    head: Linear,
    turns_RD: Tensor | None,
    positions_RC: Float[Tensor, "R C"] | None,
) -> Network:
    """torch's operators, one after the other."""
    return Transformer(shape, embedding_VC, tuple(blocks), head, turns_RD, positions_RC)


@dataclass(frozen=True)
class Form:
    """How weights are held: the dtype of keys and values, what makes a linear layer, a network."""

    name: str
    dtype: torch.dtype
    linear: Callable[[Tensor, Tensor | None], Linear]
    network: MakeNetwork = eager
    unfolded: Callable[[Tensor, Tensor | None, Tensor], Linear] | None = None

    def behind_norm(
        self, weight_OI: Float[Tensor, "O I"], bias_O: Tensor | None, norm_I: Float[Tensor, " I"]
    ) -> Linear:
        """W (x * norm) + b: norm weights become part of W, or stay apart where the form can.

        Rounded weights and inputs are nearer to the truth with them apart: they even out the
        channels of the input, and no weight is rounded twice.
        """
        if self.unfolded is not None:
            return self.unfolded(weight_OI, bias_O, norm_I)
        return self.linear(weight_OI * norm_I, bias_O)


def _rounded(weight_OI: Tensor, bias_O: Tensor | None) -> Linear:
    return Packed(weight_OI.bfloat16().float(), bias_O)


def _bfloat16(weight_OI: Tensor, bias_O: Tensor | None) -> Linear:
    return Packed(weight_OI.bfloat16(), None if bias_O is None else bias_O.bfloat16())


REFERENCE = Form("plain float32", torch.float32, Plain)
FORMS = {
    "float32": (Form("packed float32", torch.float32, Packed), REFERENCE),
    "bfloat16": (
        Form("packed bfloat16", torch.bfloat16, _bfloat16),
        Form("bfloat16 weights, float32 arithmetic", torch.float32, _rounded),
    ),
    "int8": (Form("int8, a scale a row", torch.float32, Int8),),
}


def form_of(precision: str, *, rows: int, columns: int) -> Form:
    """Compiled code, else the fastest form for a layer of `rows` outputs and `columns` inputs.

    Raises ValueError for a precision that does not exist.
    """
    if precision == "reference":
        return REFERENCE
    if precision not in FORMS:
        raise ValueError(f"precision {precision!r} is not one of {', '.join(PRECISIONS)}")
    return _compiled(precision) or operators(precision, rows=rows, columns=columns)


@lru_cache
def _compiled(precision: str) -> Form | None:
    """None where numba is not there, cannot compile for this machine, or compiles wrongly."""
    dtype = torch.bfloat16 if precision == "bfloat16" else torch.float32
    try:
        from anyorder.nets.compiled.network import Compiled
        from anyorder.nets.compiled.trial import is_right
        from anyorder.nets.linear import BehindNorm
    except ImportError:
        return None
    if not is_right(precision, dtype):
        return None
    make = partial(Compiled, precision)
    return Form(f"compiled {precision}", dtype, Plain, make, unfolded=BehindNorm)


@lru_cache
def operators(precision: str, *, rows: int, columns: int) -> Form:
    """The fastest form of torch's operators, for a layer of `rows` outputs and `columns` inputs:
    one row and eight rows, added, as a call of left-to-right and one with a small draft.
    """
    forms = [form for form in FORMS[precision] if _works(form)]
    if len(forms) == 1:
        return forms[0]
    return min(forms, key=lambda form: _milliseconds(form, rows, columns))


def _works(form: Form) -> bool:
    """Packed forms need oneDNN, int8 needs a quantised engine; some builds have neither."""
    try:
        weight_OI = torch.ones(16, 16, dtype=torch.float32, device="cpu")
        form.linear(weight_OI, None)(weight_OI[:1].to(form.dtype))
    except (RuntimeError, AttributeError, NotImplementedError):
        return False
    return True


def _milliseconds(form: Form, rows: int, columns: int) -> float:
    weight_OI = torch.randn(rows, columns, dtype=torch.float32, device="cpu")
    layers = [form.linear(weight_OI.clone(), None) for _ in range(8)]  # each with memory of its own
    total = 0.0
    for T in (1, 8):
        x_TI = torch.randn(T, columns, dtype=form.dtype, device="cpu")
        times = []
        for _ in range(6):
            begun = time.perf_counter()
            for layer in layers:
                layer(x_TI)
            times.append(time.perf_counter() - begun)
        total += min(times)
    return 1000 * total
