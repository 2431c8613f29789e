"""Directed acyclic graph: all paths through the vertices that emit the target.

    loss = DAG(glancing=Glancing(0.5, 0.1))(model, batch, progress=0.0, rng=rng)

    -log sum over paths a of  prod_n p(a_n after a_(n-1)) p(y_n at a_n)

Source: Huang et al. 2022 (arXiv:2205.07459), sections 3.2 and 3.3.
Shapes: B rows, M vertices, N target cells.
"""

from dataclasses import dataclass, replace
from typing import final

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from anyorder.align.dag import best_paths, log_likelihood
from anyorder.align.lattice import DAGLattice
from anyorder.models.parallel.one_shot import DAGTransformer
from anyorder.objectives.batch import Batch
from anyorder.objectives.lattices import LatticeLikelihood


@final
@dataclass(frozen=True)
class DAG(LatticeLikelihood):
    """Plain, or with glancing, which shows vertices of the likeliest path and their tokens.

    Every target ends with `eos`, at the last vertex: so a target of one token has a path, too.
    """

    def framed(self, model: DAGTransformer, batch: Batch) -> Batch:
        B, N = batch.target_BN.shape
        target_BN = torch.cat([batch.target_BN, torch.zeros(B, 1, dtype=torch.long)], 1)
        target_BN[torch.arange(B), batch.target_B] = model.sizes.eos
        return replace(batch, target_BN=target_BN, target_B=batch.target_B + 1, origin_BN=None)

    def likelihood(
        self, lattice: DAGLattice, target_BN: Int[Tensor, "B N"], target_B: Int[Tensor, " B"]
    ) -> Float[Tensor, " B"]:
        return log_likelihood(lattice, target_BN, target_B)

    def aligned(
        self, lattice: DAGLattice, batch: Batch
    ) -> tuple[Int[Tensor, "B M"], Bool[Tensor, "B M"]]:
        path_BN, fits_B = best_paths(lattice, batch.target_BN, batch.target_B)
        B, M, _ = lattice.logp_BMV.shape
        real_BN = (torch.arange(path_BN.shape[1]) < batch.target_B[:, None]) & fits_B[:, None]
        at_BN = path_BN.where(real_BN, M)  # what is padding goes to a column that is cut off
        token_BM = torch.zeros(B, M + 1, dtype=torch.long).scatter_(1, at_BN, batch.target_BN)
        open_BM = torch.zeros(B, M + 1, dtype=torch.bool).scatter_(1, at_BN, real_BN)
        return token_BM[:, :M], open_BM[:, :M]
