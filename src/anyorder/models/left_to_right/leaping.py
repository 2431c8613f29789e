"""A transformer that reads a source and writes a target, with heads that leap over tokens.

    model = LeapSeq2Seq(LeapSizes(source_vocab=30, target_vocab=43, bos=1, eos=2, stride=2))
    lm = model.read([[4, 5, 6], [7]])             # a `CausalLM`, and a `LeapLM`

With a stride of 2 the heads guess the third, fifth, ... token after a cell, the first head the
next one; the tokens between are guessed from the cell before. The heads are those of `nets.heads`.
Source: Liu et al. 2025 (arXiv:2505.17505); there a head is a layer and a vocabulary of its own.
Shapes: B rows, H heads beside the first, V target vocabulary, C channels.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from anyorder.models.left_to_right.headed import HeadedSizes
from anyorder.models.left_to_right.seq2seq import Seq2Seq, SourceLM
from anyorder.models.sources import padded
from anyorder.nets.heads import Heads


@dataclass(frozen=True, kw_only=True)
class LeapSizes(HeadedSizes):
    """Sizes of the network; `stride`: how many tokens lie from one head's guess to the next one's.

    Raises ValueError for a stride below 1.
    """

    stride: int = 2

    def __post_init__(self) -> None:
        if self.stride < 1:
            raise ValueError(f"heads leap 1 token or more, not {self.stride}")


class LeapSeq2Seq(Seq2Seq):
    """See the module."""

    def __init__(self, sizes: LeapSizes) -> None:
        super().__init__(sizes)
        self.sizes: LeapSizes = sizes
        self.heads = Heads(sizes.width, sizes.heads)

    def leaping(self, features_BC: Float[Tensor, "B C"]) -> Float[Tensor, "B H V"]:
        """Logits of the tokens 1 + s, 1 + 2 s, ... after these cells."""
        return self.head(self.heads(features_BC)).float()

    def read(self, sources: Sequence[Sequence[int]]) -> "LeapSourceLM":
        """A causal model of what these sources become. Raises ValueError for an empty source."""
        return LeapSourceLM(self, *padded(sources))


class LeapSourceLM(SourceLM):
    """Satisfies `LeapLM`."""

    net: LeapSeq2Seq

    @property
    def leaps(self) -> int:
        return self.net.sizes.heads

    @property
    def stride(self) -> int:
        return self.net.sizes.stride

    def leaping(self, features_BC: Float[Tensor, "B C"]) -> Float[Tensor, "B H V"]:
        """See `LeapLM.leaping`."""
        return self.net.leaping(features_BC)
