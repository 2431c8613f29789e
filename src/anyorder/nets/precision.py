"""Which form the weights take: chosen by precision, and by measurement on this machine.

    form = form_of("bfloat16", rows=1728, columns=576)
    form.dtype, form.linear, form.name

"int8" keeps activations in float32 between layers. "bfloat16" on a processor that has no bfloat16
arithmetic rounds the weights and computes in float32, where measurement says that is faster.
Shapes: T rows, I inputs, O outputs.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from anyorder.nets.linear import Int8, Linear, Packed, Plain

PRECISIONS = ("float32", "bfloat16", "int8")


@dataclass(frozen=True)
class Form:
    """How weights are held: the dtype of activations, and what makes a linear layer."""

    name: str
    dtype: torch.dtype
    linear: Callable[[Tensor, Tensor | None], Linear]


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
    """The fastest form of this precision for a layer of `rows` outputs and `columns` inputs.

    Raises ValueError for a precision that does not exist.
    """
    if precision == "reference":
        return REFERENCE
    if precision not in FORMS:
        raise ValueError(f"precision {precision!r} is not one of {', '.join(PRECISIONS)}, auto")
    return _fastest(precision, rows, columns)


@lru_cache
def _fastest(precision: str, rows: int, columns: int) -> Form:
    """One row and eight rows, added: a call of left-to-right and a call with a small draft."""
    forms = [form for form in FORMS[precision] if _works(form)]
    if len(forms) == 1:
        return forms[0]
    return min(forms, key=lambda form: _milliseconds(form, rows, columns))


def _works(form: Form) -> bool:
    """Packed forms need oneDNN, int8 needs a quantised engine; some builds have neither."""
    try:
        form.linear(torch.ones(16, 16), None)(torch.ones(1, 16, dtype=form.dtype))
    except (RuntimeError, AttributeError, NotImplementedError):
        return False
    return True


def _milliseconds(form: Form, rows: int, columns: int) -> float:
    layers = [form.linear(torch.randn(rows, columns), None) for _ in range(8)]
    total = 0.0
    for T in (1, 8):
        x_TI = torch.randn(T, columns, dtype=form.dtype)
        times = []
        for _ in range(6):
            begun = time.perf_counter()
            for layer in layers:
                layer(x_TI)
            times.append(time.perf_counter() - begun)
        total += min(times)
    return 1000 * total
