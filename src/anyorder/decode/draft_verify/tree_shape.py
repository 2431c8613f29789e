"""Static shapes of draft trees: which ranks of which cells are tried.

    shape = best_first(16, rank_odds=(0.5, 0.15, 0.08))
    shape.parents, shape.ranks
    shape = best_of_heads(16, ((0.5, 0.15), (0.4, 0.1)))       # ranks of each of two heads

Shapes: K drafted cells.
"""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache


@dataclass(frozen=True)
class TreeShape:
    """Cell k is the guess of rank `ranks[k]` after cell `parents[k]` (-1: the root).

    Cells are in order of depth.
    """

    parents: tuple[int, ...]
    ranks: tuple[int, ...]

    @property
    def depths(self) -> list[int]:
        """Distance of each cell from the root's children.

        >>> TreeShape((-1, 0, -1), (0, 0, 1)).depths
        [0, 1, 0]
        """
        depths: list[int] = []
        for parent in self.parents:
            depths.append(0 if parent < 0 else depths[parent] + 1)
        return depths


@lru_cache
def best_first(size: int, rank_odds: tuple[float, ...]) -> TreeShape:
    """The `size` cells most likely to be right, if rank r is right with odds `rank_odds[r]`.

    With these odds alike everywhere, no tree of the same size has a longer expected path.

    >>> best_first(3, (0.6, 0.3)).parents
    (-1, -1, 0)
    """
    heap: list[tuple[float, tuple[int, ...]]] = [
        (-rank_odds[0], (0,))
    ]  # (minus the odds of the whole path, the path's ranks)
    paths: list[tuple[int, ...]] = []
    while len(paths) < size:
        minus, path = heapq.heappop(heap)
        paths.append(path)
        heapq.heappush(heap, (minus * rank_odds[0], (*path, 0)))
        rank = path[-1]
        if rank + 1 < len(rank_odds):
            sibling = minus / rank_odds[rank] * rank_odds[rank + 1]
            heapq.heappush(heap, (sibling, (*path[:-1], rank + 1)))
    return _shaped(paths)


def best_of_heads(size: int, odds: Sequence[Sequence[float]]) -> TreeShape:
    """The `size` cells most likely to be right, or all that there are, if rank r of a cell of depth
    d is right with odds `odds[d][r]`, whatever stands above it; odds of a depth fall.

    >>> best_of_heads(3, ((0.6, 0.3), (0.4,))).parents
    (-1, -1, 0)
    """
    heap: list[tuple[float, tuple[int, ...], float]] = []  # minus a path's odds, it, those above it

    def may_come(path: tuple[int, ...], above: float) -> None:
        depth, rank = len(path) - 1, path[-1]
        if depth < len(odds) and rank < len(odds[depth]):
            heapq.heappush(heap, (-above * odds[depth][rank], path, above))

    may_come((0,), 1.0)
    paths: list[tuple[int, ...]] = []
    while heap and len(paths) < size:
        minus, path, above = heapq.heappop(heap)
        paths.append(path)
        may_come((*path, 0), -minus)
        may_come((*path[:-1], path[-1] + 1), above)
    return _shaped(paths)


def _shaped(paths: list[tuple[int, ...]]) -> TreeShape:
    """The shape in which every cell is at the end of one of these paths of ranks."""
    ordered = sorted(paths, key=len)  # of one length, the likelier first
    at = {path: k for k, path in enumerate(ordered)}
    parents = tuple(at.get(path[:-1], -1) for path in ordered)
    return TreeShape(parents, tuple(path[-1] for path in ordered))
