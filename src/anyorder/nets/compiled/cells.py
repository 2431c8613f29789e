"""Which cells a call has, and which cells of the cache each of them sees, in logical order.

    table = table_of(cache, cells=4, tree=None, window=None, last=2047)

The logical order is that of the text: committed cells, then a cell's ancestors in the tree, then
itself. Attention sums in this order, so a drafted cell gets what it will get when committed.
Plain Python lists: a call has few cells, and an operation on an array costs as much as ten of them.
"""

from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import repeat

from anyorder.masks import Tree
from anyorder.nets.cache import KeyValues
from anyorder.nets.compiled.words import Cell


@dataclass(frozen=True)
class Table:
    """`words.Cell` for every new cell, row after row, and the slots to which they point."""

    words: array
    slots: tuple[array, ...]

    @property
    def places(self) -> list[int]:
        """The positions of the new cells."""
        return self.words[Cell.PLACE :: Cell.WORDS].tolist()


def table_of(
    cache: KeyValues, cells: int, tree: Tree | None, window: int | None, last: int
) -> Table:
    """Positions beyond `last` stay there; a `window` counts the cell itself."""
    memory, words, slots = cache.memory_L2BHRD, array("q"), []
    row_bytes = memory.stride(2) * memory.element_size()
    parents = repeat(None) if tree is None else _rows(tree, len(cache.lengths))
    for row, (length, above) in enumerate(zip(cache.lengths, parents, strict=False)):
        if above is None:
            order, begins = _first(length + cells), repeat(0)
            sees = range(length + 1, length + cells + 1)
        else:
            order, sees, begins = _paths(length, above)
        slots.append(order)
        address = order.buffer_info()[0]
        for slot, (seen, begin) in enumerate(zip(sees, begins, strict=False), length):
            count = seen if window is None else min(seen, window)
            first = address + 4 * (begin + seen - count)
            words.extend((row * row_bytes, slot, min(seen - 1, last), first, count))
    return Table(words, tuple(slots))


_ORDER = array("i", range(256))


def _first(cells: int) -> array:
    """At least `cells` slots in their own order: what a chain sees."""
    global _ORDER
    if len(_ORDER) < cells:
        _ORDER = array("i", range(2 * cells))  # the old one lives on where it is pointed to
    return _ORDER


def _rows(tree: Tree, batch: int) -> Iterator[list[int]]:
    rows = tree.parents_BT.tolist()
    return iter(rows if len(rows) == batch else rows * batch)


def _paths(length: int, parents: list[int]) -> tuple[array, list[int], list[int]]:
    """For each cell of a tree the slots that it sees: all of them, how many, where they begin."""
    order, committed = array("i"), _first(length)[:length]
    paths, sees, begins = [], [], []
    for cell, parent in enumerate(parents):
        path = [*(paths[parent] if parent >= 0 else ()), length + cell]
        begins.append(len(order))
        sees.append(length + len(path))
        paths.append(path)
        order.extend(committed)
        order.extend(path)
    return order, sees, begins
