"""Raw lexical knowledge for a model that learns from a teacher: a prior on each word's translation.

    LexicalChoice(Masked())                       # in place of Masked()
    LexicalChoice(LengthBased(Glancing()))

    (1 - l) L(y_n) + l KL(q(. | x_a(n)) || p_n)   for each cell n that is to be learnt

L is the wrapped loss (with its smoothing), a(n) the source token that target token n is aligned to,
and q its translations in the raw data, which know rare words that a teacher never writes. A cell
that is aligned to none, or to a token that q does not know, has L alone, and so has the length. l
falls from 1 to 0 in the first half of the training. `anyorder.train.lexicon` gives the prior and
the alignments.
Source: Ding et al. 2021, "Understanding and Improving Lexical Choice in Non-Autoregressive
Translation" (arXiv:2012.14583): the word alignment distribution, the decay of l (also in the
authors' code). Theirs is a softmax, at a temperature of 2, of the probabilities themselves over the
whole vocabulary, which makes it nearly even; here the temperature is that of the likeliest
translations alone. Their second prior, of an own earlier model, is left out.
Shapes: B rows, N target cells with the one that begins them, X cells of all rows, K translations,
S source cells.
"""

import math
from dataclasses import dataclass, field, replace

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Generator, Tensor

from anyorder.align.translations import Translations
from anyorder.align.words import Aligner, WordModel
from anyorder.models.parallel.length_based import LengthTransformer
from anyorder.objectives.batch import Batch, Loss
from anyorder.objectives.length_based import LengthBased, Masked, Written, written


@dataclass(frozen=True)
class LexicalChoice:
    """`base`: the loss that it wraps; `most` and `temperature`: of the prior, see `Translations`;
    `steps`: of the training: the more, the faster the weight falls at first. Raises ValueError for
    numbers that can't be.
    """

    base: LengthBased | Masked = field(default_factory=Masked)
    most: int = 16
    temperature: float = 2.0
    steps: int = 1200
    words: Aligner = field(default_factory=Aligner)
    prior: Translations | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.most < 1 or not self.temperature > 0 or self.steps < 4:
            raise ValueError(
                f"1 translation or more, a temperature above 0, and 4 steps or more: {self}"
            )

    @property
    def plain(self) -> LengthBased | Masked:
        """The wrapped loss, plain."""
        return self.base.plain

    def knowing(self, model: WordModel, sources: int) -> "LexicalChoice":
        """The same, with the prior of a word model of raw pairs; `sources`: source vocabulary."""
        made = Translations.of(
            model.lexicon, sources=sources, most=self.most, temperature=self.temperature
        )
        return replace(self, prior=made)

    def weight(self, progress: float) -> float:
        """log(I / (2 (i + 1))) / log(I / 2) at step i of I, up to the middle; then 0.

        >>> [round(LexicalChoice(steps=200).weight(p), 3) for p in (0.0, 0.1, 0.25, 0.5)]
        [1.0, 0.339, 0.146, 0.0]
        """
        done = self.steps * progress + 1
        return max(0.0, math.log(self.steps / (2 * done)) / math.log(self.steps / 2))

    def __call__(
        self, model: LengthTransformer, batch: Batch, *, progress: float, rng: Generator
    ) -> Loss:
        cells = written(model, batch, self.base.show(model, progress, rng))
        loss = cells.loss(self.base.smoothing, self.base.length_weight)
        weight = self.weight(progress)
        if not weight:
            return loss
        token_XK, prior_XK = self.asked(batch, cells)
        known_X = prior_XK.sum(-1) > 0
        plain = F.cross_entropy(
            cells.logp_XV[known_X],
            cells.token_X[known_X],
            label_smoothing=self.base.smoothing,
            reduction="sum",
        )
        prior = divergence(prior_XK, cells.logp_XV.gather(1, token_XK)).sum()
        return replace(loss, total=loss.total + weight * (prior - plain))

    def asked(
        self, batch: Batch, cells: Written
    ) -> tuple[Int[Tensor, "X K"], Float[Tensor, "X K"]]:
        """The translations of each cell's source token; probabilities of 0 where there is none.

        Raises ValueError where there is no prior, or the pairs have no alignments.
        """
        if self.prior is None or batch.origin_BN is None:
            raise ValueError(
                "there is no lexical prior, or the pairs have no alignments: give them both with "
                "train.lexicon.with_words"
            )
        origin_BN = F.pad(batch.origin_BN, (1, 0), value=-1)  # what begins a target has none
        origin_BN = torch.where(cells.open_BN, origin_BN, -1)
        source_BN = batch.source_BS.gather(1, origin_BN.clamp_min(0))
        source_X, origin_X = source_BN[cells.open_BN], origin_BN[cells.open_BN]
        tables = (self.prior.token_SK, self.prior.prob_SK)
        token_SK, prob_SK = (table.to(source_X.device) for table in tables)
        return token_SK[source_X], prob_SK[source_X] * (origin_X >= 0)[:, None]


def divergence(
    prior_XK: Float[Tensor, "X K"], logp_XK: Float[Tensor, "X K"]
) -> Float[Tensor, " X"]:
    """KL(q || p) = sum_k q_k (log q_k - log p_k) of each cell; 0 where q is 0 all over.

    >>> q_XK = torch.tensor([[0.5, 0.5, 0.0], [0.0, 0.0, 0.0]])
    >>> divergence(q_XK, torch.tensor([[0.5, 0.25, 0.25]] * 2).log()).tolist()
    [0.3465735912322998, 0.0]
    """
    return (torch.xlogy(prior_XK, prior_XK) - prior_XK * logp_XK).sum(-1)
