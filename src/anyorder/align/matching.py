"""The cheapest way to give each row of a table a column of its own.

    column_BN = bipartite(cost_BNM)                                   # N <= M: all rows have one
    column_BN = bipartite(cost_BNM, row_B=row_B, column_B=column_B)   # ragged tables

To match targets with the cells of a lattice, take what a cell costs more than a blank, rather than
fill the targets up with blanks: the matching is the same, and the search is shorter.
Source: shortest augmenting paths, Jonker & Volgenant 1987; rectangular as in Crouse 2016, "On
implementing 2D rectangular assignment algorithms". In numpy, O(N^2 M) a table.
Shapes: B tables, N rows, M columns.
"""

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor


def bipartite(
    cost_BNM: Float[Tensor, "B N M"],
    *,
    row_B: Int[Tensor, " B"] | None = None,
    column_B: Int[Tensor, " B"] | None = None,
) -> Int[Tensor, "B N"]:
    """The column of each row, such that sum_n cost[n, column_n] is least and no two are the same.

    `row_B`, `column_B`: how much of each table is real; left out, all of it. -1 for padding, and
    for rows that go away empty-handed because there are fewer columns. A cost of inf forbids a
    pair.
    Raises ValueError for a cost that is no number or -inf, and where what is forbidden leaves no
    matching.

    >>> bipartite(torch.tensor([[[1.0, 2.0, 9.0], [1.0, 9.0, 9.0]]])).tolist()
    [[1, 0]]
    """
    B, N, M = cost_BNM.shape
    cost = cost_BNM.detach().double().cpu().numpy()
    rows = [N] * B if row_B is None else row_B.tolist()
    columns = [M] * B if column_B is None else column_B.tolist()
    found = np.full((B, N), -1)
    for b, (n, m) in enumerate(zip(rows, columns, strict=True)):
        table_NM = cost[b, :n, :m]
        if not (table_NM > -np.inf).all():
            raise ValueError(f"table {b} has a cost that is no number or -inf")
        if n <= m:
            found[b, :n] = _matched(table_NM, b)
        else:
            found[b, _matched(table_NM.T, b)] = np.arange(m)
    return torch.from_numpy(found).to(cost_BNM.device)


def _matched(cost_NM: np.ndarray, b: int) -> np.ndarray:
    """The column of each row, where there are no more rows than columns."""
    N, M = cost_NM.shape
    column_of, row_of = np.full(N, -1), np.full(M, -1)
    dual_N, dual_M = np.zeros(N), np.zeros(M)
    for row in range(N):
        far_M, before_M, done_M = _shortest(cost_NM, row, row_of, dual_N, dual_M)
        at = done_M[-1]
        if not np.isfinite(far_M[at]):
            raise ValueError(f"table {b} has no matching: its rows share too few columns")
        # Reduced costs stay at or above 0, and at 0 along what is matched.
        met = done_M[:-1]
        dual_N[row] += far_M[at]
        dual_N[row_of[met]] += far_M[at] - far_M[met]
        dual_M[met] -= far_M[at] - far_M[met]
        while True:  # every row on the path takes the column that it was left for
            taker = before_M[at]
            row_of[at] = taker
            column_of[taker], at = at, column_of[taker]
            if taker == row:
                break
    return column_of


def _shortest(
    cost_NM: np.ndarray, row: int, row_of: np.ndarray, dual_N: np.ndarray, dual_M: np.ndarray
) -> tuple[np.ndarray, np.ndarray, list[int]]:
    """Dijkstra's search from `row` to the nearest column that is free.

    Gives how far each column is, the row before it, and the columns that were settled; the free
    one is the last of them.
    """
    M = cost_NM.shape[1]
    far_M, before_M = np.full(M, np.inf), np.full(M, -1)
    open_M = np.ones(M, dtype=bool)
    done: list[int] = []
    here, way = row, 0.0
    while True:
        reach_M = cost_NM[here] - dual_M + (way - dual_N[here])
        nearer_M = open_M & (reach_M < far_M)
        far_M[nearer_M], before_M[nearer_M] = reach_M[nearer_M], here
        at = int(np.where(open_M, far_M, np.inf).argmin())
        done.append(at)
        way = far_M[at]
        if row_of[at] < 0 or not np.isfinite(way):
            return far_M, before_M, done
        open_M[at] = False
        here = int(row_of[at])
