"""Cross entropy of what a language model's own head guesses, step after step.

    Onward()                                      # three steps
    Onward(taught=1.0)                            # from what the model itself says, not its token

    sum over k = 1 ... K of  a_k sum over cells of  H(t, p_k(n + k)),   a_k ~ beta^(k - 1)

Step k reads the true token n + k, and what the step before it made. What it is to say is the token
that the text has there, mixed with what the model said there (`taught`). The model's odds are taken
among the frequent tokens alone, as the head's are; a token of the text that is not frequent adds
nothing. So losses with different numbers of frequent tokens can't be compared. They are told a
token of the first step.
Source: Cai et al. 2025 (arXiv:2509.18362), equation 2, has the text's tokens alone; to learn the
model's own odds is Zhou et al. 2024 (DistillSpec, arXiv:2310.08461).
Shapes: B rows, N cells, C channels, U frequent tokens.
"""

from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Generator, Tensor

from anyorder.models.onward_head import OnwardHead
from anyorder.objectives.batch import Batch, Loss
from anyorder.objectives.recursive import falling


class KnowsItsTexts(Protocol):
    """A head beside what its model wrote: `source_BS` of a batch names the texts."""

    head: OnwardHead

    def known(
        self, batch: Batch
    ) -> tuple[Float[Tensor, "B N C"], Float[Tensor, "B N C"], Int[Tensor, "B N"]]:
        """Features of each cell; the vector of the token behind it; and the place of that token
        among the frequent ones (-1: it is none of them).
        """
        ...


@dataclass(frozen=True)
class Onward:
    """`steps`: how often the head goes on; `decay`: the weight of a step, of the one before."""

    steps: int = 3
    decay: float = 0.6
    taught: float = 0.5

    def __post_init__(self) -> None:
        falling(self.steps, self.decay)  # raises ValueError for what is no step
        if not 0 <= self.taught <= 1:
            raise ValueError(f"the part that the model teaches is 0 to 1, not {self.taught}")

    @property
    def plain(self) -> "Onward":
        """From the text's tokens alone."""
        return Onward(steps=self.steps, decay=self.decay, taught=0.0)

    def __call__(
        self, model: KnowsItsTexts, batch: Batch, *, progress: float, rng: Generator
    ) -> Loss:
        features_BNC, tokens_BNC, gold_BN = model.known(batch)
        with torch.no_grad():
            said_BNU = model.head.said(features_BNC).softmax(-1) if self.taught else None
        every = model.head.unrolled(features_BNC, tokens_BNC, self.steps)
        losses, units = [], []
        for step, (weight, ahead_BNC) in enumerate(
            zip(falling(self.steps, self.decay), every, strict=True), 1
        ):
            real_BN = torch.arange(gold_BN.shape[1]) + step < batch.target_B[:, None]
            wanted_XU = _wanted(gold_BN.roll(-step, 1)[real_BN], len(model.head.frequent_U))
            if said_BNU is not None:
                teacher_XU = said_BNU.roll(-step, 1)[real_BN]
                wanted_XU = wanted_XU.lerp(teacher_XU, self.taught)
            logits_XU = model.head.said(ahead_BNC[real_BN])
            loss = F.cross_entropy(logits_XU, wanted_XU, reduction="sum")
            losses.append(weight * loss)
            units.append(int(real_BN.sum()))
        return Loss(torch.stack(losses).sum(), units[0])


def _wanted(gold_X: Int[Tensor, " X"], count: int) -> Float[Tensor, "X U"]:
    """All of the odds on the text's token, where it is a frequent one; else on none."""
    wanted_XU = torch.zeros(len(gold_X), count)
    return wanted_XU.scatter_(1, gold_X.clamp_min(0)[:, None], (gold_X >= 0)[:, None].float())
