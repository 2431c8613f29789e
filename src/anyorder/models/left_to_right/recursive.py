"""A transformer that reads a source and writes a target, with one head that goes on by itself.

    model = RecursiveSeq2Seq(RecursiveSizes(source_vocab=30, target_vocab=43, bos=1, eos=2))
    lm = model.read([[4, 5, 6], [7]])             # a `CausalLM`, and a `RecursiveLM`

The head's guesses end in the embedding of the target, or in the part of it that holds the tokens
seen most in training (`frequent`): guessing is cheaper so, and what is written stays the same.
Source: Cai et al. 2025 (arXiv:2509.18362); the smaller vocabulary is that of FR-Spec (Zhao et al.
2025, arXiv:2502.14856).
Shapes: B rows, N target cells, T new cells, S source cells, E keys, V target vocabulary, U tokens
among which is guessed, C channels.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from anyorder.masks import causal
from anyorder.models.left_to_right.seq2seq import (
    Seq2Seq,
    Seq2SeqSizes,
    SourceLM,
    beyond,
    sees_of_new,
)
from anyorder.models.sources import padded
from anyorder.models.undropped import undropped
from anyorder.nets.cache import KeyValues
from anyorder.nets.layers import Layer, Memory
from anyorder.nets.recursive import MultiToken
from anyorder.nets.source_cache import Source, SourceCache


@dataclass(frozen=True, kw_only=True)
class RecursiveSizes(Seq2SeqSizes):
    """Sizes of the network; `frequent`: among how many tokens the head guesses (all, if there are
    fewer). Raises ValueError for none.
    """

    frequent: int = 512

    def __post_init__(self) -> None:
        if self.frequent < 1:
            raise ValueError(f"a head guesses among 1 token or more, not {self.frequent}")


class RecursiveSeq2Seq(Seq2Seq):
    """See the module."""

    frequent_U: Tensor

    def __init__(self, sizes: RecursiveSizes) -> None:
        super().__init__(sizes)
        self.sizes: RecursiveSizes = sizes
        self.onward = MultiToken(sizes.width)
        count = min(sizes.frequent, sizes.target_vocab)
        self.register_buffer("frequent_U", torch.arange(count))

    def learn_frequent(self, targets: Iterable[Sequence[int]]) -> None:
        """Note the tokens that stand most often in these targets, the one that ends a text too."""
        ended = ([*target, self.eos] for target in targets)
        self.frequent_U.copy_(most_frequent(ended, self.sizes.target_vocab, len(self.frequent_U)))

    def said(
        self, features_BC: Float[Tensor, "B C"], among_U: Int[Tensor, " U"] | None
    ) -> Float[Tensor, "B U"]:
        """Features as logits, of some tokens or of all."""
        table_VC = self.target.table.weight
        return F.linear(features_BC, table_VC if among_U is None else table_VC[among_U]).float()

    def unrolled(
        self,
        source_BS: Int[Tensor, "B S"],
        source_B: Int[Tensor, " B"],
        read_BN: Int[Tensor, "B N"],
        write_BN: Int[Tensor, "B N"],
        steps: int,
    ) -> list[Float[Tensor, "B N C"]]:
        """The head's features after 1, 2, ... steps from every cell of known targets, for training.

        `write_BN`: the token behind each cell. A step sees what it will see in drafting: the
        cells of the first step up to its own, then its own chain. What the model itself gives is
        constant.
        """
        features_BNC, tokens_BNC, memory = self._given(source_BS, source_B, read_BN, write_BN)
        head, source = self.onward, self.seen_of(memory)
        chain: list[tuple[Tensor, Tensor]] = []
        found: list[Tensor] = []
        for step in range(steps):
            x_BNC = head.joined(features_BNC, tokens_BNC.roll(-step, 1))
            own = partial(_in_chain, head.layer, chain)
            features_BNC = head.above(head.layer(x_BNC, own, source))
            found.append(features_BNC)
        return found

    @torch.no_grad()
    def _given(
        self, source_BS: Tensor, source_B: Tensor, read_BN: Tensor, write_BN: Tensor
    ) -> tuple[Tensor, Tensor, Memory]:
        """The model's features, the vectors of the tokens behind, and the source, undropped."""
        B, N = read_BN.shape
        with undropped(self):
            memory = self.encode(source_BS, source_B)
            sees_1NN = causal().render(N, N)[None]
            features_BNC = self.decoder(self.target(read_BN), sees_1NN, memory)
            place_BN = (1 + torch.arange(N)).expand(B, N)
            tokens_BNC = self.target.placed(self.target.vectors(write_BN), place_BN, N + 1)
        return features_BNC, tokens_BNC, memory

    def seen_of(self, memory: Memory) -> Source:
        """The head's keys and values of a source."""
        cross = self.onward.layer.cross
        assert cross is not None, "the head looks at the source"
        return cross.keys_values(memory.states_BSC), memory.sees_B1S

    def read(self, sources: Sequence[Sequence[int]]) -> "RecursiveSourceLM":
        """A causal model of what these sources become. Raises ValueError for an empty source."""
        return RecursiveSourceLM(self, *padded(sources))

    def head_cache(self, batch: int, room: int, source: Source) -> SourceCache:
        """An empty cache of the head, which sees these keys and values of the source."""
        width = self.sizes.width
        own = KeyValues(
            layers=1,
            batch=batch,
            heads=width.heads,
            room=room,
            width=width.channels // width.heads,
            dtype=torch.float32,
        )
        return SourceCache(own, [source])

    def extended(
        self,
        features_BTC: Float[Tensor, "B T C"],
        tokens_BT: Int[Tensor, "B T"],
        place_BT: Int[Tensor, "B T"],
        cache: SourceCache,
    ) -> Float[Tensor, "B T C"]:
        """See `RecursiveLM.onward`."""
        own, T = cache.own, tokens_BT.shape[1]
        end, begin_B1 = own.reserve(T), own.length_B[:, None]
        at_BT = None if own.level else begin_B1 + torch.arange(T)
        sees = None if T == 1 and own.level else sees_of_new(begin_B1, T, end, None)
        target, head = self.target, self.onward
        placed_BTC = target.placed(target.vectors(tokens_BT), place_BT, int(place_BT.max()) + 1)
        x_BTC = head.joined(features_BTC, placed_BTC)
        seen = beyond(own, 0, head.layer, at_BT, end, sees)
        return head.above(head.layer(x_BTC, seen, cache.sources[0]))


class RecursiveSourceLM(SourceLM):
    """Satisfies `RecursiveLM`."""

    net: RecursiveSeq2Seq

    @property
    def frequent_U(self) -> Int[Tensor, " U"]:
        return self.net.frequent_U

    @cached_property
    def memories(self) -> dict[int, Memory]:
        """States of so many sources, computed once for the decoder and for the head."""
        return {}

    def _memory(self, batch: int) -> Memory:
        if batch not in self.memories:
            self.memories[batch] = super()._memory(batch)
        return self.memories[batch]

    def new_head_cache(self, batch: int, room: int) -> SourceCache:
        """See `RecursiveLM.new_head_cache`."""
        return self.net.head_cache(batch, room, self.net.seen_of(self._memory(batch)))

    def onward(
        self,
        features_BTC: Float[Tensor, "B T C"],
        tokens_BT: Int[Tensor, "B T"],
        place_BT: Int[Tensor, "B T"],
        cache: SourceCache,
    ) -> Float[Tensor, "B T C"]:
        """See `RecursiveLM.onward`. Raises ValueError when the cache has no room."""
        return self.net.extended(features_BTC, tokens_BT, place_BT, cache)

    def said(
        self, features_BC: Float[Tensor, "B C"], among_U: Int[Tensor, " U"] | None
    ) -> Float[Tensor, "B U"]:
        """See `RecursiveLM.said`."""
        return self.net.said(features_BC, among_U)


def _in_chain(
    layer: Layer, chain: list[tuple[Tensor, Tensor]], normed_BNC: Tensor
) -> tuple[tuple[Tensor, Tensor], Tensor]:
    """What the cells of one step more see; their keys and values join the chain."""
    chain.append(layer.own.keys_values(normed_BNC))
    keys, values = (torch.cat(each, 2) for each in zip(*chain, strict=True))
    return (keys, values), sees_of_steps(normed_BNC.shape[1], len(chain))


def most_frequent(texts: Iterable[Sequence[int]], vocab: int, count: int) -> Int[Tensor, " U"]:
    """The tokens that stand most often in the texts, in the order of the vocabulary.

    >>> most_frequent([[3, 1, 1], [3, 0]], vocab=5, count=2).tolist()
    [1, 3]
    """
    counts_V = torch.zeros(vocab, dtype=torch.long)
    for text in texts:
        counts_V += torch.bincount(torch.tensor(text), minlength=vocab)
    order_V = counts_V.argsort(descending=True, stable=True)
    return order_V[: min(count, vocab)].sort().values


def sees_of_steps(cells: int, steps: int) -> Bool[Tensor, "1 N E"]:
    """What a cell sees in the last of so many steps: of the first, all cells up to its own; of the
    others its own.

    >>> sees_of_steps(2, 2)[0].long().tolist()
    [[1, 0, 1, 0], [1, 1, 0, 1]]
    """
    own_NN = torch.eye(cells, dtype=torch.bool)
    return torch.cat([causal().render(cells, cells), *[own_NN] * (steps - 1)], 1)[None]
