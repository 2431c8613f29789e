"""Cross entropy of the next token, said by a small model beside a large one that reads in blocks.

    TandemTuning()                                # blocks of one to eight cells

    - sum over n of log p_S(y_(n+1) | x, y_1 .. y_n; the large model's states of y_1 .. y_k)

where k is the end of the last block that the large model had read. All rows of a batch have blocks
of one size, drawn from 1 to `longest`, and the first one is cut short at random, so that a cell
stands anywhere in a block. The large model learns nothing.
Source: Nair et al. 2024 (arXiv:2402.08644): cross entropy, the large model frozen (their
Tandem-CE). They train with blocks of two, and write with others; drawn sizes are ours. A target is
learnt as it stands; the distillation of their second stage is not here.
Shapes: B rows, N target cells (one more than a target has tokens).
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Int
from torch import Generator, Tensor

from anyorder.masks import known_in_blocks
from anyorder.models.left_to_right.tandem import TandemSeq2Seq
from anyorder.objectives.batch import Batch, Loss
from anyorder.objectives.cross_entropy import check_smoothing, shifted


@dataclass(frozen=True)
class TandemTuning:
    """See the module."""

    longest: int = 8
    smoothing: float = 0.1

    def __post_init__(self) -> None:
        check_smoothing(self.smoothing)
        if self.longest < 1:
            raise ValueError(f"a block has 1 cell or more, not {self.longest}")

    @property
    def frozen(self) -> bool:
        """Always: the large model must be there, and the small one learns alone."""
        return True

    @property
    def plain(self) -> "TandemTuning":
        """Without smoothing."""
        return TandemTuning(longest=self.longest, smoothing=0.0)

    def __call__(
        self, model: TandemSeq2Seq, batch: Batch, *, progress: float, rng: Generator
    ) -> Loss:
        read_BN, write_BN, real_BN = shifted(batch, model.bos, model.eos)
        known_N = self.known(read_BN.shape[1], rng)
        features_BNC = model.written(batch.source_BS, batch.source_B, read_BN, known_N)
        total = F.cross_entropy(
            model.small_head(features_BNC[real_BN]).float(),
            write_BN[real_BN],
            label_smoothing=self.smoothing,
            reduction="sum",
        )
        return Loss(total, int(real_BN.sum()))

    def known(self, cells: int, rng: Generator) -> Int[Tensor, " N"]:
        """How many cells the large model has read when each cell is read; see `known_in_blocks`."""
        block = int(torch.randint(1, self.longest + 1, (1,), generator=rng))
        first = int(torch.randint(1, block + 1, (1,), generator=rng))
        return known_in_blocks(cells, block, first=first)
