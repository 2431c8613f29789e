"""Compiled translators with more heads: a `HeadedSeq2Seq`, and a `LeapSeq2Seq`.

    lm = CompiledHeaded(net, "float32").read([[4, 5, 6], [7]])

The heads themselves are torch's operators, for one cell of a row, or a few.
Shapes: B rows, H heads beside the first, V target vocabulary, C channels.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from anyorder.models.compiled.featured import CompiledFeatured, CompiledFeaturedLM
from anyorder.models.left_to_right.headed import HeadedSeq2Seq
from anyorder.models.left_to_right.leaping import LeapSeq2Seq
from anyorder.models.sources import padded
from anyorder.nets.linear import packed


class CompiledHeaded(CompiledFeatured):
    """See `HeadedSeq2Seq`."""

    def __init__(self, net: HeadedSeq2Seq, precision: str) -> None:
        super().__init__(net, precision)
        self.headed, self.table = net, packed(net.target.table.weight)

    def read(self, sources: Sequence[Sequence[int]]) -> "CompiledHeadedLM":
        padded(sources)
        return CompiledHeadedLM(self, sources)


@dataclass(frozen=True, eq=False)
class CompiledHeadedLM(CompiledFeaturedLM):
    """Satisfies `HeadedLM`."""

    by: CompiledHeaded

    @property
    def heads(self) -> int:
        return self.by.headed.sizes.heads

    @torch.no_grad()
    def ahead(
        self, features_BC: Float[Tensor, "B C"], heads: int | None = None
    ) -> Float[Tensor, "B H V"]:
        """See `HeadedLM.ahead`."""
        return self.by.table(self.by.headed.heads(features_BC, heads))


class CompiledLeap(CompiledFeatured):
    """See `LeapSeq2Seq`."""

    def __init__(self, net: LeapSeq2Seq, precision: str) -> None:
        super().__init__(net, precision)
        self.leaps, self.table = net, packed(net.target.table.weight)

    def read(self, sources: Sequence[Sequence[int]]) -> "CompiledLeapLM":
        padded(sources)
        return CompiledLeapLM(self, sources)


@dataclass(frozen=True, eq=False)
class CompiledLeapLM(CompiledFeaturedLM):
    """Satisfies `LeapLM`."""

    by: CompiledLeap

    @property
    def leaps(self) -> int:
        return self.by.leaps.sizes.heads

    @property
    def stride(self) -> int:
        return self.by.leaps.sizes.stride

    @torch.no_grad()
    def leaping(self, features_BC: Float[Tensor, "B C"]) -> Float[Tensor, "B H V"]:
        """See `LeapLM.leaping`."""
        return self.by.table(self.by.leaps.heads(features_BC))
