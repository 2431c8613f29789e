"""Cross entropy of all cells at once, and of the length: vanilla parallel training, or glancing.

    loss = LengthBased(glancing=Glancing(0.5, 0.3))(model, batch, progress=0.0, rng=rng)

With glancing the model first writes on its own; then it is shown some cells of the target, as many
as a share of those that it got wrong, and learns the others.
Source: Gu et al. 2018 (arXiv:1711.02281), section 3; glancing Qian et al. 2021 (arXiv:2008.07905),
section 3.
Shapes: B rows, N target cells with the one that begins them, V vocabulary.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Generator

from anyorder.corrupt.glancing import Glancing, glanced
from anyorder.models.length_based import LengthTransformer
from anyorder.objectives.batch import Batch, Loss


@dataclass(frozen=True)
class LengthBased:
    """`length_weight`: of the length's cross entropy beside that of one token."""

    glancing: Glancing | None = None
    smoothing: float = 0.1
    length_weight: float = 0.1

    @property
    def plain(self) -> "LengthBased":
        """Without glancing and smoothing."""
        return LengthBased(smoothing=0.0, length_weight=self.length_weight)

    def __call__(
        self, model: LengthTransformer, batch: Batch, *, progress: float, rng: Generator
    ) -> Loss:
        B, _ = batch.target_BN.shape
        longest = model.sizes.longest
        fits_B = batch.target_B < longest
        begin_B1 = torch.full((B, 1), model.sizes.bos)
        target_BN, count_B = torch.cat([begin_B1, batch.target_BN], 1), batch.target_B + 1
        open_BN = (torch.arange(target_BN.shape[1]) < count_B[:, None]) & fits_B[:, None]
        open_BN[:, 0] = False
        memory = model.encode(batch.source_BS, batch.source_B)
        blank = model.begin(batch.source_BS, batch.source_B, memory, count_B)
        shown_BN = torch.zeros_like(open_BN)
        shown_BN[:, 0] = True
        begun = model.glanced(blank, target_BN, shown_BN)
        ratio = self.glancing.ratio(progress) if self.glancing else 0.0
        if ratio:
            with torch.no_grad():
                wrong_BN = model.logps(model.features(begun)).argmax(-1) != target_BN
            more_BN = glanced(wrong_BN, ratio=ratio, open_BM=open_BN, rng=rng)
            begun, open_BN = model.glanced(begun, target_BN, more_BN), open_BN & ~more_BN
        logp_XV = model.logps(model.features(begun)[open_BN])
        total = F.cross_entropy(
            logp_XV, target_BN[open_BN], label_smoothing=self.smoothing, reduction="sum"
        )
        lengths = F.nll_loss(
            model.length_logps(memory)[fits_B], count_B[fits_B] - 1, reduction="sum"
        )
        notes = {"too long": float((~fits_B).sum())}
        return Loss(total + self.length_weight * lengths, int(open_BN.sum()), notes)
