"""Masked language modelling: some tokens of a text are hidden, and told from all the others.

    loss = MaskedTexts(share=0.15)(model, batch, progress=0.0, rng=rng)

    -sum over hidden cells n of  log p(x_n | the text with its holes)

Of the cells that are chosen most become holes; a few get a chance token, and a few stay, so that
the states of known tokens learn, too.
Source: Devlin et al. 2019 (arXiv:1810.04805), section 3.1.
Shapes: B rows, N cells, X chosen cells of all rows.
"""

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Int
from torch import Generator, Tensor

from anyorder.models.masked_lm import MaskedLM
from anyorder.objectives.batch import Batch, Loss


@dataclass(frozen=True)
class MaskedTexts:
    """Texts are the sources and the targets of a batch, each by itself: pairs are not used.

    `share`: of a text's cells, one at the least, as are chosen; `random` and `kept`: of these, as
    get a chance token, or stay. Raises ValueError for shares that can't be.
    """

    share: float = 0.15
    random: float = 0.1
    kept: float = 0.1

    one_vocabulary: ClassVar[bool] = True  # of both sides: they are read alike

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1 or min(self.random, self.kept) < 0:
            raise ValueError(f"shares are from 0 to 1, and something is hidden: {self}")
        if self.random + self.kept > 1:
            raise ValueError(f"more cells than there are get a chance token or stay: {self}")

    @property
    def plain(self) -> "MaskedTexts":
        """All cells that are chosen are holes."""
        return replace(self, random=0.0, kept=0.0)

    def __call__(self, model: MaskedLM, batch: Batch, *, progress: float, rng: Generator) -> Loss:
        total, units = torch.zeros(()), 0
        sides = ((batch.source_BS, batch.source_B), (batch.target_BN, batch.target_B))
        for tokens_BN, count_B in sides:
            chosen_BN = chosen(count_B, tokens_BN.shape[1], share=self.share, rng=rng)
            lots_BN = torch.rand(tokens_BN.shape, generator=rng)
            chance_BN = torch.randint(model.sizes.source_vocab, tokens_BN.shape, generator=rng)
            random_BN = chosen_BN & (lots_BN < self.random)
            holes_BN = chosen_BN & (lots_BN >= self.random + self.kept)
            read_BN = torch.where(random_BN, chance_BN, tokens_BN)
            logp_XV = model.logps(model.states(read_BN, count_B, holes_BN)[chosen_BN])
            total = total + F.nll_loss(logp_XV, tokens_BN[chosen_BN], reduction="sum")
            units += len(logp_XV)
        return Loss(total, units)


def chosen(
    count_B: Int[Tensor, " B"], cells: int, *, share: float, rng: Generator
) -> Bool[Tensor, "B cells"]:
    """A `share` of the first `count_B` cells of each row, rounded, and one at the least; evenly."""
    real_BN = torch.arange(cells) < count_B[:, None]
    many_B = (count_B * share).round().clamp_min(1).minimum(count_B)
    lots_BN = torch.rand(real_BN.shape, generator=rng).masked_fill(~real_BN, 2.0)
    return lots_BN.argsort(-1).argsort(-1) < many_B[:, None]
