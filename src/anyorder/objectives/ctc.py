"""Connectionist temporal classification: all ways in which the cells can spell the target.

    loss = CTC()(model, batch, progress=0.0, rng=rng)
    loss = CTC(glancing=Glancing(0.5, 0.3))(model, batch, progress=0.0, rng=rng)

    -log sum over paths a that spell y of  prod_m p_m(a_m)

Source: Graves et al. 2006; for translation Libovický & Helcl 2018 (arXiv:1811.04719); with
glancing Qian et al. 2021 (arXiv:2008.07905), section 4.3.
Shapes: B rows, M cells.
"""

from dataclasses import dataclass

from jaxtyping import Bool, Int
from torch import Generator, Tensor

from anyorder.align.ctc import best_paths, log_likelihood
from anyorder.align.lattice import CTCLattice
from anyorder.corrupt.glancing import Glancing
from anyorder.models.parallel import CTCTransformer
from anyorder.objectives.batch import Batch, Loss
from anyorder.objectives.lattices import lattice_loss


@dataclass(frozen=True)
class CTC:
    """Plain, or with glancing."""

    glancing: Glancing | None = None

    @property
    def plain(self) -> "CTC":
        """Without glancing."""
        return CTC()

    def __call__(
        self, model: CTCTransformer, batch: Batch, *, progress: float, rng: Generator
    ) -> Loss:
        return lattice_loss(
            model,
            batch,
            likelihood=log_likelihood,
            align=aligned,
            ratio=self.glancing.ratio(progress) if self.glancing else 0.0,
            rng=rng,
        )


def aligned(lattice: CTCLattice, batch: Batch) -> tuple[Int[Tensor, "B M"], Bool[Tensor, "B M"]]:
    """The likeliest path that spells each target, blanks included; all its cells have a token."""
    path_BM, fits_B = best_paths(lattice, batch.target_BN, batch.target_B)
    return path_BM, lattice.real_BM & fits_B[:, None]
