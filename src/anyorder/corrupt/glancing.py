"""Glancing: while it trains, a parallel model is shown some of the cells that it got wrong.

    shown_BM = glanced(wrong_BM, ratio=0.5, open_BM=open_BM, rng=rng)

A row in which d cells were wrong is shown round(ratio d) of its cells, drawn from all of them.
Source: Qian et al. 2021 (arXiv:2008.07905), section 3.1, equations 6 and 7.
Shapes: B rows, M cells.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool
from torch import Generator, Tensor


@dataclass(frozen=True)
class Glancing:
    """How much is shown: the ratio falls evenly from `begin` to `end` as training goes on."""

    begin: float = 0.5
    end: float = 0.3

    def __post_init__(self) -> None:
        if not (0 <= self.begin <= 1 and 0 <= self.end <= 1):
            raise ValueError(f"a glancing ratio is from 0 to 1: {self}")

    def ratio(self, progress: float) -> float:
        """
        >>> Glancing(0.5, 0.25).ratio(1.0)
        0.25
        """
        return self.begin + (self.end - self.begin) * min(max(progress, 0.0), 1.0)


def glanced(
    wrong_BM: Bool[Tensor, "B M"], *, ratio: float, open_BM: Bool[Tensor, "B M"], rng: Generator
) -> Bool[Tensor, "B M"]:
    """Which cells are shown: `ratio` of the number of wrong ones, drawn evenly from `open_BM`."""
    count_B1 = ((wrong_BM & open_BM).sum(-1, keepdim=True) * ratio).round()
    lots_BM = torch.rand(open_BM.shape, generator=rng).masked_fill(~open_BM, 2.0)
    place_BM = lots_BM.argsort(-1).argsort(-1)  # each cell's place in the order of the lots
    return (place_BM < count_B1) & open_BM
