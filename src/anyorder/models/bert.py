"""A masked language model of BERT's shape, whose weights come from elsewhere.

    lm = Bert(BertSizes(vocab=1000, hole=4, encoder_layers=12, places=512))
    logp_BNV = lm.fill(canvas)                    # open cells are holes, all others are known

It stands where a `MaskedLM` stands for those that fill holes or climb its layers; to an
encoder-decoder it lends none. A hole is a token here, as the one that it was trained with.
Source: Devlin et al. 2019 (arXiv:1810.04805), section 3.1; that RoBERTa, XLM-RoBERTa and DistilBERT
have the same shape, see `models.hugging.masked`.
Shapes: B rows, N cells, C channels, V vocabulary.
"""

from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from anyorder.canvas import OPEN, Canvas
from anyorder.nets.layers import Width, sees_of
from anyorder.nets.post_norm import PlacedWords, PostNormStack


@dataclass(frozen=True, kw_only=True)
class BertSizes:
    """Sizes of the network. `hole`: the token that stands in one; `places`: cells of a text at the
    most; `epsilon`: of its norms. Raises ValueError for a hole that is no token.
    """

    vocab: int
    hole: int
    encoder_layers: int
    places: int
    epsilon: float = 1e-12
    width: Width = field(default_factory=Width)

    def __post_init__(self) -> None:
        if not 0 <= self.hole < self.vocab or self.places < 1:
            raise ValueError(f"a hole is one of the tokens, and a text has a place or more: {self}")


class Bert(nn.Module):
    """Satisfies `Denoiser`. The head is a last small layer, then the embedding and a bias."""

    def __init__(self, sizes: BertSizes) -> None:
        super().__init__()
        self.sizes = sizes
        width, epsilon = sizes.width, sizes.epsilon
        self.words = PlacedWords(sizes.vocab, places=sizes.places, width=width, epsilon=epsilon)
        self.encoder = PostNormStack(width, layers=sizes.encoder_layers, epsilon=epsilon)
        C = width.channels
        self.last = nn.Sequential(nn.Linear(C, C), nn.GELU(), nn.LayerNorm(C, epsilon))
        self.bias = nn.Parameter(torch.zeros(sizes.vocab))

    @property
    def hole(self) -> Float[Tensor, " C"]:
        """What an open cell holds."""
        return self.words.table.weight[self.sizes.hole]

    def features(self, states: Float[Tensor, "*cells C"]) -> Float[Tensor, "*cells C"]:
        """What the head multiplies, of cells as the last layer leaves them."""
        return self.last(states)

    def logits(self, features: Float[Tensor, "*cells C"]) -> Float[Tensor, "*cells V"]:
        """The head."""
        return F.linear(features, self.words.table.weight, self.bias)

    def fill(self, canvas: Canvas) -> Float[Tensor, "B N V"]:
        """Log-probabilities of every cell, given those that are not open; all of them matter that
        the tokenizer puts around a text. Raises ValueError for more cells than places.
        """
        tokens_BN = canvas.tokens_BN.masked_fill(canvas.status_BN == OPEN, self.sizes.hole)
        sees_B1N = sees_of(canvas.length_B.clamp_min(1), tokens_BN.shape[1])
        logits_BNV = self.logits(self.features(self.encoder(self.words(tokens_BN), sees_B1N)))
        double = logits_BNV.dtype == torch.float64
        return (logits_BNV if double else logits_BNV.float()).log_softmax(-1)
