"""Any-subset likelihood: some cells of a text are given, the others are told in order.

    loss = GivenSubset()(model, batch, progress=0.0, rng=rng)

    - sum over hidden cells n of  log p(x_n | all given cells, the hidden ones before n)

A share of a text's cells is hidden that is drawn from 0 to 1; which ones, too. Given cells come
first, wherever they stand, and see one another; hidden ones follow from left to right: of all
orders, one for each subset that may be given. So all that a text asks of the model is learnt, and
nothing twice in two orders. Of the hidden cells a part `ahead` is told fewer of those before it:
this is what the model's own drafts ask, and no other cell of a text.
Source: Guo and Ermon 2025 (arXiv:2504.20456), section 5; the orders are those of Shih et al. 2022
(arXiv:2205.13554). That drafts learn beside it is ours.
Shapes: B rows, N cells, Q hidden cells, X hidden cells of all rows.
"""

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Int
from torch import Generator, Tensor

from anyorder.models.any_subset import AnySubsetTransformer
from anyorder.objectives.batch import Batch, Loss


@dataclass(frozen=True)
class Questions:
    """Texts between what begins and what ends them, and what is asked about them."""

    tokens_BN: Int[Tensor, "B N"]
    rank_BN: Int[Tensor, "B N"]
    cells_BQ: Int[Tensor, "B Q"]
    seen_BQ: Int[Tensor, "B Q"]
    inside_BQ: Bool[Tensor, "B Q"]  # the others are padding


@dataclass(frozen=True)
class GivenSubset:
    """The texts are the targets of a batch; sources are not read.

    `ahead`: see the module. Raises ValueError for what is no share.
    """

    ahead: float = 0.5

    def __post_init__(self) -> None:
        if not 0 <= self.ahead <= 1:
            raise ValueError(f"a share of cells is from 0 to 1, not {self.ahead}")

    @property
    def plain(self) -> "GivenSubset":
        """The likelihood alone."""
        return replace(self, ahead=0.0)

    def __call__(
        self, model: AnySubsetTransformer, batch: Batch, *, progress: float, rng: Generator
    ) -> Loss:
        framed_BN, count_B = framed(batch.target_BN, batch.target_B, model.bos, model.eos)
        asked = self.asked(framed_BN, count_B, rng)
        logits_XV = model.among_flat(
            asked.tokens_BN, asked.rank_BN, asked.cells_BQ, asked.seen_BQ, asked.inside_BQ
        )
        right_X = asked.tokens_BN.gather(1, asked.cells_BQ)[asked.inside_BQ]
        return Loss(F.cross_entropy(logits_XV, right_X, reduction="sum"), len(right_X))

    def asked(
        self, tokens_BN: Int[Tensor, "B N"], count_B: Int[Tensor, " B"], rng: Generator
    ) -> Questions:
        """Hide some cells of texts that are framed."""
        hidden_BN = drawn(count_B, tokens_BN.shape[1], rng)
        rank_BN = ranks(hidden_BN, count_B)
        many_B = hidden_BN.sum(-1)
        cells_BQ = (~hidden_BN).long().argsort(dim=-1, stable=True)[:, : int(many_B.max())]
        inside_BQ = torch.arange(cells_BQ.shape[1]) < many_B[:, None]
        own_BQ = rank_BN.gather(1, cells_BQ)
        early_BQ = torch.rand(cells_BQ.shape, generator=rng) < self.ahead
        fewer_BQ = 1 + (own_BQ * torch.rand(cells_BQ.shape, generator=rng)).long()
        seen_BQ = torch.where(early_BQ, fewer_BQ.minimum(own_BQ), own_BQ)
        return Questions(tokens_BN, rank_BN, cells_BQ, seen_BQ, inside_BQ)


def framed(
    tokens_BN: Int[Tensor, "B N"], count_B: Int[Tensor, " B"], bos: int, eos: int
) -> tuple[Int[Tensor, "B M"], Int[Tensor, " B"]]:
    """Texts with what begins and what ends them, and how many cells they have now.

    >>> framed(torch.tensor([[7, 8], [9, 0]]), torch.tensor([2, 1]), 1, 2)[0].tolist()
    [[1, 7, 8, 2], [1, 9, 2, 0]]
    """
    within_BM = F.pad(tokens_BN, (1, 1))
    within_BM[:, 0] = bos
    return within_BM.scatter(1, count_B[:, None] + 1, eos), count_B + 2


def drawn(count_B: Int[Tensor, " B"], cells: int, rng: Generator) -> Bool[Tensor, "B cells"]:
    """Hidden cells of texts of these lengths, never the first: one at the least, and so many as a
    share says that is drawn for each row.
    """
    free_BN = (torch.arange(cells) > 0) & (torch.arange(cells) < count_B[:, None])
    share_B = torch.rand(len(count_B), generator=rng)
    many_B = 1 + (share_B * (count_B - 1)).long().minimum(count_B - 2)
    lots_BN = torch.rand(free_BN.shape, generator=rng).masked_fill(~free_BN, 2.0)
    return lots_BN.argsort(-1).argsort(-1) < many_B[:, None]


def ranks(hidden_BN: Bool[Tensor, "B N"], count_B: Int[Tensor, " B"]) -> Int[Tensor, "B N"]:
    """When each cell is written: those that are given at once, hidden ones after that from left to
    right, and padding never.

    >>> ranks(torch.tensor([[False, True, False, True, False]]), torch.tensor([4])).tolist()
    [[0, 1, 0, 2, 5]]
    """
    N = hidden_BN.shape[1]
    rank_BN = hidden_BN.cumsum(-1).masked_fill(~hidden_BN, 0)
    return rank_BN.masked_fill(torch.arange(N) >= count_B[:, None], N)
