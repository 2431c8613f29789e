"""Cross entropy of cells that are written at once, and of the length.

    LengthBased()                                 # vanilla: no cell is shown
    LengthBased(glancing=Glancing(0.5, 0.3))      # shown: a share of what the model got wrong
    Masked()                                      # shown: any number of cells, by chance

What is shown carries no loss. `Masked` is for decoders that refine (mask-predict).
Source: Gu et al. 2018 (arXiv:1711.02281), section 3; glancing Qian et al. 2021 (arXiv:2008.07905),
section 3; masked Ghazvininejad et al. 2019 (arXiv:1904.09324), section 2.2.
Shapes: B rows, N target cells with the one that begins them, X cells of all rows, V vocabulary.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Generator, Tensor

from anyorder.corrupt.glancing import Glancing, glanced
from anyorder.models.parallel.length_based import LengthTransformer
from anyorder.models.parallel.one_shot import Begun
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
        show = self.show(model, progress, rng)
        return written(model, batch, show).loss(self.smoothing, self.length_weight)

    def show(self, model: LengthTransformer, progress: float, rng: Generator) -> Show:
        """What chooses the cells that are shown: with glancing, some of those that are wrong."""
        ratio = self.glancing.ratio(progress) if self.glancing else 0.0

        def shown(begun: Begun, target_BN: Tensor, open_BN: Tensor) -> Tensor:
            if not ratio:
                return torch.zeros_like(open_BN)
            with torch.no_grad():
                wrong_BN = model.logps(model.features(begun)).argmax(-1) != target_BN
            return glanced(wrong_BN, ratio=ratio, open_BM=open_BN, rng=rng)

        return shown


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
        show = self.show(model, progress, rng)
        return written(model, batch, show).loss(self.smoothing, self.length_weight)

    def show(self, model: LengthTransformer, progress: float, rng: Generator) -> Show:
        """What chooses the cells that are shown: chance."""
        return lambda begun, target_BN, open_BN: shown_by_chance(open_BN, rng)


@dataclass(frozen=True)
class Written:
    """What a model says of the cells that are not shown (`open_BN`, X in all rows), the tokens that
    they should hold, the cross entropy of all lengths, and how many rows are too long.
    """

    logp_XV: Float[Tensor, "X V"]
    token_X: Int[Tensor, " X"]
    open_BN: Bool[Tensor, "B N"]
    lengths: Float[Tensor, ""]
    too_long: float

    def loss(self, smoothing: float, length_weight: float) -> Loss:
        """Cross entropy of the cells, and `length_weight` times that of the lengths."""
        total = F.cross_entropy(
            self.logp_XV, self.token_X, label_smoothing=smoothing, reduction="sum"
        )
        notes = {"too long": self.too_long}
        return Loss(total + length_weight * self.lengths, len(self.token_X), notes)


def shown_by_chance(open_BN: Bool[Tensor, "B N"], rng: Generator) -> Bool[Tensor, "B N"]:
    """Of the n open cells of a row 0 to n - 1 are shown, each number with equal odds."""
    count_B1 = open_BN.sum(-1, keepdim=True)
    shown_B1 = (torch.rand(count_B1.shape, generator=rng) * count_B1).floor()
    lots_BN = torch.rand(open_BN.shape, generator=rng).masked_fill(~open_BN, 2.0)
    return (lots_BN.argsort(-1).argsort(-1) < shown_B1) & open_BN


@dataclass(frozen=True)
class Asked:
    """Cells that are to be written (`open_BN`), the beginning without them, all targets; and of the
    lengths what `Written` has.
    """

    begun: Begun
    target_BN: Int[Tensor, "B N"]
    open_BN: Bool[Tensor, "B N"]
    lengths: Float[Tensor, ""]
    too_long: float

    def written(self, logp_XV: Float[Tensor, "X V"]) -> Written:
        """With what a model says of these cells."""
        token_X = self.target_BN[self.open_BN]
        return Written(logp_XV, token_X, self.open_BN, self.lengths, self.too_long)


def written(model: LengthTransformer, batch: Batch, show: Show) -> Written:
    """What the model makes of all cells that `show` does not show it."""
    made = asked(model, batch, show)
    return made.written(model.logps(model.features(made.begun)[made.open_BN]))


def asked(model: LengthTransformer, batch: Batch, show: Show) -> Asked:
    """The cells that `show` does not show the model."""
    target_BN, open_BN, fits_B = framed(batch, model.sizes.bos, model.sizes.longest)
    count_B = batch.target_B + 1
    memory = model.encode(batch.source_BS, batch.source_B)
    first_BN = torch.zeros_like(open_BN)
    first_BN[:, 0] = True
    blank = model.begin(batch.source_BS, batch.source_B, memory, count_B)
    begun = model.glanced(blank, target_BN, first_BN)
    shown_BN = show(begun, target_BN, open_BN)
    begun, open_BN = model.glanced(begun, target_BN, shown_BN), open_BN & ~shown_BN
    lengths = F.nll_loss(model.length_logps(memory)[fits_B], count_B[fits_B] - 1, reduction="sum")
    return Asked(begun, target_BN, open_BN, lengths, float((~fits_B).sum()))


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
