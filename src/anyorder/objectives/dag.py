"""Directed acyclic graph: all paths through the vertices that emit the target.

    loss = DAG(glancing=Glancing(0.5, 0.1))(model, batch, progress=0.0, rng=rng)

    -log sum over paths a of  prod_n p(a_n after a_(n-1)) p(y_n at a_n)

Source: Huang et al. 2022 (arXiv:2205.07459), sections 3.2 and 3.3.
Shapes: B rows, M vertices, N target cells.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int
from torch import Generator, Tensor

from anyorder.align.dag import best_paths, log_likelihood
from anyorder.align.lattice import DAGLattice
from anyorder.corrupt.glancing import Glancing
from anyorder.models.parallel import DAGTransformer
from anyorder.objectives.batch import Batch, Loss
from anyorder.objectives.lattices import lattice_loss


@dataclass(frozen=True)
class DAG:
    """Plain, or with glancing."""

    glancing: Glancing | None = None

    @property
    def plain(self) -> "DAG":
        """Without glancing."""
        return DAG()

    def __call__(
        self, model: DAGTransformer, batch: Batch, *, progress: float, rng: Generator
    ) -> Loss:
        return lattice_loss(
            model,
            batch,
            likelihood=log_likelihood,
            align=aligned,
            ratio=self.glancing.ratio(progress) if self.glancing else 0.0,
            rng=rng,
        )


def aligned(lattice: DAGLattice, batch: Batch) -> tuple[Int[Tensor, "B M"], Bool[Tensor, "B M"]]:
    """The target's tokens at the vertices of its likeliest path; the others have none."""
    path_BN, fits_B = best_paths(lattice, batch.target_BN, batch.target_B)
    B, M, _ = lattice.logp_BMV.shape
    real_BN = (torch.arange(path_BN.shape[1]) < batch.target_B[:, None]) & fits_B[:, None]
    at_BN = path_BN.where(real_BN, M)  # what is padding goes to a column that is cut off
    token_BM = torch.zeros(B, M + 1, dtype=torch.long).scatter_(1, at_BN, batch.target_BN)
    open_BM = torch.zeros(B, M + 1, dtype=torch.bool).scatter_(1, at_BN, real_BN)
    return token_BM[:, :M], open_BM[:, :M]
