"""A network's weights laid out for compiled code, and the table of numbers that describes them.

    plan = Plan("int8", shape=shape, blocks=blocks, head=head, turns_RD=turns_RD)

Heads are as wide as the next multiple of 16 and the MLP's middle the next of 64, with zeros that
change no sum. Blocks may be an iterator: each is packed, then let go.
Shapes: R positions, D head width, O outputs.
"""

from collections.abc import Iterable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from anyorder.nets.compiled.machine import GROUP
from anyorder.nets.compiled.packing import Strips, pack, padded, widened
from anyorder.nets.compiled.words import Matrix, Net
from anyorder.nets.linear import Linear, Plain
from anyorder.nets.transformer import Block, Shape

MIDDLE_STEP = 64  # of the MLP's middle; a multiple of GROUP
assert MIDDLE_STEP % GROUP == 0


class Plan:
    """`words` is what compiled code reads; the tensors to which it points are held here."""

    def __init__(
        self,
        precision: str,
        *,
        shape: Shape,
        blocks: Iterable[Block],
        head: Linear,
        turns_RD: Tensor | None,
    ) -> None:
        assert turns_RD is None or len(turns_RD) >= shape.max_length
        self.shape, self.precision = shape, precision
        self.width, self.middle, self.gated = padded(shape.head_width, 16), 0, False
        self.matrices: list[Strips] = []
        for block in blocks:
            self._add(block)
        self.layers = len(self.matrices) // 4
        self.matrices.append(pack(*_held(head), precision))
        self.cosines, self.sines = _turns(turns_RD, self.width)
        self.longest = padded(max(matrix.inputs for matrix in self.matrices), 64)
        self.widest = max(matrix.outputs for matrix in self.matrices[:-1])
        self.words = self._words()

    def _add(self, block: Block) -> None:
        s, W, halves = self.shape, self.width, 2 if block.gated else 1
        (qkv, qkv_O), (out, out_O), (up, up_O), (down, down_O) = (
            _held(part) for part in (block.qkv, block.out, block.mlp_up, block.mlp_down)
        )
        parts, middle = s.heads + 2 * s.key_heads, padded(len(up) // halves, MIDDLE_STEP)
        self.middle, self.gated = middle, block.gated
        for weight, bias in (
            (widened(qkv, parts, W), _wide(qkv_O, parts, W)),
            (widened(out.t(), s.heads, W).t(), out_O),
            (widened(up, halves, middle), _wide(up_O, halves, middle)),
            (widened(down.t(), 1, middle).t(), down_O),
        ):
            self.matrices.append(pack(weight, bias, self.precision))

    def _words(self) -> np.ndarray:
        s, words = self.shape, np.zeros(Net.MATRICES + Matrix.WORDS * len(self.matrices), np.int64)
        numbers = {
            Net.LAYERS: self.layers,
            Net.CHANNELS: s.channels,
            Net.HEADS: s.heads,
            Net.KEY_HEADS: s.key_heads,
            Net.WIDTH: self.width,
            Net.MIDDLE: self.middle,
            Net.CENTRED: s.centred,
            Net.GATED: self.gated,
            Net.ROTARY: len(self.cosines) > 0,
            Net.COSINES: self.cosines.data_ptr(),
            Net.SINES: self.sines.data_ptr(),
            Net.EPS: _bits(s.norm_eps),
            Net.SCALE: _bits(s.head_width**-0.5),
            Net.LONGEST: self.longest,
            Net.WIDEST: self.widest,
        }
        for place, number in numbers.items():
            words[place] = number
        words[Net.MATRICES :] = [word for matrix in self.matrices for word in matrix.words]
        return words


def _held(linear: Linear) -> tuple[Tensor, Tensor | None]:
    assert isinstance(linear, Plain), "the plan packs weights that are left as they are"
    return linear.weight_OI, linear.bias_O


def _wide(bias_O: Tensor | None, parts: int, width: int) -> Tensor | None:
    return None if bias_O is None else widened(bias_O, parts, width)


def _bits(value: float) -> int:
    """A float32 in the lower half of a word."""
    return int(np.float32(value).view(np.uint32))


def _turns(turns_RD: Tensor | None, width: int) -> tuple[Tensor, Tensor]:
    """Cosines, and sines with the sign that a complex product gives them, for each channel."""
    if turns_RD is None:
        return torch.zeros(0), torch.zeros(0)
    cosines = torch.stack([turns_RD.real, turns_RD.real], -1).flatten(1)
    sines = torch.stack([-turns_RD.imag, turns_RD.imag], -1).flatten(1)
    missing = (0, width - cosines.shape[1])
    return F.pad(cosines, missing).contiguous(), F.pad(sines, missing).contiguous()
