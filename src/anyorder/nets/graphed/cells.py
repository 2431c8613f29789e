"""Which cells a call has, one after the other through the rows, and what each of them sees.

    cells = cells_of(cache.length_B, tokens_BT, tree, shape)
    cells.numbers_FN[Field.PLACE], cells.under_NA

A cell sees the committed cells of its row, then its ancestors among the new ones, then itself: in
this order, that of the text, whatever place of the memory they stand in. Attention sums in this
order, so that a drafted cell gets what it will get when it is committed.
Shapes: B rows, T new cells of a row, N cells, A ancestors at the most, F fields.
"""

from dataclasses import dataclass
from enum import IntEnum

import torch
from jaxtyping import Int
from torch import Tensor

from anyorder.masks import Tree
from anyorder.nets.transformer import Shape


class Field(IntEnum):
    """What is known of a cell: its token and position; its row, and its place in the memory of the
    row; how many cells are committed there; the first that it sees, and the end of those.
    """

    TOKEN = 0
    PLACE = 1
    ROW = 2
    AT = 3
    LENGTH = 4
    BEGIN = 5
    END = 6


@dataclass(frozen=True)
class Cells:
    """`under_NA`: the new cells that each cell sees, first to last, as they stand in its row; None:
    all before it, and itself.
    """

    numbers_FN: Int[Tensor, "F N"]
    under_NA: Int[Tensor, "N A"] | None

    def __len__(self) -> int:
        return self.numbers_FN.shape[1]

    def part(self, begin: int, end: int) -> "Cells":
        """Some of them: a cell sees none that comes after it, so that the rest can follow."""
        under_NA = None if self.under_NA is None else self.under_NA[begin:end]
        return Cells(self.numbers_FN[:, begin:end], under_NA)


def cells_of(
    length_B: Int[Tensor, " B"], tokens_BT: Int[Tensor, "B T"], tree: Tree | None, shape: Shape
) -> Cells:
    """All cells of a call."""
    B, T = tokens_BT.shape
    at_BT, row_BT = torch.arange(T).expand(B, T), torch.arange(B)[:, None].expand(B, T)
    depth_BT, under_NA = at_BT, None
    if tree is not None:
        depth_BT = tree.depth_BT.expand(B, T)
        most = int(depth_BT.max()) + 1
        order_BTT = (~tree.sees_BTT).to(torch.uint8).argsort(dim=-1, stable=True)
        under_NA = order_BTT[..., :most].expand(B, T, most).flatten(0, 1)
    length_BT = length_B[:, None].expand(B, T)
    logical_BT = length_BT + depth_BT
    begin_BT = torch.zeros_like(logical_BT)
    if shape.window is not None:
        begin_BT = (logical_BT + 1 - shape.window).clamp_min(0)
    fields = (
        tokens_BT,
        logical_BT.clamp_max(shape.max_length - 1),
        row_BT,
        length_BT + at_BT,
        length_BT,
        begin_BT,
        logical_BT + 1,
    )
    return Cells(torch.stack(fields).flatten(1), under_NA)
