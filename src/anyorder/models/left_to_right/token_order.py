"""A transformer that writes left to right, with a head that learns the order of what comes.

    model = TokenOrderSeq2Seq(Seq2SeqSizes(source_vocab=30, target_vocab=43, bos=1, eos=2))
    lm = model.read([[4, 5, 6], [7]])             # as that of a `Seq2Seq`: without the head

The head is one more unembedding, beside the embedding that the next token is told with. The model's
folder keeps it, for a training that goes on.
Source: Zuhri et al. 2025 (arXiv:2508.19228); see `objectives.token_order`.
Shapes: C channels, V target vocabulary.
"""

from jaxtyping import Float
from torch import Tensor, nn

from anyorder.models.left_to_right.seq2seq import Seq2Seq, Seq2SeqSizes


class TokenOrderSeq2Seq(Seq2Seq):
    """See the module."""

    def __init__(self, sizes: Seq2SeqSizes) -> None:
        super().__init__(sizes)
        self.order = nn.Linear(sizes.width.channels, sizes.target_vocab, bias=False)

    def ranks(self, features: Float[Tensor, "*cells C"]) -> Float[Tensor, "*cells V"]:
        """How soon each token comes after these cells: the sooner, the higher."""
        return self.order(features)
