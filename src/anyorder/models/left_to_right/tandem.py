"""Two models in tandem: a large one that reads in blocks, and a small one that sees what it knows.

    model = TandemSeq2Seq(TandemSizes(source_vocab=30, target_vocab=43, bos=1, eos=2))
    lm = model.read([[4, 5, 6], [7]])             # the large model, a `TandemLM`
    lm.small                                      # the small one, a `SmallLM`

The large model learns nothing, and says what it said before it had company; the small one learns to
write with it (`objectives.tandem`). In `AloneSeq2Seq` the same small model never sees the large
one's cells: it reads the source as the large one's encoder knows it, and writes by itself.
Source: Nair et al. 2024 (arXiv:2402.08644); see `nets.tandem`.
Shapes: B rows, S source cells, N target cells, P cells that the large model knows, T new cells, E
cells of a cache, V target vocabulary, C channels of the large model, D of the small one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from anyorder.models.left_to_right.seq2seq import Seq2Seq, Seq2SeqSizes, SourceLM
from anyorder.models.left_to_right.small import SmallSourceLM
from anyorder.models.sources import padded
from anyorder.models.undropped import undropped
from anyorder.nets.layers import Memory, Width
from anyorder.nets.source_cache import Source
from anyorder.nets.tandem import SmallDecoder


@dataclass(frozen=True, kw_only=True)
class TandemSizes(Seq2SeqSizes):
    """Sizes of the network: those of the large model, and `small_layers` of the small one, which
    has `small_channels` (0: as many as the large one), in heads of the same width.
    """

    small_layers: int = 1
    small_channels: int = 0

    @property
    def small(self) -> Width:
        """How wide the small model is. Raises ValueError for channels that can't be cut so."""
        large, channels = self.width, self.small_channels or self.width.channels
        heads = max(1, channels * large.heads // large.channels)
        middle = max(1, channels * large.middle // large.channels)
        return Width(channels=channels, heads=heads, middle=middle, dropout=large.dropout)


class TandemSeq2Seq(Seq2Seq):
    """See the module."""

    def __init__(self, sizes: TandemSizes) -> None:
        super().__init__(sizes)
        self.sizes: TandemSizes = sizes
        self.requires_grad_(False)
        self.small = SmallDecoder(
            sizes.width, sizes.small, layers=sizes.small_layers, vocab_size=sizes.target_vocab
        )

    def begin_small(self) -> None:
        """Let the small model begin as the top of the large one; see `SmallDecoder.begin`."""
        self.small.begin(self.decoder, self.target)

    def written(
        self,
        source_BS: Int[Tensor, "B S"],
        source_B: Int[Tensor, " B"],
        target_BN: Int[Tensor, "B N"],
        known_N: Int[Tensor, " N"],
    ) -> Float[Tensor, "B N D"]:
        """What the small model's head reads of every cell of targets that are known, if the large
        one has read the first `known_N` cells of each then. The large one drops nothing out.
        """
        with undropped(self), torch.no_grad():
            memory = self.encode(source_BS, source_B)
            large_BNC = self._large(target_BN, memory)
        if large_BNC is None:
            known_N = torch.zeros_like(known_N)
        return self.small(target_BN, large_BNC, known_N, memory)

    def _large(self, target_BN: Tensor, memory: Memory) -> Tensor | None:
        """What the large model knows of the cells."""
        sees_NN = torch.ones(2 * target_BN.shape[1:], dtype=torch.bool, device=target_BN.device)
        return self.decoder(self.target(target_BN), sees_NN.tril()[None], memory)

    def small_head(self, features: Float[Tensor, "*cells C"]) -> Float[Tensor, "*cells V"]:
        """The small model's features as logits."""
        return F.linear(features, self.small.target.table.weight)

    def small_sources(self, memory: Memory) -> list[Source]:
        """What each layer of the small model sees of a source."""
        return self.small.stack.sources(self.small.memory(memory))

    def read(self, sources: Sequence[Sequence[int]]) -> "TandemSourceLM":
        """A causal model of what these sources become. Raises ValueError for an empty source."""
        return TandemSourceLM(self, *padded(sources))


class TandemSourceLM(SourceLM):
    """The large model; satisfies `TandemLM`."""

    net: TandemSeq2Seq

    @cached_property
    def small(self) -> SmallSourceLM:
        """See `TandemLM.small`."""
        return SmallSourceLM(
            self.net.small, self.small_sources, len(self.source_BS), self.max_length
        )

    def small_sources(self, batch: int) -> list[Source]:
        """What the small model sees of the first sources."""
        return self.net.small_sources(self._memory(batch))

    @cached_property
    def memories(self) -> dict[int, Memory]:
        """States of so many sources, computed once for both models."""
        return {}

    def _memory(self, batch: int) -> Memory:
        if batch not in self.memories:
            self.memories[batch] = super()._memory(batch)
        return self.memories[batch]


class AloneSeq2Seq(TandemSeq2Seq):
    """The small model without the large one's cells. What it is asked, the small model says."""

    def features(
        self,
        source_BS: Int[Tensor, "B S"],
        source_B: Int[Tensor, " B"],
        target_BN: Int[Tensor, "B N"],
    ) -> Float[Tensor, "B N C"]:
        """What the small model's head reads of every cell."""
        return self.written(source_BS, source_B, target_BN, torch.zeros_like(target_BN[0]))

    def head(self, features: Float[Tensor, "*cells C"]) -> Float[Tensor, "*cells V"]:
        """Features as logits."""
        return self.small_head(features)

    def _large(self, target_BN: Tensor, memory: Memory) -> None:
        """Nothing."""

    def read(self, sources: Sequence[Sequence[int]]) -> SmallSourceLM:  # type: ignore[override]
        """The small model of what these sources become. Raises ValueError for an empty source."""
        tandem = TandemSourceLM(self, *padded(sources))
        return tandem.small
