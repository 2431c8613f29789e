"""Multi-token prediction: all heads learn at once, each the token so far ahead.

    MultiToken()

    sum over cells and heads of  -log p_h(y_(n + h)),    a mean over cells, not over heads

So the next token counts as much as it does for `CrossEntropy`, and the other heads come on top
(`Ahead` shares one cross entropy among all). The heads are those of `nets.heads`; the paper's are
layers of attention.
Source: Gloeckle et al. 2024 (arXiv:2404.19737).
"""

from dataclasses import dataclass

from torch import Generator

from anyorder.models.left_to_right.headed import HeadedSeq2Seq
from anyorder.objectives.ahead import Ahead
from anyorder.objectives.batch import Batch, Loss
from anyorder.objectives.cross_entropy import CrossEntropy, check_smoothing


@dataclass(frozen=True)
class MultiToken:
    """`smoothing`: of all labels."""

    smoothing: float = 0.1

    def __post_init__(self) -> None:
        check_smoothing(self.smoothing)

    @property
    def plain(self) -> CrossEntropy:
        """The next token alone: the others are for training."""
        return CrossEntropy(smoothing=0.0)

    def __call__(
        self, model: HeadedSeq2Seq, batch: Batch, *, progress: float, rng: Generator
    ) -> Loss:
        every = Ahead(smoothing=self.smoothing, every=True)
        found = every(model, batch, progress=progress, rng=rng)
        return Loss(found.total, int((batch.target_B + 1).sum()))
