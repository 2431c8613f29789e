"""A transformer that reads a source and writes a target, with heads that guess further ahead.

    model = HeadedSeq2Seq(HeadedSizes(source_vocab=30, target_vocab=43, bos=1, eos=2, heads=7))
    lm = model.read([[4, 5, 6], [7]])             # a `CausalLM`, and a `HeadedLM`

All heads end in the same embedding. The first one, of the next token, is that of `Seq2Seq`.
Source: Stern et al. 2018 (arXiv:1811.03115), section 6; see `nets.heads`.
Shapes: B rows, S source cells, N target cells, H heads beside the first, V target vocabulary, C
channels.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from anyorder.models.foretold import Foretold
from anyorder.models.left_to_right.seq2seq import Seq2Seq, Seq2SeqSizes, SourceLM
from anyorder.models.sources import padded
from anyorder.models.undropped import undropped
from anyorder.nets.heads import Heads


@dataclass(frozen=True, kw_only=True)
class HeadedSizes(Seq2SeqSizes):
    """Sizes of the network; `heads`: how many tokens behind the next one are guessed."""

    heads: int = 7


class HeadedSeq2Seq(Seq2Seq):
    """See the module."""

    def __init__(self, sizes: HeadedSizes) -> None:
        super().__init__(sizes)
        self.sizes: HeadedSizes = sizes
        self.heads = Heads(sizes.width, sizes.heads)

    def ahead(
        self, features_BC: Float[Tensor, "B C"], heads: int | None = None
    ) -> Float[Tensor, "B H V"]:
        """Logits of the second, third, ... token."""
        return self.head(self.heads(features_BC, heads)).float()

    def foretold(
        self,
        source_BS: Int[Tensor, "B S"],
        source_B: Int[Tensor, " B"],
        target_BN: Int[Tensor, "B N"],
    ) -> Foretold:
        """See `Foretells.foretold`."""
        with undropped(self), torch.no_grad():
            features_BNC = self.features(source_BS, source_B, target_BN)
        head_VC = self.target.table.weight.detach()
        return Foretold(features_BNC, self.heads(features_BNC), head_VC)

    def read(self, sources: Sequence[Sequence[int]]) -> "HeadedSourceLM":
        """A causal model of what these sources become. Raises ValueError for an empty source."""
        return HeadedSourceLM(self, *padded(sources))


class HeadedSourceLM(SourceLM):
    """Satisfies `HeadedLM`."""

    net: HeadedSeq2Seq

    @property
    def heads(self) -> int:
        return self.net.sizes.heads

    def ahead(
        self, features_BC: Float[Tensor, "B C"], heads: int | None = None
    ) -> Float[Tensor, "B H V"]:
        """See `HeadedLM.ahead`."""
        return self.net.ahead(features_BC, heads)
