"""Which cells a call has, and which cells of the cache each of them sees, in logical order.

    table = table_of(cache, cells=4, tree=None, window=None, last=2047)

The logical order is that of the text: committed cells, then a cell's ancestors in the tree, then
itself. Attention sums in this order, so a drafted cell gets what it will get when committed.
Plain Python lists: a call has few cells, and an operation on an array costs as much as ten of them.
"""

from array import array
from dataclasses import dataclass

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
    mutual = 0 if tree is None else tree.mutual
    assert not mutual or window is None, "a window has one side"
    memory, words, slots = cache.memory_L2BHRD, array("q"), []
    row_bytes = memory.stride(2) * memory.element_size()
    batch = len(cache.lengths)
    parents = [None] * batch if tree is None else _rows(tree, batch)
    for row, (length, above) in enumerate(zip(cache.lengths, parents, strict=True)):
        if above is None:
            order, begins = in_order(length + cells), [0] * cells
            sees = range(length + 1, length + cells + 1)
            places = range(length, length + cells)
        else:
            order, sees, begins, places = _paths(length, above, mutual)
        slots.append(order)
        address = order.buffer_info()[0]
        each = zip(sees, begins, places, strict=True)
        for slot, (seen, begin, place) in enumerate(each, length):
            count = seen if window is None else min(seen, window)
            first = address + 4 * (begin + seen - count)
            words.extend((row * row_bytes, slot, min(place, last), first, count))
    return Table(words, tuple(slots))


_orders = [array("i", range(256))]  # all of them live on: a call may still read a short one


def in_order(cells: int) -> array:
    """At least `cells` slots in their own order: what a chain sees, and a whole row."""
    order = _orders[-1]  # once: another thread may add a shorter one
    if len(order) < cells:
        order = array("i", range(2 * cells))
        _orders.append(order)
    return order


def _rows(tree: Tree, batch: int) -> list[list[int]]:
    rows = tree.parents_BT.tolist()
    return rows if len(rows) == batch else rows * batch


def _paths(
    length: int, parents: list[int], mutual: int
) -> tuple[array, list[int], list[int], list[int]]:
    """For each cell of a tree the slots that it sees: all of them, how many, where they begin; and
    its place. The last `mutual` cells see one another, too, but for padding.
    """
    order, committed = array("i"), in_order(length)[:length]
    paths: list[list[int]] = []
    for cell, parent in enumerate(parents):
        paths.append([*(paths[parent] if parent >= 0 else ()), length + cell])
    places = [length + len(path) - 1 for path in paths]
    cells = range(len(parents) - mutual, len(parents))
    block = [length + cell for cell in cells if parents[cell] > -2]
    for slot in block:
        paths[slot - length] = sorted({*paths[slot - length], *block})
    sees, begins = [length + len(path) for path in paths], []
    for path in paths:
        begins.append(len(order))
        order.extend(committed)
        order.extend(path)
    return order, sees, begins, places
