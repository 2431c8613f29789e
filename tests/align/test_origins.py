"""Where cells come from, against lists that are cut and widened."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from anyorder.align.origins import Origins, widened, without

cells = st.lists(st.tuples(st.integers(1, 9), st.integers(0, 3)), max_size=6)
rows = st.lists(cells, min_size=1, max_size=4)
Blocks = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


def blocks(rows: list[list[tuple[int, int]]]) -> Blocks:
    """Tokens, a number beside each, and how many are real; padding looks like text."""
    N = max(map(len, rows))
    filled = torch.tensor([[*row, *[(7, 1)] * (N - len(row))] for row in rows], dtype=torch.long)
    count_B = torch.tensor([len(row) for row in rows])
    return *filled.view(len(rows), N, 2).unbind(-1), count_B


def texts(origins: Origins, tokens_BN: torch.Tensor) -> list[list[int]]:
    taken = origins.taken(tokens_BN, new=0).tolist()
    assert all(not any(row[n:]) for row, n in zip(taken, origins.count_B, strict=True))
    assert max(origins.count_B.tolist()) == origins.origin_BM.shape[1]
    return [row[:n] for row, n in zip(taken, origins.count_B.tolist(), strict=True)]


@given(rows=rows)
def test_cells_that_are_deleted_are_gone(rows: list) -> None:
    tokens_BN, number_BN, count_B = blocks(rows)
    origins = without(number_BN > 0, count_B)
    assert texts(origins, tokens_BN) == [[token for token, n in row if not n] for row in rows]


@given(rows=rows)
def test_cells_that_are_inserted_stand_behind_their_cell(rows: list) -> None:
    tokens_BN, number_BN, count_B = blocks(rows)
    wanted = [[each for token, n in row for each in (token, *[0] * n)] for row in rows]
    assert texts(widened(number_BN, count_B), tokens_BN) == wanted
