"""Sources of different lengths as one block of cells, and a network that has read them.

    source_BS, source_B = padded([[4, 5, 6], [7]])

Shapes: B rows, S source cells.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import torch
from jaxtyping import Int
from torch import Tensor


def padded(rows: Sequence[Sequence[int]]) -> tuple[Int[Tensor, "B S"], Int[Tensor, " B"]]:
    """Rows filled up with zeros on the right, and how many cells of each are its own.

    Raises ValueError for no rows, or an empty one.

    >>> padded([[4, 5], [7]])[0].tolist()
    [[4, 5], [7, 0]]
    """
    if not rows or not all(rows):
        raise ValueError("there is nothing to read: a source is empty")
    width = max(map(len, rows))
    filled = [[*row, *[0] * (width - len(row))] for row in rows]
    return torch.tensor(filled), torch.tensor([len(row) for row in rows])


Net = TypeVar("Net")


@dataclass(frozen=True, eq=False)
class OfSources(Generic[Net]):
    """A network with the sources that it has read. What it can do with them its subclasses say."""

    net: Net
    source_BS: Int[Tensor, "B S"]
    source_B: Int[Tensor, " B"]

    @property
    def sources(self) -> list[list[int]]:
        """The tokens of each source, for another model that reads them, too."""
        rows = zip(self.source_BS.tolist(), self.source_B.tolist(), strict=True)
        return [row[:count] for row, count in rows]
