"""Hidden transfer: within the layers, the state of a cell becomes those of the tokens behind it.

    transfers = Transfers(channels=128, levels=(3, 3, 3))
    foretold_BSKC = transfers(decoder, passes, cells)

    p_k = W_k x + b_k + wave(n + k) - wave(n),   x the state of cell n after t_k layers

A pseudo cell passes the layers that are left, at the place of the token that it stands for. It sees
what its cell sees, its cell, and the pseudo cells of that cell up to itself; nobody else sees it,
so that the model itself stays as it was, bit for bit.
Source: Wu et al. 2024 (arXiv:2404.12022), by its abstract and figures; what these leave open is
ours: that each map begins as the identity, and the waves, which the paper's models, with rotary
places, need not.
Shapes: B rows, S cells whose future is wanted, K pseudo cells of each, R real cells, C channels.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from anyorder.nets.layers import KeysValues, Layer, Stack
from anyorder.nets.source_cache import Source


@dataclass(frozen=True)
class Pass:
    """What the real cells are after some layers: the states of those whose future is wanted, and
    the keys and values of the layer that they came through (None below the first).
    """

    x_BSC: Float[Tensor, "B S C"]
    real: KeysValues | None


@dataclass(frozen=True)
class Cells:
    """Which real cells each of them sees, the waves of K places behind it less that of its own, and
    the source, as each layer sees it.
    """

    sees_BSR: Bool[Tensor, "B S R"]
    moves_BSKC: Float[Tensor, "B S K C"]
    sources: Sequence[Source]


class Transfers(nn.Module):
    """A linear map for each of the K tokens, and after how many layers it is applied (`levels`).

    Raises ValueError for no token, and for levels that fall.
    """

    def __init__(self, channels: int, levels: Sequence[int]) -> None:
        super().__init__()
        if not levels or list(levels) != sorted(levels) or levels[0] < 0:
            raise ValueError(f"1 token or more is transferred, none below the last: {levels}")
        self.levels = tuple(levels)
        self.map_KCC = nn.Parameter(torch.eye(channels).repeat(len(levels), 1, 1))
        self.bias_KC = nn.Parameter(torch.zeros(len(levels), channels))

    def __len__(self) -> int:
        return len(self.levels)

    def forward(
        self, decoder: Stack, passes: Iterable[Pass], cells: Cells
    ) -> Float[Tensor, "B S K C"]:
        """What the head reads of every pseudo cell; `passes` come from below, one for each layer
        and one before.
        """
        foretold_BSKC = cells.moves_BSKC[:, :, :0]
        for level, now in enumerate(passes):
            if foretold_BSKC.shape[2]:
                layer, source = decoder.each[level - 1], cells.sources[level - 1]
                foretold_BSKC = through(layer, foretold_BSKC, now, cells.sees_BSR, source)
            new = [k for k, at in enumerate(self.levels) if at == level]
            made = [self.one(now.x_BSC, k) + cells.moves_BSKC[:, :, k] for k in new]
            foretold_BSKC = torch.cat([foretold_BSKC, *(x[:, :, None] for x in made)], 2)
        return decoder.norm(foretold_BSKC)

    def one(self, x_BSC: Float[Tensor, "B S C"], k: int) -> Float[Tensor, "B S C"]:
        """States as those of the k-th token behind them, still at the old place."""
        return x_BSC @ self.map_KCC[k].T + self.bias_KC[k]


def through(
    layer: Layer,
    x_BSKC: Float[Tensor, "B S K C"],
    now: Pass,
    sees_BSR: Bool[Tensor, "B S R"],
    source: Source,
) -> Float[Tensor, "B S K C"]:
    """Pseudo cells after one layer, through which the real cells came, too."""
    assert now.real is not None, "a layer has keys and values"
    real = now.real
    B, S, K, _ = x_BSKC.shape
    cells_S = torch.arange(S, device=x_BSKC.device).repeat_interleave(K)
    turn_S = torch.arange(K, device=x_BSKC.device).repeat(S)
    chain_SS = (cells_S[:, None] == cells_S) & (turn_S[:, None] >= turn_S)
    sees = torch.cat([sees_BSR[:, cells_S], chain_SS.expand(B, -1, -1)], -1)

    def own(normed: Tensor) -> tuple[KeysValues, Tensor]:
        keys, values = layer.own.keys_values(normed)
        return (torch.cat([real[0], keys], 2), torch.cat([real[1], values], 2)), sees

    return layer(x_BSKC.flatten(1, 2), own, source).unflatten(1, (S, K))
