"""Compiled translators with more heads: a `HeadedSeq2Seq`, and a `LeapSeq2Seq`.

    lm = CompiledHeaded(net, "float32").read([[4, 5, 6], [7]])

The heads themselves are torch's operators, for one cell of a row, or a few.
Shapes: B rows, H heads beside the first, V target vocabulary, C channels.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from anyorder.models.compiled.featured import CompiledFeatured, CompiledFeaturedLM
from anyorder.models.headed import HeadedSeq2Seq
from anyorder.models.leaping import LeapSeq2Seq
from anyorder.models.sources import padded


class CompiledHeaded(CompiledFeatured):
    """See `HeadedSeq2Seq`."""

    def __init__(self, net: HeadedSeq2Seq, precision: str) -> None:
        super().__init__(net, precision)
        self.headed = net

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

    def ahead(self, features_BC: Float[Tensor, "B C"]) -> Float[Tensor, "B H V"]:
        """See `HeadedLM.ahead`."""
        return self.by.headed.ahead(features_BC)


class CompiledLeap(CompiledFeatured):
    """See `LeapSeq2Seq`."""

    def __init__(self, net: LeapSeq2Seq, precision: str) -> None:
        super().__init__(net, precision)
        self.leaps = net

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

    def leaping(self, features_BC: Float[Tensor, "B C"]) -> Float[Tensor, "B H V"]:
        """See `LeapLM.leaping`."""
        return self.by.leaps.leaping(features_BC)
