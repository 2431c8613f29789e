"""Which cells a call has, and which cells of the cache each of them sees, in logical order.

    table = table_of(cache, cells=4, tree=None, window=None, max_length=2048)

The logical order is that of the text: committed cells, then a cell's ancestors in the tree, then
itself. Attention sums in this order, so a drafted cell gets what it will get when committed.
Shapes: B rows, T new cells, W words of a cell, E cells of the cache in use.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

from anyorder.masks import Tree
from anyorder.nets.cache import KeyValues
from anyorder.nets.compiled.words import Cell


@dataclass(frozen=True)
class Table:
    """`words.Cell` for every new cell, and the slots to which they point."""

    words_BTW: Int[np.ndarray, "B T W"]
    slots: tuple[np.ndarray, ...]

    @property
    def place_N(self) -> Int[np.ndarray, " N"]:
        """Positions of the new cells."""
        return self.words_BTW[..., Cell.PLACE].reshape(-1)


def table_of(
    cache: KeyValues, cells: int, tree: Tree | None, window: int | None, max_length: int
) -> Table:
    """Positions beyond `max_length` stay at the last one; a `window` counts the cell itself."""
    length_B1 = np.array(cache.lengths, np.int64)[:, None]
    memory, batch = cache.memory_L2BHRD, len(cache.lengths)
    slot_BT = length_B1 + np.arange(cells)
    words_BTW = np.empty((batch, cells, Cell.WORDS), np.int64)
    row_bytes = memory.stride(2) * memory.element_size()
    words_BTW[..., Cell.ROW] = np.arange(0, batch * row_bytes, row_bytes)[:, None]
    words_BTW[..., Cell.SLOT] = slot_BT
    if tree is None:
        order = np.arange(int(slot_BT[:, -1].max()) + 1, dtype=np.int32)
        seen_BT, begin_BT, slots = slot_BT + 1, np.full_like(slot_BT, order.ctypes.data), (order,)
    else:
        seen_BT, begin_BT, slots = _ancestors(cache.lengths, tree)
    count_BT = seen_BT if window is None else np.minimum(seen_BT, window)
    words_BTW[..., Cell.PLACE] = np.minimum(seen_BT - 1, max_length - 1)
    words_BTW[..., Cell.SLOTS] = begin_BT + 4 * (seen_BT - count_BT)
    words_BTW[..., Cell.COUNT] = count_BT
    return Table(words_BTW, slots)


def _ancestors(
    lengths: list[int], tree: Tree
) -> tuple[np.ndarray, np.ndarray, tuple[np.ndarray, ...]]:
    """For each cell: how many cells it sees, the address of their slots; and the slots."""
    parents_BT = tree.parents_BT.expand(len(lengths), -1).tolist()
    seen_BT = np.empty((len(lengths), len(parents_BT[0])), np.int64)
    begin_BT, slots = np.empty_like(seen_BT), []
    for row, (length, parents) in enumerate(zip(lengths, parents_BT, strict=True)):
        paths: list[list[int]] = []
        for cell, parent in enumerate(parents):
            paths.append([*(paths[parent] if parent >= 0 else ()), length + cell])
        deepest = max(map(len, paths))
        slot_TE = np.empty((len(paths), length + deepest), np.int32)
        slot_TE[:, :length] = np.arange(length)
        for cell, path in enumerate(paths):
            slot_TE[cell, length : length + len(path)] = path
            seen_BT[row, cell] = length + len(path)
        begin_BT[row] = slot_TE.ctypes.data + slot_TE.strides[0] * np.arange(len(paths))
        slots.append(slot_TE)
    return seen_BT, begin_BT, tuple(slots)
