"""Edit distance: how to turn one row of tokens into another with the fewest edits.

    edits_B = distance(source_BN, source_B, target_BM, target_B)
    steps = script(source_BN, source_B, target_BM, target_B)      # which edits, and where
    steps.deleted(N), steps.inserted(N)                           # the same, cell by cell
    wrong_B = hamming(a_BN, b_BN, count_B)                        # cells that differ

Source: Levenshtein 1966; Wagner & Fischer 1974.
Shapes: B rows, N source cells, M target cells, S steps.
"""

from dataclasses import dataclass
from enum import IntEnum

import torch
from jaxtyping import Bool, Int
from torch import Tensor


class Edit(IntEnum):
    """What becomes of a token."""

    KEEP = 0
    SUBSTITUTE = 1
    DELETE = 2
    INSERT = 3


@dataclass(frozen=True)
class Script:
    """The edits of each row from left to right; the first `count_B` steps are real, others -1.

    `source_BS`: the source cell that is kept, replaced or deleted, or before which is inserted.
    `target_BS`: the target cell that is kept, put in place or inserted, or before which is deleted.
    """

    edit_BS: Int[Tensor, "B S"]
    source_BS: Int[Tensor, "B S"]
    target_BS: Int[Tensor, "B S"]
    count_B: Int[Tensor, " B"]

    def deleted(self, cells: int) -> Bool[Tensor, "B N"]:
        """Which of the source's `cells` are deleted.

        >>> cat, at = torch.tensor([[3, 1, 20]]), torch.tensor([[1, 20]])
        >>> script(cat, torch.tensor([3]), at, torch.tensor([2])).deleted(3).tolist()
        [[True, False, False]]
        """
        return self._counted(Edit.DELETE, cells)[:, :cells] > 0

    def inserted(self, cells: int) -> Int[Tensor, "B G"]:
        """How many tokens are inserted before each of the source's `cells`, and behind them all.

        >>> at, cats = torch.tensor([[1, 20]]), torch.tensor([[3, 1, 20, 19]])
        >>> script(at, torch.tensor([2]), cats, torch.tensor([4])).inserted(2).tolist()
        [[1, 0, 1]]
        """
        return self._counted(Edit.INSERT, cells)

    def _counted(self, kind: Edit, cells: int) -> Int[Tensor, "B G"]:
        """How many edits of this kind there are at each cell of the source, and behind them all."""
        found_BS = (self.edit_BS == kind).long()
        none_BG = found_BS.new_zeros(len(found_BS), cells + 1)
        return none_BG.scatter_add(1, self.source_BS.where(found_BS > 0, 0), found_BS)


def distance(
    source_BN: Int[Tensor, "B N"],
    source_B: Int[Tensor, " B"],
    target_BM: Int[Tensor, "B M"],
    target_B: Int[Tensor, " B"],
    *,
    substitutes: bool = True,
) -> Int[Tensor, " B"]:
    """The least number of tokens to delete, insert and substitute.

    `substitutes`: False leaves deletion and insertion alone (the longest common subsequence is
    kept, then, as in Gu et al. 2019, arXiv:1905.11006).
    Source: Wagner & Fischer 1974, section 3.

    >>> cat, coat = torch.tensor([[3, 1, 20]]), torch.tensor([[3, 15, 1, 20]])
    >>> distance(cat, torch.tensor([3]), coat, torch.tensor([4])).tolist()
    [1]
    """
    table_BNM = _table(source_BN, target_BM, substitutes)
    row_B = torch.arange(len(source_B), device=source_B.device)
    return table_BNM[row_B, source_B, target_B]


def script(
    source_BN: Int[Tensor, "B N"],
    source_B: Int[Tensor, " B"],
    target_BM: Int[Tensor, "B M"],
    target_B: Int[Tensor, " B"],
    *,
    substitutes: bool = True,
) -> Script:
    """A shortest series of edits. Among equals, read from the right, it keeps or substitutes
    rather than deletes, and deletes rather than inserts.

    Source: Wagner & Fischer 1974, section 4.

    >>> cat, coat = torch.tensor([[3, 1, 20]]), torch.tensor([[3, 15, 1, 20]])
    >>> steps = script(cat, torch.tensor([3]), coat, torch.tensor([4]))
    >>> [Edit(edit).name for edit in steps.edit_BS[0].tolist()]
    ['KEEP', 'INSERT', 'KEEP', 'KEEP']
    """
    table_BNM = _table(source_BN, target_BM, substitutes)
    row_B = torch.arange(len(source_B), device=source_B.device)
    i_B, j_B = source_B, target_B
    steps: list[Tensor] = []
    while bool(((i_B > 0) | (j_B > 0)).any()):  # ends: each step is one to the left at least
        left_B, up_B = (i_B - 1).clamp_min(0), (j_B - 1).clamp_min(0)
        here_B = table_BNM[row_B, i_B, j_B]
        both_B = (i_B > 0) & (j_B > 0)
        corner_B = table_BNM[row_B, left_B, up_B]
        same_B = both_B & (_at(source_BN, left_B) == _at(target_BM, up_B))
        swap_B = both_B & (corner_B + 1 == here_B) & substitutes
        drop_B = (i_B > 0) & (table_BNM[row_B, left_B, j_B] + 1 == here_B)
        edit_B = torch.full_like(i_B, Edit.INSERT)
        edit_B = edit_B.masked_fill(drop_B, Edit.DELETE).masked_fill(swap_B, Edit.SUBSTITUTE)
        edit_B = edit_B.masked_fill(same_B, Edit.KEEP).masked_fill((i_B + j_B) == 0, -1)
        i_B = i_B - ((edit_B >= 0) & (edit_B != Edit.INSERT)).long()
        j_B = j_B - ((edit_B >= 0) & (edit_B != Edit.DELETE)).long()
        steps.append(torch.stack([edit_B, i_B, j_B], -1))
    return _forwards(steps, source_B)


def hamming(
    a_BN: Int[Tensor, "B N"], b_BN: Int[Tensor, "B N"], count_B: Int[Tensor, " B"]
) -> Int[Tensor, " B"]:
    """How many of the first `count_B` cells differ.

    >>> hamming(torch.tensor([[1, 2, 3]]), torch.tensor([[1, 5, 6]]), torch.tensor([2])).tolist()
    [1]
    """
    real_BN = torch.arange(a_BN.shape[1], device=count_B.device) < count_B[:, None]
    return ((a_BN != b_BN) & real_BN).sum(-1)


def _table(source_BN: Tensor, target_BM: Tensor, substitutes: bool) -> Tensor:
    """The distance between all beginnings of the one and of the other, [B, N + 1, M + 1].

    Padding is compared also, and never looked at: a beginning depends on shorter ones alone.
    """
    (B, N), M = source_BN.shape, target_BM.shape[1]
    place_M = torch.arange(M + 1, device=source_BN.device)
    row_BM = place_M.expand(B, -1)
    rows = [row_BM]
    change = 1 if substitutes else 2  # as dear as to delete and insert
    for n in range(N):
        corner_BM = row_BM[:, :-1] + change * (source_BN[:, n, None] != target_BM)
        best_BM = torch.cat([row_BM[:, :1] + 1, corner_BM.minimum(row_BM[:, 1:] + 1)], 1)
        # min over k <= m of best_k + (m - k): all insertions of a row at once
        row_BM = (best_BM - place_M).cummin(1).values + place_M
        rows.append(row_BM)
    return torch.stack(rows, 1)


def _at(tokens_BN: Tensor, place_B: Tensor) -> Tensor:
    """One token a row; 0 where there are none at all."""
    if not tokens_BN.shape[1]:
        return torch.zeros_like(place_B)
    return tokens_BN.gather(1, place_B[:, None])[:, 0]


def _forwards(steps: list[Tensor], source_B: Tensor) -> Script:
    """Steps that were found from right to left, from left to right."""
    none_BS3 = torch.full((len(source_B), 0, 3), -1, device=source_B.device)
    steps_BS3 = torch.stack(steps, 1) if steps else none_BS3
    count_B = (steps_BS3[..., 0] >= 0).sum(1)
    place_S = torch.arange(steps_BS3.shape[1], device=source_B.device)
    back_BS = count_B[:, None] - 1 - place_S
    turned_BS3 = steps_BS3.gather(1, back_BS.clamp_min(0)[..., None].expand(-1, -1, 3))
    edit_BS, i_BS, j_BS = turned_BS3.where(back_BS[..., None] >= 0, -1).unbind(-1)
    return Script(edit_BS, i_BS, j_BS, count_B)
