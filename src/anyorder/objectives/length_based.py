"""Cross entropy of cells that are written at once, and of the length.

    LengthBased()                                 # vanilla: no cell is shown
    LengthBased(glancing=Glancing(0.5, 0.3))      # shown: a share of what the model got wrong
    Masked()                                      # shown: any number of cells, by chance

What is shown carries no loss. `Masked` is for decoders that refine (mask-predict).
Source: Gu et al. 2018 (arXiv:1711.02281), section 3; glancing Qian et al. 2021 (arXiv:2008.07905),
section 3; masked Ghazvininejad et al. 2019 (arXiv:1904.09324), section 2.2.
Shapes: B rows, N target cells with the one that begins them.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Int
from torch import Generator, Tensor

from anyorder.corrupt.glancing import Glancing, glanced
from anyorder.models.length_based import LengthTransformer
from anyorder.models.parallel import Begun
from anyorder.objectives.batch import Batch, Loss

# (beginning with nothing shown, targets, cells that may be shown) -> those that are
Show = Callable[[Begun, Tensor, Tensor], Tensor]


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
        ratio = self.glancing.ratio(progress) if self.glancing else 0.0

        def show(begun: Begun, target_BN: Tensor, open_BN: Tensor) -> Tensor:
            if not ratio:
                return torch.zeros_like(open_BN)
            with torch.no_grad():
                wrong_BN = model.logps(model.features(begun)).argmax(-1) != target_BN
            return glanced(wrong_BN, ratio=ratio, open_BM=open_BN, rng=rng)

        return cells_loss(model, batch, show, self.smoothing, self.length_weight)


@dataclass(frozen=True)
class Masked:
    """Of n cells 1 to n, each number with equal odds, are left to be written."""

    smoothing: float = 0.1
    length_weight: float = 0.1

    @property
    def plain(self) -> "Masked":
        """Without smoothing."""
        return Masked(smoothing=0.0, length_weight=self.length_weight)

    def __call__(
        self, model: LengthTransformer, batch: Batch, *, progress: float, rng: Generator
    ) -> Loss:
        def show(begun: Begun, target_BN: Tensor, open_BN: Tensor) -> Tensor:
            return shown_by_chance(open_BN, rng)

        return cells_loss(model, batch, show, self.smoothing, self.length_weight)


def shown_by_chance(open_BN: Bool[Tensor, "B N"], rng: Generator) -> Bool[Tensor, "B N"]:
    """Of the n open cells of a row 0 to n - 1 are shown, each number with equal odds."""
    count_B1 = open_BN.sum(-1, keepdim=True)
    shown_B1 = (torch.rand(count_B1.shape, generator=rng) * count_B1).floor()
    lots_BN = torch.rand(open_BN.shape, generator=rng).masked_fill(~open_BN, 2.0)
    return (lots_BN.argsort(-1).argsort(-1) < shown_B1) & open_BN


def cells_loss(
    model: LengthTransformer, batch: Batch, show: Show, smoothing: float, length_weight: float
) -> Loss:
    """Cross entropy of all cells that are not shown, and `length_weight` times that of lengths."""
    target_BN, open_BN, fits_B = framed(batch, model.sizes.bos, model.sizes.longest)
    count_B = batch.target_B + 1
    memory = model.encode(batch.source_BS, batch.source_B)
    first_BN = torch.zeros_like(open_BN)
    first_BN[:, 0] = True
    blank = model.begin(batch.source_BS, batch.source_B, memory, count_B)
    begun = model.glanced(blank, target_BN, first_BN)
    shown_BN = show(begun, target_BN, open_BN)
    begun, open_BN = model.glanced(begun, target_BN, shown_BN), open_BN & ~shown_BN
    logp_XV = model.logps(model.features(begun)[open_BN])
    total = F.cross_entropy(logp_XV, target_BN[open_BN], label_smoothing=smoothing, reduction="sum")
    lengths = F.nll_loss(model.length_logps(memory)[fits_B], count_B[fits_B] - 1, reduction="sum")
    notes = {"too long": float((~fits_B).sum())}
    return Loss(total + length_weight * lengths, int(open_BN.sum()), notes)


def framed(
    batch: Batch, bos: int, longest: int
) -> tuple[Int[Tensor, "B N"], Bool[Tensor, "B N"], Bool[Tensor, " B"]]:
    """Targets with `bos` before them, their other cells, and which rows have a length that is
    predicted (cells of the others don't count).
    """
    B = len(batch.target_B)
    fits_B = batch.target_B < longest
    target_BN = torch.cat([torch.full((B, 1), bos), batch.target_BN], 1)
    open_BN = torch.arange(target_BN.shape[1]) <= batch.target_B[:, None]
    open_BN &= fits_B[:, None]
    open_BN[:, 0] = False
    return target_BN, open_BN, fits_B
