"""Cells that leave a stack of layers early, each at its own layer.

    climbed = climb(decoder, x_BMC, sees_B1M, memory, leave)
    climbed.states_BMC, climbed.layer_BM          # of the layer at which each cell has left
    ramps(decoder, x_BMC, sees_B1M, memory)       # of all layers, if none leaves

What a cell leaves with is the norm of its state, as at the end of the stack. The state is copied to
all layers above, where others attend to it, and no gradient flows back into it. Above, a cell that
has left still costs its norm, keys and values, as long as any cell of the batch climbs: 2 C^2
multiplications of the 6 C^2 + 2 C F of a layer with F channels in its middle (a seventh for F =
4 C). And `leave` may look at every climbing cell at every layer but the last, through a head.
Source: Li et al. 2022 (arXiv:2210.13304), section 3.2, and the authors' code.
Shapes: B rows, M cells, A cells of a row that still climb, X the same of all rows, C channels.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from anyorder.nets.layers import KeysValues, Layer, Memory, Stack

# (number of the layer, from 1; normed states of those that climb; their rows; their cells)
# -> which leave
Leave = Callable[[int, Tensor, Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Climbed:
    """Normed states, and the layer (from 1) that each is of; 0 for padding, which has none."""

    states_BMC: Float[Tensor, "B M C"]
    layer_BM: Int[Tensor, "B M"]


def climb(
    stack: Stack,
    x_BMC: Float[Tensor, "B M C"],
    sees_B1M: Bool[Tensor, "B 1 M"],
    memory: Memory,
    leave: Leave,
) -> Climbed:
    """Layer by layer, for the cells that have not left; at the last layer all leave."""
    up_BM = sees_B1M[:, 0]
    states_BMC, layer_BM = torch.zeros_like(x_BMC), torch.zeros_like(up_BM, dtype=torch.long)
    layers = list(zip(stack.each, stack.sources(memory), strict=True))
    for number, (layer, source) in enumerate(layers, 1):
        row_X, cell_X = up_BM.nonzero(as_tuple=True)
        if not len(row_X):
            break
        x_BMC = _above(layer, x_BMC, up_BM, sees_B1M, source)
        normed_XC = stack.norm(x_BMC[row_X, cell_X])
        leaves_X = torch.ones_like(row_X, dtype=torch.bool)
        if number < len(layers):
            leaves_X = leave(number, normed_XC, row_X, cell_X)
        at = row_X[leaves_X], cell_X[leaves_X]
        states_BMC = states_BMC.index_put(at, normed_XC[leaves_X].to(states_BMC.dtype))
        layer_BM[at] = number
        up_BM = up_BM & (layer_BM == 0)  # a new one: gradients need the old
        x_BMC = torch.where(up_BM[..., None], x_BMC, x_BMC.detach())
    return Climbed(states_BMC, layer_BM)


def ramps(
    stack: Stack, x_BMC: Float[Tensor, "B M C"], sees_B1M: Bool[Tensor, "B 1 M"], memory: Memory
) -> list[Float[Tensor, "B M C"]]:
    """The normed states after each layer, if no cell leaves; the last are those of the stack."""
    found: list[Tensor] = []
    for layer, source in zip(stack.each, stack.sources(memory), strict=True):
        x_BMC = layer(x_BMC, lambda x, at=layer: (at.own.keys_values(x), sees_B1M), source)
        found.append(stack.norm(x_BMC))
    return found


def _above(
    layer: Layer, x_BMC: Tensor, up_BM: Tensor, sees_B1M: Tensor, source: tuple[KeysValues, Tensor]
) -> Tensor:
    """All cells one layer up: computed for those that climb, which see all; of the others, which
    are copied, keys and values alone.
    """
    count_B = up_BM.sum(-1)
    at_BA = torch.argsort(up_BM.long(), dim=-1, descending=True, stable=True)
    at_BA = at_BA[:, : int(count_B.max())]
    below_BAC = x_BMC.gather(1, at_BA[..., None].expand(-1, -1, x_BMC.shape[-1]))

    def all_cells(_normed: Tensor) -> tuple[KeysValues, Tensor]:
        return layer.own.keys_values(layer.own_norm(x_BMC)), sees_B1M

    above_BAC = layer(below_BAC, all_cells, source)
    row_X, slot_X = (torch.arange(at_BA.shape[1]) < count_B[:, None]).nonzero(as_tuple=True)
    cells = row_X, at_BA[row_X, slot_X]
    return x_BMC.index_put(cells, above_BAC[row_X, slot_X].to(x_BMC.dtype))
