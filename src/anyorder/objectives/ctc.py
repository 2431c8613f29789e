"""Connectionist temporal classification: all ways in which the cells can spell the target.

    loss = CTC()(model, batch, progress=0.0, rng=rng)
    loss = CTC(glancing=Glancing(0.5, 0.3))(model, batch, progress=0.0, rng=rng)

    -log sum over paths a that spell y of  prod_m p_m(a_m)

Source: Graves et al. 2006; for translation Libovický & Helcl 2018 (arXiv:1811.04719); with
glancing Qian et al. 2021 (arXiv:2008.07905), section 4.3.
Shapes: B rows, M cells, N target cells.
"""

from dataclasses import dataclass
from typing import final

from jaxtyping import Bool, Float, Int
from torch import Tensor

from anyorder.align.ctc import best_paths, log_likelihood
from anyorder.align.lattice import CTCLattice
from anyorder.models.parallel.one_shot import CTCTransformer
from anyorder.objectives.batch import Batch
from anyorder.objectives.lattices import LatticeLikelihood


@final
@dataclass(frozen=True)
class CTC(LatticeLikelihood):
    """Plain, or with glancing, which shows cells of the likeliest path, blanks included."""

    def framed(self, model: CTCTransformer, batch: Batch) -> Batch:
        return batch

    def likelihood(
        self, lattice: CTCLattice, target_BN: Int[Tensor, "B N"], target_B: Int[Tensor, " B"]
    ) -> Float[Tensor, " B"]:
        return log_likelihood(lattice, target_BN, target_B)

    def aligned(
        self, lattice: CTCLattice, batch: Batch
    ) -> tuple[Int[Tensor, "B M"], Bool[Tensor, "B M"]]:
        return aligned(lattice, batch)


def aligned(lattice: CTCLattice, batch: Batch) -> tuple[Int[Tensor, "B M"], Bool[Tensor, "B M"]]:
    """The likeliest path that spells each target, blanks included; all its cells have a token."""
    path_BM, fits_B = best_paths(lattice, batch.target_BN, batch.target_B)
    return path_BM, lattice.real_BM & fits_B[:, None]
