"""One call of a native network, as operators of fixed shapes: nothing of it is decided on the way.

    logits_SV = logits(weights, shape, operators, memory_L2BKRD, cells, score_S)

What a call is asked arrives in tensors that keep their addresses, so that a CUDA graph can be
captured of it and replayed.
Shapes: N cells, S scored cells, B rows, H heads, K key heads, D head width, C channels, V
vocabulary, L layers, R cells of a row's memory, P positions.
"""

from dataclasses import dataclass

import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from anyorder.nets.graphed.cells import Cells, Field
from anyorder.nets.graphed.operators import Operators
from anyorder.nets.linear import BehindNorm, Linear, Plain
from anyorder.nets.transformer import Block, Shape


@dataclass(frozen=True)
class Matrix:
    """W x + b, of a normed x that was multiplied by `norm_I`, if there is one."""

    weight_OI: Float[Tensor, "O I"]
    bias_O: Float[Tensor, " O"] | None
    norm_I: Float[Tensor, " I"] | None

    @staticmethod
    def of(linear: Linear, like: Tensor) -> "Matrix":
        """With dtype and device of `like`; norm weights stay in float32."""
        assert isinstance(linear, Plain), "weights that are left as they are"
        norm_I = linear.norm_I.to(like.device) if isinstance(linear, BehindNorm) else None
        bias_O = None if linear.bias_O is None else linear.bias_O.to(like)
        return Matrix(linear.weight_OI.to(like), bias_O, norm_I)

    def __call__(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight_OI, self.bias_O)


@dataclass(frozen=True)
class Layer:
    """One layer; see `anyorder.nets.transformer.Block`."""

    qkv: Matrix
    out: Matrix
    mlp_up: Matrix
    mlp_down: Matrix
    gated: bool
    head_norms: Float[Tensor, "HK D"] | None

    @staticmethod
    def of(block: Block, like: Tensor) -> "Layer":
        """With dtype and device of `like`."""
        assert not any((block.relu, block.cross)), "compiled code alone knows these"
        matrices = (block.qkv, block.out, block.mlp_up, block.mlp_down)
        norms = None if block.head_norms is None else block.head_norms.to(like.device).contiguous()
        qkv, out, mlp_up, mlp_down = (Matrix.of(each, like) for each in matrices)
        return Layer(qkv, out, mlp_up, mlp_down, block.gated, norms)


@dataclass(frozen=True)
class Weights:
    """All of a network; rotary where `turns_PD2` is given, else learned positions."""

    embedding_VC: Float[Tensor, "V C"]
    layers: tuple[Layer, ...]
    head: Matrix
    turns_PD2: Float[Tensor, "P D 2"] | None
    positions_PC: Float[Tensor, "P C"] | None


def states(
    weights: Weights,
    shape: Shape,
    operators: Operators,
    memory_L2BKRD: Float[Tensor, "L 2 B K R D"],
    cells: Cells,
) -> Float[Tensor, "N C"]:
    """The cells behind the last layer, in float32."""
    x_NC = weights.embedding_VC[cells.numbers_FN[Field.TOKEN]].float()
    if weights.positions_PC is not None:
        x_NC += weights.positions_PC[cells.numbers_FN[Field.PLACE]]
    more_NC = None
    for layer, memory_2BKRD in zip(weights.layers, memory_L2BKRD, strict=True):
        normed_NC = operators.add_norm(x_NC, more_NC, layer.qkv.norm_I, shape)
        queries_NHD = operators.write(
            layer.qkv(normed_NC), layer.head_norms, weights.turns_PD2, cells, memory_2BKRD, shape
        )
        seen_NX = operators.attend(queries_NHD, cells, memory_2BKRD, shape)
        normed_NC = operators.add_norm(x_NC, layer.out(seen_NX), layer.mlp_up.norm_I, shape)
        up_NM = layer.mlp_up(normed_NC)
        up_NM = operators.gate(up_NM) if layer.gated else F.gelu(up_NM, approximate="tanh")
        more_NC = layer.mlp_down(up_NM)
    assert more_NC is not None, "there are layers"
    return x_NC.add_(more_NC)


def logits(
    weights: Weights,
    shape: Shape,
    operators: Operators,
    memory_L2BKRD: Float[Tensor, "L 2 B K R D"],
    cells: Cells,
    score_S: Int[Tensor, " S"],
) -> Float[Tensor, "S V"]:
    """What some of the cells say, in float32."""
    x_SC = states(weights, shape, operators, memory_L2BKRD, cells)[score_S]
    return weights.head(operators.add_norm(x_SC, None, weights.head.norm_I, shape)).float()
