"""Which cells are written when: orders of cell groups, as an algebra.

    order = left_to_right(8).then(...)       # groups of cells, written group by group
    order = in_blocks(12, 4)                 # four cells at a time
    order.reversed()

An order knows no model and no tokens. Shapes: N cells, G groups.
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Order:
    """Groups of cells; the cells of one group are written together."""

    groups: tuple[tuple[int, ...], ...]

    def __post_init__(self) -> None:
        cells = [cell for group in self.groups for cell in group]
        if len(cells) != len(set(cells)):
            raise ValueError("an order names each cell once; a cell stands in two groups")

    def __len__(self) -> int:
        return len(self.groups)

    def then(self, other: "Order") -> "Order":
        """This order first, the other after it."""
        return Order(self.groups + other.groups)

    def reversed(self) -> "Order":
        return Order(self.groups[::-1])

    def shifted(self, by: int) -> "Order":
        """The same order, `by` cells further right."""
        return Order(tuple(tuple(cell + by for cell in group) for group in self.groups))


def left_to_right(cells: int) -> Order:
    """One cell after the other.

    >>> left_to_right(3).groups
    ((0,), (1,), (2,))
    """
    return in_blocks(cells, 1)


def in_blocks(cells: int, width: int) -> Order:
    """Blocks of `width` cells from left to right; the last block may be shorter.

    >>> in_blocks(5, 2).groups
    ((0, 1), (2, 3), (4,))
    """
    if width < 1:
        raise ValueError(f"a block has at least one cell, not {width}")
    starts = range(0, cells, width)
    return Order(tuple(tuple(range(s, min(s + width, cells))) for s in starts))


def by_rank(ranks: Sequence[int]) -> Order:
    """Cells of equal rank together, lower ranks first.

    >>> by_rank([1, 0, 1]).groups
    ((1,), (0, 2))
    """
    return Order(
        tuple(
            tuple(cell for cell, r in enumerate(ranks) if r == rank) for rank in sorted(set(ranks))
        )
    )
