"""An order names every cell once; reversing and shifting change nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anyorder.orders import Order, by_rank, in_blocks, left_to_right


def cells(order: Order) -> list[int]:
    return [cell for group in order.groups for cell in group]


@given(count=st.integers(0, 20), width=st.integers(1, 7))
def test_blocks_cover_all_cells_in_order(count: int, width: int) -> None:
    order = in_blocks(count, width)
    assert cells(order) == list(range(count))
    assert len(order) == -(-count // width)
    assert all(len(group) == width for group in order.groups[:-1])


@given(ranks=st.lists(st.integers(-3, 3), max_size=12))
def test_ranks_give_the_groups(ranks: list[int]) -> None:
    order = by_rank(ranks)
    assert sorted(cells(order)) == list(range(len(ranks)))
    assert [sorted({ranks[cell] for cell in group}) for group in order.groups] == [
        [rank] for rank in sorted(set(ranks))
    ]


@given(ranks=st.lists(st.integers(0, 4), max_size=10), by=st.integers(0, 9))
def test_the_algebra(ranks: list[int], by: int) -> None:
    order = by_rank(ranks)
    assert order.reversed().reversed() == order
    assert order.shifted(by).shifted(-by) == order
    assert cells(order.shifted(by)) == [cell + by for cell in cells(order)]
    beyond = order.shifted(100)
    assert order.then(beyond).reversed() == beyond.reversed().then(order.reversed())
    assert order.then(Order(())) == order == Order(()).then(order)


def test_a_cell_stands_in_one_group() -> None:
    with pytest.raises(ValueError, match="each cell once"):
        left_to_right(2).then(in_blocks(3, 2))
    with pytest.raises(ValueError, match="at least one cell, not 0"):
        in_blocks(3, 0)
