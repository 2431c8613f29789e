"""A small decoder beside a large one: where the large one has been, it sees what that one knows.

    small = SmallDecoder(width, width, layers=1, vocab_size=43)
    small.begin(decoder, embedding)               # as the top of the large decoder
    features_BNC = small(tokens_BN, large_BNC, known_N, memory)

    y_n^j = W_j x_n + b_j + wave(n)   for the cells n that the large one has read, x_n its features

In the layer j of the small decoder, y stands for what that layer would know of cell n itself: keys
and values are made of it. The small decoder's own layers are computed for the cells alone that it
writes behind. So a cell sees the large decoder's cells up to the last block, and its own beyond.
Source: Nair et al. 2024 (arXiv:2402.08644), by its abstract and summaries of it: their projections
stand between layers of both models. That each layer sees the top of the large one is our choice; so
are the waves, which rotary places need not, and the projection of the source's states, which a
language model's prompt has no need of.
Shapes: B rows, N cells, P cells that the large one knows, E keys, C channels of the large decoder,
D of the small one.
"""

from typing import cast

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from anyorder.nets.layers import Embedding, KeysValues, Memory, Stack, Width


class SmallDecoder(nn.Module):
    """See the module. `large`: the width of what it sees; `width`: its own."""

    def __init__(self, large: Width, width: Width, *, layers: int, vocab_size: int) -> None:
        super().__init__()
        self.target = Embedding(vocab_size, width)
        self.source = _projection(large, width)
        self.known = nn.ModuleList(_projection(large, width) for _ in range(layers))
        self.stack = Stack(width, layers=layers, cross=True)

    def begin(self, decoder: Stack, embedding: Embedding) -> None:
        """Take the weights of the large decoder's top layers, and its embedding, if it is as wide;
        else stay as random as it is.
        """
        ours, theirs = self.target.table.weight, embedding.table.weight
        if ours.shape != theirs.shape:
            return
        with torch.no_grad():
            ours.copy_(theirs)
        self.stack.norm.load_state_dict(decoder.norm.state_dict())
        for own, other in zip(reversed(self.stack.each), reversed(decoder.each), strict=False):
            own.load_state_dict(other.state_dict())

    def memory(self, memory: Memory) -> Memory:
        """The source, as wide as it is itself."""
        return Memory(self.source(memory.states_BSC), memory.sees_B1S)

    def keys_values(
        self, large_BPC: Float[Tensor, "B P C"], place_BP: Int[Tensor, "B P"], end: int
    ) -> list[KeysValues]:
        """What each layer sees of cells that the large decoder knows; all lie before `end`."""
        waves_BPC = self.target.waves(end)[place_BP].to(large_BPC.dtype)
        found: list[KeysValues] = []
        for layer, known in zip(self.stack.each, self.projections, strict=True):
            normed = layer.own_norm(known(large_BPC) + waves_BPC)
            found.append(layer.own.keys_values(normed))
        return found

    @property
    def projections(self) -> list[nn.Linear]:
        """One for each layer, from below."""
        return cast(list[nn.Linear], list(self.known))

    def forward(
        self,
        tokens_BN: Int[Tensor, "B N"],
        large_BNC: Float[Tensor, "B N C"] | None,
        known_N: Int[Tensor, " N"],
        memory: Memory,
    ) -> Float[Tensor, "B N D"]:
        """What the head reads of every cell, of which cell n sees the first `known_N[n]` as the
        large decoder knows them (None: it knows none).
        """
        B, N = tokens_BN.shape
        x_BND = self.target(tokens_BN)
        sees_1NE = visible(known_N)[None]
        every = [None] * len(self.stack.each)
        if large_BNC is not None:
            place_BN = torch.arange(N, device=tokens_BN.device).expand(B, N)
            every = self.keys_values(large_BNC, place_BN, N)
        sources = self.stack.sources(self.memory(memory))
        for layer, known, source in zip(self.stack.each, every, sources, strict=True):

            def own(normed: Tensor, at=layer, known=known) -> tuple[KeysValues, Tensor]:
                keys, values = at.own.keys_values(normed)
                if known is None:
                    return (keys, values), sees_1NE[..., N:]
                both = torch.cat([known[0], keys], 2), torch.cat([known[1], values], 2)
                return both, sees_1NE

            x_BND = layer(x_BND, own, source)
        return self.stack.norm(x_BND)


def visible(known_N: Int[Tensor, " N"]) -> Bool[Tensor, "N E"]:
    """What each of N cells sees: of the large decoder's N cells the first `known_N`, of its own
    those from there up to itself.

    >>> visible(torch.tensor([1, 1, 3])).int().tolist()
    [[1, 0, 0, 0, 0, 0], [1, 0, 0, 0, 1, 0], [1, 1, 1, 0, 0, 0]]
    """
    cells_N = torch.arange(len(known_N), device=known_N.device)
    large_NN = cells_N < known_N[:, None]
    own_NN = (cells_N >= known_N[:, None]) & (cells_N <= cells_N[:, None])
    return torch.cat([large_NN, own_NN], 1)


def _projection(large: Width, width: Width) -> nn.Linear:
    """Where both are as wide it begins as the identity."""
    made = nn.Linear(large.channels, width.channels)
    if large.channels == width.channels:
        nn.init.eye_(made.weight)
    nn.init.zeros_(made.bias)
    return made
