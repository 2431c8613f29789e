"""Where cells come from when others are deleted, or inserted between them.

    origins = without(deleted_BN, count_B)          # the cells that stay, moved together
    origins = widened(inserted_BN, count_B)         # the same cells, with new ones between them
    origins.taken(tokens_BN, new=0)                 # what stands there now

Shapes: B rows, N cells before, M cells after.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int
from torch import Tensor


@dataclass(frozen=True)
class Origins:
    """The cell from which each of the first `count_B` cells comes; -1: it is new, or no cell."""

    origin_BM: Int[Tensor, "B M"]
    count_B: Int[Tensor, " B"]

    def taken(self, tokens_BN: Int[Tensor, "B N"], *, new: int) -> Int[Tensor, "B M"]:
        """The tokens in their new places, and `new` in new cells and in padding."""
        if not self.origin_BM.shape[1]:
            return self.origin_BM
        return tokens_BN.gather(1, self.origin_BM.clamp_min(0)).where(self.origin_BM >= 0, new)


def without(deleted_BN: Bool[Tensor, "B N"], count_B: Int[Tensor, " B"]) -> Origins:
    """The first `count_B` cells of each row, but those that are deleted.

    >>> without(torch.tensor([[False, True, False]]), torch.tensor([3])).origin_BM.tolist()
    [[0, 2]]
    """
    kept_BN = ~deleted_BN & _real(count_B, deleted_BN.shape[1])
    left_B = kept_BN.sum(1)
    place_BN = (~kept_BN).long().argsort(dim=1, stable=True)
    origin_BN = place_BN.where(_real(left_B, deleted_BN.shape[1]), -1)
    return Origins(origin_BN[:, : int(left_B.max())], left_B)


def widened(inserted_BN: Int[Tensor, "B N"], count_B: Int[Tensor, " B"]) -> Origins:
    """The first `count_B` cells of each row, and after each as many new ones as `inserted_BN` says.

    >>> widened(torch.tensor([[0, 2, 1]]), torch.tensor([3])).origin_BM.tolist()
    [[0, 1, -1, -1, 2, -1]]
    """
    B, N = inserted_BN.shape
    real_BN = _real(count_B, N)
    inserted_BN = inserted_BN.where(real_BN, 0)
    total_B = count_B + inserted_BN.sum(1)
    M = int(total_B.max())
    cell_BN = torch.arange(N, device=count_B.device).expand(B, -1)
    place_BN = (cell_BN + inserted_BN.cumsum(1) - inserted_BN).where(real_BN, M)
    origin_BM = torch.full((B, M + 1), -1, device=count_B.device)  # the last one is for padding
    return Origins(origin_BM.scatter(1, place_BN, cell_BN)[:, :M].contiguous(), total_B)


def _real(count_B: Tensor, cells: int) -> Bool[Tensor, "B N"]:
    return torch.arange(cells, device=count_B.device) < count_B[:, None]
