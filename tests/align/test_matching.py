"""Matchings against all permutations."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from anyorder.align.matching import bipartite
from tests.align.oracles import cheapest


@given(
    seed=st.integers(0, 10_000),
    sizes=st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=3),
    ties=st.booleans(),
)
def test_it_is_the_cheapest_of_all(seed: int, sizes: list[tuple[int, int]], ties: bool) -> None:
    coins = torch.Generator().manual_seed(seed)
    shape = (len(sizes), max(n for n, _ in sizes), max(m for _, m in sizes))
    cost_BNM = torch.randn(shape, generator=coins, dtype=torch.double) * 3
    cost_BNM = cost_BNM.round() if ties else cost_BNM
    row_B, column_B = torch.tensor(sizes).unbind(1)
    column_BN = bipartite(cost_BNM, row_B=row_B, column_B=column_B)
    for b, (n, m) in enumerate(sizes):
        pairs = [(row, at) for row, at in enumerate(column_BN[b].tolist()) if at >= 0]
        assert len(pairs) == len({at for _, at in pairs}) == min(n, m)
        assert all(row < n and at < m for row, at in pairs)
        cost = cost_BNM[b, :n, :m].tolist()
        total = sum(cost[row][at] for row, at in pairs)
        assert total == pytest.approx(cheapest(cost) if min(n, m) else 0.0)


@pytest.mark.parametrize("size", [20, 60])
def test_a_hidden_matching_is_found(size: int) -> None:
    """Its duals are known: no other can be cheaper."""
    coins = torch.Generator().manual_seed(size)
    hidden_N = torch.randperm(size, generator=coins)
    slack_NM = torch.rand(size, size, generator=coins) + 0.1
    slack_NM[torch.arange(size), hidden_N] = 0.0
    cost_NM = slack_NM + torch.randn(size, 1, generator=coins) + torch.randn(size, generator=coins)
    assert bipartite(cost_NM[None])[0].tolist() == hidden_N.tolist()


def test_filling_up_with_blanks_changes_nothing() -> None:
    """What the module says of targets and cells."""
    coins = torch.Generator().manual_seed(0)
    cell_cost_NM, blank_M = torch.randn(3, 7, generator=coins), torch.randn(7, generator=coins)
    filled_MM = torch.cat([cell_cost_NM, blank_M.expand(4, -1)])
    short_N = bipartite((cell_cost_NM - blank_M)[None])[0]
    assert short_N.tolist() == bipartite(filled_MM[None])[0, :3].tolist()


def test_forbidden_pairs() -> None:
    inf = math.inf
    assert bipartite(torch.tensor([[[inf, 5.0], [1.0, 0.0]]])).tolist() == [[1, 0]]
    with pytest.raises(ValueError, match="no matching"):
        bipartite(torch.tensor([[[inf, 5.0], [inf, 0.0]]]))
    for wrong in (math.nan, -inf):
        with pytest.raises(ValueError, match="no number"):
            bipartite(torch.tensor([[[wrong]]]))
