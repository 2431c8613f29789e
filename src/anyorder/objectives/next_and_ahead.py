"""The next token in every batch, and beside it one that stands further ahead: heads that learn with
the whole model, and are to leave it as good as it was.

    NextAndAhead()
    NextAndAhead(weight=0.5)                      # the next token counts twice as much as the heads

    L_0 + w L_h,    L_h = sum over cells of  -log p_h(y_(n + h)),    a mean over the cells of L_0;

h is drawn anew for every batch from the heads beside the first, so that in the mean all of them
together count w, and the next token 1: its own loss is the one that `CrossEntropy` has.
The loss of Stern et al. 2018 (arXiv:1811.03115), section 6, is the mean over all heads, the first
one among them, of which one is drawn for every batch: that is `Ahead`. There the next token has one
batch of eight: little, where a short training begins with a good model. Its turn in every batch,
and the weight, are ours.
"""

import math
from dataclasses import dataclass

import torch
from torch import Generator

from anyorder.models.left_to_right.headed import HeadedSeq2Seq
from anyorder.objectives.ahead import features_of, loss_of_head
from anyorder.objectives.batch import Batch, Loss
from anyorder.objectives.cross_entropy import check_smoothing, shifted


@dataclass(frozen=True)
class NextAndAhead:
    """`weight`: of the heads, beside a next token that counts 1. `smoothing`: of all labels.
    Held-out pairs are read by all heads: `every`, whose mean takes the place of the drawn one's.
    """

    weight: float = 1.0
    smoothing: float = 0.1
    every: bool = False

    def __post_init__(self) -> None:
        check_smoothing(self.smoothing)
        if not 0 < self.weight < math.inf:
            raise ValueError(f"heads learn if their weight is above 0, not {self.weight}")

    @property
    def plain(self) -> "NextAndAhead":
        """All heads, without smoothing."""
        return NextAndAhead(weight=self.weight, smoothing=0.0, every=True)

    def __call__(
        self, model: HeadedSeq2Seq, batch: Batch, *, progress: float, rng: Generator
    ) -> Loss:
        most = model.sizes.heads
        turn = int(torch.randint(1, most + 1, (1,), generator=rng))
        read_BN, write_BN, _ = shifted(batch, model.bos, model.eos)
        features_BNC = features_of(model, batch, read_BN, frozen=False)

        def of(head: int) -> Loss:
            rows = features_BNC, write_BN, batch.target_B
            return loss_of_head(model, head, *rows, far=head, smoothing=self.smoothing)

        own = of(0)
        turns = range(1, most + 1) if self.every else [turn]
        ahead = torch.stack([of(head).total for head in turns]).mean()
        return Loss(own.total + self.weight * ahead, own.units)
