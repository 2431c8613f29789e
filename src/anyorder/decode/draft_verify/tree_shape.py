"""Static shapes of draft trees: which ranks of which cells are tried.

    shape = best_first(16, rank_odds=(0.5, 0.15, 0.08))
    shape.parents, shape.ranks

Shapes: K drafted cells.
"""

import heapq
from dataclasses import dataclass
from functools import lru_cache


@dataclass(frozen=True)
class TreeShape:
    """Cell k is the guess of rank `ranks[k]` after cell `parents[k]` (-1: the root).

    Cells are in order of depth.
    """

    parents: tuple[int, ...]
    ranks: tuple[int, ...]


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
    ordered = sorted(paths, key=lambda path: (len(path), paths.index(path)))
    at = {path: k for k, path in enumerate(ordered)}
    parents = tuple(at.get(path[:-1], -1) for path in ordered)
    return TreeShape(parents, tuple(path[-1] for path in ordered))
