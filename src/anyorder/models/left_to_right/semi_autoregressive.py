"""A transformer that writes left to right, and foretells tokens where it reads masks.

    sizes = SemiAutoregressiveSizes(source_vocab=30, target_vocab=43, bos=1, eos=2, mask=3)
    lm = SemiAutoregressiveSeq2Seq(sizes).read([[4, 5, 6], [7]])   # a `SemiAutoregressiveLM`

The network is that of `Seq2Seq`: a mask is a token with an embedding like all others, and what is
said behind it the model has to learn (`objectives.semi_autoregressive`).
Source: Yi et al. 2024 (arXiv:2402.11809).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from anyorder.models.left_to_right.seq2seq import Seq2Seq, Seq2SeqSizes, SourceLM
from anyorder.models.sources import padded


@dataclass(frozen=True, kw_only=True)
class SemiAutoregressiveSizes(Seq2SeqSizes):
    """Sizes of the network; `mask`: a token that stands in no text."""

    mask: int


class SemiAutoregressiveSeq2Seq(Seq2Seq):
    """See the module."""

    def __init__(self, sizes: SemiAutoregressiveSizes) -> None:
        super().__init__(sizes)
        self.sizes: SemiAutoregressiveSizes = sizes

    @property
    def mask(self) -> int:
        """The token that is a mask."""
        return self.sizes.mask

    def read(self, sources: Sequence[Sequence[int]]) -> "SemiAutoregressiveSourceLM":
        """A causal model of what these sources become. Raises ValueError for an empty source."""
        return SemiAutoregressiveSourceLM(self, *padded(sources))


class SemiAutoregressiveSourceLM(SourceLM):
    """Satisfies `SemiAutoregressiveLM`."""

    net: SemiAutoregressiveSeq2Seq

    @property
    def mask(self) -> int:
        """See `SemiAutoregressiveLM.mask`."""
        return self.net.mask
