"""Cross entropy of all cells, and of the fertilities that a word aligner has found.

    loss = Fertility()(model, batch, progress=0.0, rng=rng)      # of a batch with fertilities

    -log p(y | x) <= -sum_m log p(y_m | f, x) - sum_s log p(f_s | x)

Fertilities are latent; while training they are those of one alignment, in which each target token
has one source token. `anyorder.train.fertilities` gives them to the pairs.
Source: Gu et al. 2018 (arXiv:1711.02281), sections 3 and 4.
Shapes: B rows, S source cells, M decoder cells, F fertilities, C channels, V vocabulary, X cells of
all rows.
"""

from dataclasses import dataclass
from typing import Final

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Generator, Tensor

from anyorder.align.words import Aligner
from anyorder.models.parallel.fertility import FertilityTransformer
from anyorder.objectives.batch import Batch, Loss

SURE: Final = Aligner(null=0.0)  # no target token comes from nowhere: fertilities sum to its length


@dataclass(frozen=True)
class Fertility:
    """`fertility_weight`: of the fertilities' cross entropy beside that of the cells; `aligner`:
    what finds the fertilities. Raises ValueError for one that leaves target tokens without source.
    """

    smoothing: float = 0.1
    fertility_weight: float = 1.0
    aligner: Aligner = SURE

    def __post_init__(self) -> None:
        if self.aligner.null:
            raise ValueError("each target token needs a source token: Aligner(null=0.0)")

    @property
    def plain(self) -> "Fertility":
        """Without smoothing."""
        return Fertility(0.0, self.fertility_weight, self.aligner)

    def __call__(
        self, model: FertilityTransformer, batch: Batch, *, progress: float, rng: Generator
    ) -> Loss:
        return self.of(model, batch, Aligned.of(model, batch))

    def of(self, model: FertilityTransformer, batch: Batch, aligned: "Aligned") -> Loss:
        """The loss of a pass that was made; rows too fertile for the model are counted."""
        fertility_BS = fertilities_of(batch)
        open_BM, fits_B = aligned.open_BM, aligned.fits_B
        total = F.cross_entropy(
            model.logps(aligned.features_BMC[open_BM]),
            batch.target_BN[:, : open_BM.shape[1]][open_BM],
            label_smoothing=self.smoothing,
            reduction="sum",
        )
        logp_BS = chosen(aligned.fertility_BSF[fits_B], fertility_BS[fits_B])
        notes = {"too long": float((~fits_B).sum())}
        return Loss(total - self.fertility_weight * logp_BS.sum(), int(open_BM.sum()), notes)


@dataclass(frozen=True)
class Aligned:
    """A pass in which each source token became as many cells as the aligner says: `open_BM` are
    those of rows that fit, whose fertilities the model knows.
    """

    features_BMC: Float[Tensor, "B M C"]
    fertility_BSF: Float[Tensor, "B S F"]
    open_BM: Bool[Tensor, "B M"]
    fits_B: Bool[Tensor, " B"]

    @staticmethod
    def of(model: FertilityTransformer, batch: Batch) -> "Aligned":
        """Raises ValueError for a batch without fertilities."""
        fertility_BS = fertilities_of(batch)
        assert torch.equal(fertility_BS.sum(1), batch.target_B), "each target token has a source"
        memory = model.encode(batch.source_BS, batch.source_B)
        begun = model.begin(batch.source_BS, memory, fertility_BS)
        fits_B = fertility_BS.amax(1) <= model.sizes.most
        open_BM = torch.arange(begun.x_BMC.shape[1]) < batch.target_B[:, None]
        return Aligned(
            model.features(begun),
            model.fertility_logps(memory),
            open_BM & fits_B[:, None],
            fits_B,
        )


def fertilities_of(batch: Batch) -> Int[Tensor, "B S"]:
    """Those of the batch. Raises ValueError where it has none."""
    if batch.fertility_BS is None:
        raise ValueError(
            "the pairs have no fertilities: give them some with train.fertilities.with_fertilities"
        )
    return batch.fertility_BS


def chosen(
    logp_BSF: Float[Tensor, "B S F"], fertility_BS: Int[Tensor, "B S"]
) -> Float[Tensor, "B S"]:
    """log p(f_s | x) of these fertilities; padding, which has 0 for certain, gives 0."""
    return logp_BSF.gather(2, fertility_BS[..., None])[..., 0]
