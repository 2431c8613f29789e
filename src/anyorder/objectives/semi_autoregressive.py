"""Cross entropy of the next token, and of those that masks stand for.

    SemiAutoregressiveTuning()                    # half of the rows with 5 masks, half without

    - sum over n < m of log p(y_n | y_<n)  -  sum over m <= n <= m + k of log p(y_n | y_<m, masks)

A row with masks is cut off behind its first m tokens, at random, and goes on with k masks; behind
the last token and each mask the next token is to be said. The other rows are left as they are, so
that the model stays one that writes left to right.
Source: Yi et al. 2024 (arXiv:2402.11809), SAR-SFT; k = 5 for half of the rows is what the authors'
code trains with.
Shapes: B rows, N target cells (one more than a target has tokens), V vocabulary.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Int
from torch import Generator, Tensor

from anyorder.models.left_to_right.semi_autoregressive import SemiAutoregressiveSeq2Seq
from anyorder.objectives.batch import Batch, Loss
from anyorder.objectives.cross_entropy import check_smoothing, shifted


@dataclass(frozen=True)
class SemiAutoregressiveTuning:
    """`masks` stand behind a cut; `share` of the rows are left as they are."""

    masks: int = 5
    share: float = 0.5
    smoothing: float = 0.1

    def __post_init__(self) -> None:
        if self.masks < 1:
            raise ValueError(f"there is 1 mask or more, not {self.masks}")
        if not 0 <= self.share <= 1:
            raise ValueError(f"the share of rows without masks is from 0 to 1, not {self.share}")
        check_smoothing(self.smoothing)

    @property
    def plain(self) -> "SemiAutoregressiveTuning":
        """Without smoothing."""
        return SemiAutoregressiveTuning(self.masks, self.share, smoothing=0.0)

    def __call__(
        self, model: SemiAutoregressiveSeq2Seq, batch: Batch, *, progress: float, rng: Generator
    ) -> Loss:
        read_BN, write_BN, real_BN = shifted(batch, model.bos, model.eos)
        masked_BN, kept_BN = self.masked(batch.target_B, read_BN.shape[1], rng)
        read_BN, real_BN = read_BN.masked_fill(masked_BN, model.mask), real_BN & kept_BN
        logits_BNV = model(batch.source_BS, batch.source_B, read_BN)
        total = F.cross_entropy(
            logits_BNV[real_BN].float(),
            write_BN[real_BN],
            label_smoothing=self.smoothing,
            reduction="sum",
        )
        return Loss(total, int(real_BN.sum()))

    def masked(
        self, target_B: Int[Tensor, " B"], N: int, rng: Generator
    ) -> tuple[Bool[Tensor, "B N"], Bool[Tensor, "B N"]]:
        """Which cells are read as masks, and which are read at all: those up to the last mask.

        All masks have a token to say, where a target has so many.
        """
        B, cells_N = len(target_B), torch.arange(N)
        choice_B2 = torch.rand(B, 2, generator=rng)
        cuts_B = (target_B - self.masks).clamp_min(0) + 1  # as many places are there for the first
        first_B1 = 1 + (choice_B2[:, :1] * cuts_B[:, None]).long()
        end_B1 = first_B1 + self.masks
        tuned_B1 = choice_B2[:, 1:] >= self.share
        masked_BN = tuned_B1 & (cells_N >= first_B1) & (cells_N < end_B1)
        return masked_BN, ~tuned_B1 | (cells_N < end_B1)
