"""A network's weights laid out for compiled code, and the table of numbers that describes them.

    plan = Plan("int8", shape=shape, blocks=blocks, head=head, turns_RD=turns_RD)

Heads are as wide as the next multiple of 16 and the MLP's middle the next of 64, with zeros that
change no sum. Blocks may be an iterator: each is packed, then let go.
Shapes: R positions, D head width, O outputs.
"""

from collections.abc import Iterable
from copy import copy

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from anyorder.nets.compiled.machine import GROUP
from anyorder.nets.compiled.packing import Strips, pack, padded, widened
from anyorder.nets.compiled.words import (
    COUNTER_BYTES,
    CROSS_PHASES,
    PHASES,
    Activation,
    Matrix,
    Net,
)
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
        assert turns_RD is None or turns_RD.shape == (len(turns_RD), shape.head_width // 2)
        assert turns_RD is None or len(turns_RD) >= shape.max_length
        assert _weight(head).shape == (shape.vocab_size, shape.channels)
        self.shape, self.precision = shape, precision
        self.width, self.middle, self.kind = padded(shape.head_width, 16), 0, (False, False, False)
        self.matrices: list[Strips] = []
        self.layers, head_norms = 0, list[Tensor]()
        for block in blocks:
            self._add(block)
            self.layers += 1
            if block.head_norms is not None:
                head_norms.append(block.head_norms.float())
        assert len(head_norms) in (0, self.layers), "layers are alike"
        self.head_norms = _head_norms(head_norms, self.width)
        self.matrices.append(pack(head, precision))
        self.cosines, self.sines = _turns(turns_RD, self.width)
        self.longest = padded(max(matrix.inputs for matrix in self.matrices), 64)
        self.widest = max(matrix.outputs for matrix in self.matrices[:-1])
        self.words = self._words()
        self.address = self.words.ctypes.data
        phases = PHASES + CROSS_PHASES * self.cross
        self.counter_bytes = (self.layers * phases + 2) * COUNTER_BYTES

    @property
    def weights(self) -> int:
        """How many there are: as many products, for each cell."""
        return sum(matrix.outputs * matrix.inputs for matrix in self.matrices)

    @property
    def cross(self) -> bool:
        """Whether the layers look at a source."""
        return self.kind[2]

    def _add(self, block: Block) -> None:
        s, W, halves = self.shape, self.width, 2 if block.gated else 1
        outputs, first = len(_weight(block.mlp_up)) // halves, not self.matrices
        kind = block.gated, block.relu, block.cross is not None
        middle, H, K = padded(outputs, MIDDLE_STEP), s.heads * s.head_width, s.key_heads
        assert first or (self.middle, self.kind) == (middle, kind), "layers are alike"
        assert _weight(block.qkv).shape == (H + 2 * K * s.head_width, s.channels)
        assert _weight(block.out).shape == (s.channels, H)
        assert _weight(block.mlp_up).shape == (halves * outputs, s.channels)
        assert _weight(block.mlp_down).shape == (s.channels, outputs)
        self.middle, self.kind = middle, kind
        query, found = block.cross or (None, None)
        for linear in (
            _wide_outputs(block.qkv, s.heads + 2 * s.key_heads, W),
            _wide_inputs(block.out, s.heads, W),
            *([_wide_outputs(query, s.heads, W)] if query else []),
            *([_wide_inputs(found, s.heads, W)] if found else []),
            _wide_outputs(block.mlp_up, halves, self.middle),
            _wide_inputs(block.mlp_down, 1, self.middle),
        ):
            self.matrices.append(pack(linear, self.precision))

    @property
    def _activation(self) -> Activation:
        gated, relu, _ = self.kind
        return Activation.SILU if gated else Activation.RELU if relu else Activation.GELU

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
            Net.ACTIVATION: self._activation,
            Net.CROSS: self.cross,
            Net.ROTARY: len(self.cosines) > 0,
            Net.COSINES: self.cosines.data_ptr(),
            Net.SINES: self.sines.data_ptr(),
            Net.EPS: _bits(s.norm_eps),
            Net.SCALE: _bits(s.head_width**-0.5),
            Net.LONGEST: self.longest,
            Net.WIDEST: self.widest,
            Net.HEAD_NORMS: self.head_norms.data_ptr() if len(self.head_norms) else 0,
            Net.HEAD_WIDTH: s.head_width,
        }
        for place, number in numbers.items():
            words[place] = number
        words[Net.MATRICES :] = [word for matrix in self.matrices for word in matrix.words]
        return words


def _weight(linear: Linear) -> Tensor:
    assert isinstance(linear, Plain), "the plan packs weights that are left as they are"
    return linear.weight_OI


def _wide_outputs(linear: Linear, parts: int, width: int) -> Linear:
    """Each of `parts` equal parts of the outputs filled up to `width`."""
    assert isinstance(linear, Plain)
    made = copy(linear)
    made.weight_OI = widened(linear.weight_OI, parts, width)
    if linear.bias_O is not None:
        made.bias_O = widened(linear.bias_O, parts, width)
    return made


def _wide_inputs(linear: Linear, parts: int, width: int) -> Linear:
    """The same for the inputs."""
    assert isinstance(linear, Plain)
    return Plain(widened(linear.weight_OI.t(), parts, width).t(), linear.bias_O)


def _bits(value: float) -> int:
    """A float32 in the lower half of a word."""
    return int(np.float32(value).view(np.uint32))


def _head_norms(layers: list[Tensor], width: int) -> Tensor:
    """Of all layers, each filled up to `width`; empty without any."""
    norms = torch.stack(layers) if layers else torch.zeros(0, 0, 0, device="cpu")
    return F.pad(norms, (0, width - norms.shape[-1])).contiguous()


def _turns(turns_RD: Tensor | None, width: int) -> tuple[Tensor, Tensor]:
    """Cosines, and sines with the sign that a complex product gives them, for each channel."""
    if turns_RD is None:
        none = torch.zeros(0, dtype=torch.float32, device="cpu")
        return none, none
    cosines = torch.stack([turns_RD.real, turns_RD.real], -1).flatten(1).float()
    sines = torch.stack([-turns_RD.imag, turns_RD.imag], -1).flatten(1).float()
    missing = (0, width - cosines.shape[1])
    return F.pad(cosines, missing).contiguous(), F.pad(sines, missing).contiguous()
