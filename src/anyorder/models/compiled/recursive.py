"""A compiled `RecursiveSeq2Seq`: what the head sees of the source is compiled with the encoder.

    lm = CompiledRecursive(net, "float32").read([[4, 5, 6], [7]])

The head's layer itself is torch's operators, for a cell or a few of each row.
Shapes: B rows, T new cells, S source cells, N source cells without padding, U chosen tokens, C
channels, X numbers beside.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from anyorder.models.compiled.encoder import close, trial, with_padding
from anyorder.models.compiled.featured import CompiledFeatured, CompiledFeaturedLM
from anyorder.models.left_to_right.recursive import RecursiveSeq2Seq
from anyorder.models.sources import padded
from anyorder.nets.linear import packed
from anyorder.nets.source_cache import Source, SourceCache


class CompiledRecursive(CompiledFeatured):
    """See `RecursiveSeq2Seq`."""

    def __init__(self, net: RecursiveSeq2Seq, precision: str) -> None:
        cross = net.onward.layer.cross
        assert cross is not None, "the head looks at the source"
        super().__init__(net, precision, cross.key_value)
        self.recursive = net
        self.all, self.frequent = (
            packed(net.target.table.weight),
            packed(net.target.table.weight[net.frequent_U]),
        )

    def is_right(self) -> bool:
        """Whether the head sees of the source what that of the network sees, too."""
        features_B1C = torch.ones(2, 1, self.recursive.sizes.width.channels)
        token_B1, place_B1, found = torch.tensor([[1], [2]]), torch.zeros(2, 1).long(), []
        for each in (self, self.recursive):
            lm = each.read(trial(self.recursive))
            lm.new_cache(2, 2)
            found.append(lm.onward(features_B1C, token_B1, place_B1, lm.new_head_cache(2, 2)))
        close_by = close(found[0], found[1], torch.tensor([1, 1]), self.precision)
        return close_by and super().is_right()

    def read(self, sources: Sequence[Sequence[int]]) -> "CompiledRecursiveLM":
        padded(sources)
        return CompiledRecursiveLM(self, sources)


@dataclass(frozen=True, eq=False)
class CompiledRecursiveLM(CompiledFeaturedLM):
    """Satisfies `RecursiveLM`."""

    by: CompiledRecursive

    @property
    def frequent_U(self) -> Int[Tensor, " U"]:
        return self.by.recursive.frequent_U

    @torch.inference_mode(False)
    @torch.no_grad()
    def new_head_cache(self, batch: int, room: int) -> SourceCache:
        """See `RecursiveLM.new_head_cache`."""
        return self.by.recursive.head_cache(batch, room, self._source(batch))

    def _source(self, batch: int) -> Source:
        """The head's keys and values of the sources, with padding."""
        source, both_NX = self._encoded(batch)
        both_BSX, sees_B1S = with_padding(both_NX, source.counts)
        heads = self.by.recursive.sizes.width.heads
        keys_BSHD, values_BSHD = both_BSX.unflatten(2, (2, heads, -1)).unbind(2)
        return (keys_BSHD.transpose(1, 2), values_BSHD.transpose(1, 2)), sees_B1S

    @torch.inference_mode(False)
    @torch.no_grad()
    def onward(
        self,
        features_BTC: Float[Tensor, "B T C"],
        tokens_BT: Int[Tensor, "B T"],
        place_BT: Int[Tensor, "B T"],
        cache: SourceCache,
    ) -> Float[Tensor, "B T C"]:
        """See `RecursiveLM.onward`. Raises ValueError when the cache has no room."""
        return self.by.recursive.extended(features_BTC, tokens_BT, place_BT, cache)

    def said(
        self, features_BC: Float[Tensor, "B C"], among_U: Int[Tensor, " U"] | None
    ) -> Float[Tensor, "B U"]:
        """See `RecursiveLM.said`."""
        if among_U is None:
            return self.by.all(features_BC)
        if among_U is self.frequent_U:
            return self.by.frequent(features_BC)
        return self.by.recursive.said(features_BC, among_U)
