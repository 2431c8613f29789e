"""Cross entropy of what one head guesses, step after step, each time after its own features.

    Recursive()                                   # three steps, as many as are drafted
    Recursive(steps=1)                            # the next guess alone, as in pre-training

    sum over k = 1 ... K of  a_k sum over cells of  -log p_k(y_(n + k)),   a_k ~ beta^(k - 1)

The model is frozen; the head alone learns. Step k reads the true token n + k, and what the step
before it made (see `models.left_to_right.recursive`). Losses are told a token of the first step.
Source: Cai et al. 2025 (arXiv:2509.18362), equation 2 for the weights, which sum to 1.
Shapes: B rows, N target cells (one more than a target has tokens), V vocabulary, C channels.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Generator

from anyorder.models.left_to_right.recursive import RecursiveSeq2Seq
from anyorder.objectives.batch import Batch, Loss
from anyorder.objectives.cross_entropy import check_smoothing, shifted


@dataclass(frozen=True)
class Recursive:
    """`steps`: how often the head goes on; `decay`: the weight of a step, of the one before."""

    steps: int = 3
    decay: float = 0.6
    smoothing: float = 0.1

    def __post_init__(self) -> None:
        check_smoothing(self.smoothing)
        falling(self.steps, self.decay)  # raises ValueError for what is no step

    @property
    def frozen(self) -> bool:
        """Whether the head alone learns: it does."""
        return True

    @property
    def plain(self) -> "Recursive":
        """Without smoothing."""
        return Recursive(steps=self.steps, decay=self.decay, smoothing=0.0)

    @property
    def weights(self) -> list[float]:
        """Of the steps."""
        return falling(self.steps, self.decay)

    def learn_frequent(self, model: RecursiveSeq2Seq, targets: Iterable[Sequence[int]]) -> None:
        """See `LearnsFrequent.learn_frequent`: the head guesses among them."""
        model.learn_frequent(targets)

    def __call__(
        self, model: RecursiveSeq2Seq, batch: Batch, *, progress: float, rng: Generator
    ) -> Loss:
        read_BN, write_BN, _ = shifted(batch, model.bos, model.eos)
        every = model.unrolled(batch.source_BS, batch.source_B, read_BN, write_BN, self.steps)
        table_VC = model.target.table.weight.detach()
        losses, units = [], []
        for step, (weight, features_BNC) in enumerate(zip(self.weights, every, strict=True), 1):
            real_BN = torch.arange(read_BN.shape[1]) + step <= batch.target_B[:, None]
            total = F.cross_entropy(
                F.linear(features_BNC[real_BN], table_VC).float(),
                write_BN.roll(-step, 1)[real_BN],
                label_smoothing=self.smoothing,
                reduction="sum",
            )
            losses.append(weight * total)
            units.append(int(real_BN.sum()))
        return Loss(torch.stack(losses).sum(), units[0])


def falling(steps: int, decay: float) -> list[float]:
    """Weights of so many steps, each `decay` of the one before. Raises ValueError for none.

    >>> [round(weight, 2) for weight in falling(3, 0.6)]
    [0.51, 0.31, 0.18]
    """
    if steps < 1 or decay <= 0:
        raise ValueError(
            f"a head goes on for 1 step or more, with a decay above 0, not {steps} and {decay}"
        )
    every = [decay**step for step in range(steps)]
    return [weight / sum(every) for weight in every]
