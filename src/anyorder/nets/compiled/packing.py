"""Weights in the order in which the inner loops read them.

    strips = pack(Plain(weight_OI, bias_O), "int8")

Sixteen outputs make a strip, inputs are filled up with zeros. int8 has a scale for every `GROUP`
inputs of an output, a bfloat16 that is rounded up, so that no weight exceeds 127.
Shapes: O outputs, I inputs, S strips, G groups.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from anyorder.nets.compiled.machine import GROUP, OUTPUTS, PACK
from anyorder.nets.linear import BehindNorm, Linear, Plain


def padded(number: int, step: int) -> int:
    """The next multiple of `step`."""
    return -(-number // step) * step


@dataclass(frozen=True)
class Strips:
    """One matrix. The tensors are held here; compiled code knows their addresses."""

    weights: Tensor
    scales: Tensor
    bias: Tensor
    norm: Tensor
    outputs: int
    inputs: int

    @property
    def words(self) -> list[int]:
        """What compiled code must know, in the order of `words.Matrix`."""
        addresses = [t.data_ptr() for t in (self.weights, self.scales, self.bias, self.norm)]
        return [*addresses, self.outputs // 16, self.inputs]


def pack(linear: Linear, precision: str) -> Strips:
    """Reorder, and round where the precision asks for it."""
    assert isinstance(linear, Plain), "weights that are left as they are"
    weight_OI, bias_O = linear.weight_OI, linear.bias_O
    O, I = weight_OI.shape  # noqa: E741
    whole = GROUP if precision == "int8" else 16
    outputs, inputs = padded(O, OUTPUTS), padded(I, whole)
    filled_OI = F.pad(weight_OI.float(), (0, inputs - I, 0, outputs - O))
    assert bias_O is None or bias_O.shape == (O,)
    bias = torch.zeros(outputs, dtype=torch.float32, device="cpu")
    norm = torch.ones(padded(I, 16), dtype=torch.float32, device="cpu")
    if bias_O is not None:
        bias[:O] = bias_O
    if isinstance(linear, BehindNorm):
        norm[:I] = linear.norm_I
    scales = torch.zeros(0, dtype=torch.int16, device="cpu")
    if precision == "int8":
        weights, scales = _whole(filled_OI)
    elif precision == "bfloat16":
        weights = _interleaved(filled_OI.bfloat16(), 2)
    else:
        weights = _interleaved(filled_OI, 1)
    return Strips(weights, scales, bias, norm, outputs, inputs)


def _interleaved(weight_OI: Tensor, pack: int) -> Tensor:
    """[S, I / pack, 16, pack]: `pack` inputs of an output are neighbours."""
    return weight_OI.unflatten(0, (-1, 16)).unflatten(2, (-1, pack)).transpose(1, 2).contiguous()


def _whole(weight_OI: Tensor) -> tuple[Tensor, Tensor]:
    grouped_OGI = weight_OI.unflatten(1, (-1, GROUP))
    top_OG = grouped_OGI.abs().amax(-1) / 127
    above_OG = (top_OG.view(torch.int32) + 0xFFFF) >> 16  # bfloat16, rounded up
    scale_OG = (above_OG << 16).view(torch.float32).clamp_min(1e-37)
    whole_OGI = (grouped_OGI / scale_OG[..., None]).round_()
    weights = _interleaved(whole_OGI.flatten(1).to(torch.int8), PACK)
    return weights, above_OG.to(torch.int16).unflatten(0, (-1, 16)).transpose(1, 2).contiguous()


def widened(weight: Tensor, parts: int, width: int) -> Tensor:
    """Fill each of `parts` equal parts of dimension 0 up to `width` with zeros."""
    held = weight.unflatten(0, (parts, -1))
    missing = width - held.shape[1]
    assert missing >= 0, "parts are widened, never cut"
    return F.pad(held.movedim(1, -1), (0, missing)).movedim(-1, 1).flatten(0, 1)
