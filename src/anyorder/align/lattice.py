"""What a parallel model says of all cells at once: a CTC lattice or a directed acyclic graph, or
cells that have nothing to do with each other.

Shapes: B rows, M cells (vertices), V vocabulary.
"""

from dataclasses import dataclass, replace
from typing import TypeVar

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


@dataclass(frozen=True)
class CTCLattice:
    """Log-probabilities of every token in every cell; the first `count_B` cells of a row are real.

    A path of tokens, one a cell, spells the text that is left when repeats are merged and blanks
    taken out (Graves et al. 2006).
    """

    logp_BMV: Float[Tensor, "B M V"]
    count_B: Int[Tensor, " B"]
    blank: int

    @property
    def real_BM(self) -> Bool[Tensor, "B M"]:
        """The cells that are no padding."""
        return _real(self.logp_BMV, self.count_B)

    @property
    def token_BM(self) -> Int[Tensor, "B M"]:
        """The likeliest token of each cell, be the blank likelier or not."""
        blank = torch.tensor([self.blank], device=self.logp_BMV.device)
        return self.logp_BMV.index_fill(-1, blank, -torch.inf).argmax(-1)


@dataclass(frozen=True)
class DAGLattice:
    """Log-probabilities of every token at every vertex, and of every link from left to right.

    A path begins at the first vertex, ends at the last real one, and emits a token at each vertex
    (Huang et al. 2022, arXiv:2205.07459). `links_BMM[b, i, j]` is log p(j after i), -inf unless
    i < j < count.
    """

    logp_BMV: Float[Tensor, "B M V"]
    links_BMM: Float[Tensor, "B M M"]
    count_B: Int[Tensor, " B"]

    @property
    def real_BM(self) -> Bool[Tensor, "B M"]:
        """The vertices that are no padding."""
        return _real(self.logp_BMV, self.count_B)


@dataclass(frozen=True)
class CellLattice:
    """Log-probabilities of every token in every cell; the first `count_B` cells of a row are its
    text, one token each.
    """

    logp_BMV: Float[Tensor, "B M V"]
    count_B: Int[Tensor, " B"]

    @property
    def real_BM(self) -> Bool[Tensor, "B M"]:
        """The cells that are no padding."""
        return _real(self.logp_BMV, self.count_B)


L = TypeVar("L", CTCLattice, DAGLattice)


def held(lattice: L, tokens_BM: Int[Tensor, "B M"], shown_BM: Bool[Tensor, "B M"]) -> L:
    """The lattice in which the cells where `shown_BM` hold their token for certain."""
    certain_BMV = torch.full_like(lattice.logp_BMV, -1e9)  # not -inf: gradients stay numbers
    certain_BMV.scatter_(-1, tokens_BM[..., None], 0.0)
    return replace(
        lattice, logp_BMV=torch.where(shown_BM[..., None], certain_BMV, lattice.logp_BMV)
    )


def _real(logp_BMV: Tensor, count_B: Tensor) -> Tensor:
    return torch.arange(logp_BMV.shape[1], device=count_B.device) < count_B[:, None]
