"""A transformer that reads a source and writes a target, with one head that goes on by itself.

    model = RecursiveSeq2Seq(RecursiveSizes(source_vocab=30, target_vocab=43, bos=1, eos=2))
    lm = model.read([[4, 5, 6], [7]])             # a `CausalLM`, and a `RecursiveLM`

The head's guesses end in the embedding of the target, or in the part of it that holds the tokens
seen most in training (`frequent`): guessing is cheaper so, and what is written stays the same.
Source: Cai et al. 2025 (arXiv:2509.18362); the smaller vocabulary is that of FR-Spec (Zhao et al.
2025, arXiv:2502.14856).
Shapes: B rows, T new cells, S source cells, V target vocabulary, U tokens among which is guessed,
C channels.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from anyorder.models.seq2seq import Seq2Seq, Seq2SeqSizes, SourceLM, beyond, sees_of_new
from anyorder.models.sources import padded
from anyorder.nets.cache import KeyValues
from anyorder.nets.layers import Memory
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
        counts_V = torch.zeros(self.sizes.target_vocab, dtype=torch.long)
        ends = 0
        for target in targets:
            counts_V += torch.bincount(torch.tensor(target), minlength=len(counts_V))
            ends += 1
        counts_V[self.eos] += ends
        order_V = counts_V.argsort(descending=True, stable=True)
        self.frequent_U.copy_(order_V[: len(self.frequent_U)].sort().values)

    def said(
        self, features_BC: Float[Tensor, "B C"], among_U: Int[Tensor, " U"] | None
    ) -> Float[Tensor, "B U"]:
        """Features as logits, of some tokens or of all."""
        table_VC = self.target.table.weight
        return F.linear(features_BC, table_VC if among_U is None else table_VC[among_U]).float()

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
        memory, cross = self._memory(batch), self.net.onward.layer.cross
        assert cross is not None, "the head looks at the source"
        source = (cross.keys_values(memory.states_BSC), memory.sees_B1S)
        return self.net.head_cache(batch, room, source)

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
