"""Linear layers that hold their weights in the form that is fastest on this machine.

    linear = Packed(weight_OI, bias_O)       # float32, laid out once for oneDNN
    y_TO = linear(x_TI)

`Plain` is the reference twin of all. Every form computes each row by itself: a row's result does
not depend on its neighbours (in `Int8`, each row has a scale of its own).
Shapes: T rows, I inputs, O outputs.
"""

import warnings
from typing import Protocol, runtime_checkable

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


@runtime_checkable
class Linear(Protocol):
    """y = x W^T + b, for x of float32 or bfloat16; the result has the dtype of x."""

    def __call__(self, x_TI: Float[Tensor, "*T I"], /) -> Float[Tensor, "*T O"]: ...


class Plain:
    """`torch.nn.functional.linear`, weights as they are: the reference."""

    def __init__(self, weight_OI: Float[Tensor, "O I"], bias_O: Tensor | None = None) -> None:
        self.weight_OI, self.bias_O = weight_OI.contiguous(), bias_O

    def __call__(self, x_TI: Tensor) -> Tensor:
        return F.linear(x_TI, self.weight_OI, self.bias_O)


class BehindNorm(Plain):
    """W (x * norm) + b, with norm weights that who computes it applies where it norms."""

    def __init__(
        self, weight_OI: Float[Tensor, "O I"], bias_O: Tensor | None, norm_I: Float[Tensor, " I"]
    ) -> None:
        super().__init__(weight_OI, bias_O)
        self.norm_I = norm_I

    def __call__(self, x_TI: Tensor) -> Tensor:
        return super().__call__(x_TI * self.norm_I)


class Packed:
    """Weights (float32 or bfloat16) reordered once into oneDNN's own blocks.

    Two to eight rows then cost about as much as one. The operators are those that
    `torch.compile` uses for frozen weights on a CPU.
    """

    def __init__(self, weight_OI: Float[Tensor, "O I"], bias_O: Tensor | None = None) -> None:
        self.weight = torch.ops.mkldnn._reorder_linear_weight(weight_OI.contiguous(), 8)
        self.bias_O = bias_O

    def __call__(self, x_TI: Tensor) -> Tensor:
        return torch.ops.mkldnn._linear_pointwise(x_TI, self.weight, self.bias_O, "none", [], "")


def packed(weight_OI: Float[Tensor, "O I"]) -> Linear:
    """Weights that change no more, laid out as is quickest here."""
    form = Packed if torch.backends.mkldnn.is_available() else Plain
    return form(weight_OI.detach())


class Int8:
    """Weights in int8, a scale for each output; inputs in uint8, a scale for each row.

    The operator has one input scale for the whole call. Two more inputs, always +1 and -1, with
    zero weights, and rows that were divided by their own largest magnitude, make that scale the
    same for every call: so a row is rounded in the same way alone and in company, and sums of
    integers are exact in any order.
    """

    def __init__(self, weight_OI: Float[Tensor, "O I"], bias_O: Tensor | None = None) -> None:
        O, I = weight_OI.shape  # noqa: E741
        self.inputs, self.bias_O = I, bias_O
        wide_OJ = F.pad(weight_OI.float(), (0, 2))
        scale_O = wide_OJ.abs().amax(1).clamp_min(1e-12).double() / 127
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # these creators are deprecated upstream
            zero_O = torch.zeros(O, dtype=torch.long, device="cpu")
            whole_OJ = torch.quantize_per_channel(wide_OJ, scale_O, zero_O, 0, torch.qint8)
            self.weight = torch.ops.quantized.linear_prepack(whole_OJ, None)
        self.rows: dict[int, Tensor] = {}

    def __call__(self, x_TI: Tensor) -> Tensor:
        flat_TI = x_TI.reshape(-1, self.inputs)
        largest_T1 = torch.linalg.vector_norm(flat_TI, torch.inf, -1, keepdim=True)
        largest_T1.clamp_min_(1e-30)
        row_TJ = self._row(len(flat_TI))
        torch.div(flat_TI, largest_T1, out=row_TJ[:, : self.inputs])
        y_TO = torch.ops.quantized.linear_dynamic(row_TJ, self.weight).mul_(largest_T1)
        if self.bias_O is not None:
            y_TO += self.bias_O
        return y_TO.view(*x_TI.shape[:-1], -1)

    def _row(self, T: int) -> Tensor:
        if T not in self.rows:
            if len(self.rows) > 64:
                self.rows.clear()
            with torch.inference_mode(False):  # else it could be written to in that mode alone
                row_TJ = torch.zeros(T, self.inputs + 2, dtype=torch.float32, device="cpu")
                row_TJ[:, -2], row_TJ[:, -1] = 1.0, -1.0
            self.rows[T] = row_TJ
        return self.rows[T]
