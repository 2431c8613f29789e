"""Damage to a draft, so that a model learns to mend more mistakes than it makes itself.

    noisy_BM = DraftNoise(most=0.2)(draft_BM, count_B, nothing=3, vocab=43, rng=rng)

Of a row a share is damaged that is drawn from 0 to `most`. Of these cells `emptied` hold `nothing`,
`chance` a token that is drawn from the vocabulary, and the others a token of the same row.
Source: the code of Wu et al. 2023 (arXiv:2305.13140), XLMR4MT, which draws one share for a batch.
Shapes: B rows, M cells.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Generator, Tensor


@dataclass(frozen=True)
class DraftNoise:
    """How much is damaged, and to what. Raises ValueError for shares that can't be."""

    most: float = 0.2
    emptied: float = 0.4
    chance: float = 0.3

    def __post_init__(self) -> None:
        if not 0 <= self.most <= 1 or min(self.emptied, self.chance) < 0:
            raise ValueError(f"shares are from 0 to 1: {self}")
        if self.emptied + self.chance > 1:
            raise ValueError(f"more cells than there are are emptied or drawn: {self}")

    def __call__(
        self,
        draft_BM: Int[Tensor, "B M"],
        count_B: Int[Tensor, " B"],
        *,
        nothing: int,
        vocab: int,
        rng: Generator,
    ) -> Int[Tensor, "B M"]:
        """The first `count_B` cells of each row, some of them with another token."""
        shape, (B, _) = draft_BM.shape, draft_BM.shape
        damaged_BM = torch.rand(shape, generator=rng) < self.most * torch.rand(B, 1, generator=rng)
        lots_BM = torch.rand(shape, generator=rng)
        other_BM = (torch.rand(shape, generator=rng) * count_B[:, None]).long()
        drawn_BM = torch.randint(vocab, shape, generator=rng)
        noisy_BM = draft_BM.gather(1, other_BM)  # of the same row
        noisy_BM = noisy_BM.where(lots_BM >= self.emptied + self.chance, drawn_BM)
        noisy_BM = noisy_BM.masked_fill(lots_BM < self.emptied, nothing)
        return noisy_BM.where(damaged_BM, draft_BM)
