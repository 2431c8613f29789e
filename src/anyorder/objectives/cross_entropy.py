"""Cross entropy of the next token, with label smoothing: left-to-right training.

    loss = CrossEntropy(smoothing=0.1)(model, batch, progress=0.0, rng=rng)

    sum over cells of  -(1 - s) log p(y_n) - s mean_v log p(v)

Source: Vaswani et al. 2017 (arXiv:1706.03762), section 5.4.
Shapes: B rows, N target cells (one more than a target has tokens), V vocabulary.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Int
from torch import Generator, Tensor

from anyorder.models.left_to_right.seq2seq import Seq2Seq
from anyorder.objectives.batch import Batch, Loss


@dataclass(frozen=True)
class CrossEntropy:
    """Every target is framed: it is read with `bos` before it, and written with `eos` after it."""

    smoothing: float = 0.1

    def __post_init__(self) -> None:
        check_smoothing(self.smoothing)

    @property
    def plain(self) -> "CrossEntropy":
        """Without smoothing."""
        return CrossEntropy(smoothing=0.0)

    def __call__(self, model: Seq2Seq, batch: Batch, *, progress: float, rng: Generator) -> Loss:
        read_BN, write_BN, real_BN = shifted(batch, model.bos, model.eos)
        logits_BNV = model(batch.source_BS, batch.source_B, read_BN)
        total = F.cross_entropy(
            logits_BNV[real_BN].float(),
            write_BN[real_BN],
            label_smoothing=self.smoothing,
            reduction="sum",
        )
        return Loss(total, int(real_BN.sum()))


def check_smoothing(smoothing: float) -> None:
    """Raises ValueError for what is no label smoothing."""
    if not 0 <= smoothing < 1:
        raise ValueError(f"label smoothing is from 0 to below 1, not {smoothing}")


def shifted(
    batch: Batch, bos: int, eos: int
) -> tuple[Int[Tensor, "B N"], Int[Tensor, "B N"], Bool[Tensor, "B N"]]:
    """What is read, `bos` first; what is to be written after each cell, `eos` last; which cells
    are no padding.
    """
    B, N = batch.target_BN.shape
    read_BN = torch.cat([torch.full((B, 1), bos), batch.target_BN], 1)
    write_BN = torch.cat([batch.target_BN, torch.zeros(B, 1, dtype=torch.long)], 1)
    write_BN[torch.arange(B), batch.target_B] = eos
    return read_BN, write_BN, torch.arange(N + 1) <= batch.target_B[:, None]
