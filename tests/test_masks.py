"""Masks are sets of pairs, and their algebra is that of sets; a tree is who descends from whom."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from anyorder.masks import Mask, Tree, blocks, causal, prefix, window

atoms = (
    st.just(causal())
    | st.integers(0, 5).map(prefix)
    | st.integers(1, 5).map(window)
    | st.integers(1, 5).map(blocks)
)
masks = st.recursive(
    atoms,
    lambda inner: (
        st.builds(lambda a, b: a & b, inner, inner)
        | st.builds(lambda a, b: a | b, inner, inner)
        | inner.map(lambda a: ~a)
    ),
    max_leaves=4,
)


def pairs(mask: Mask, queries: int = 7, keys: int = 9, offset: int = 0) -> set[tuple[int, int]]:
    seen_QK = mask.render(queries, keys, offset=offset)
    assert seen_QK.shape == (queries, keys)
    return {(q + offset, k) for q, k in seen_QK.nonzero().tolist()}


ALL = {(q, k) for q in range(7) for k in range(9)}


@pytest.mark.parametrize(
    ("mask", "sees"),
    [
        (causal(), lambda q, k: k <= q),
        (prefix(3), lambda q, k: k < 3),
        (window(2), lambda q, k: k >= q - 1),
        (causal() & window(2), lambda q, k: k in (q, q - 1)),
        (causal() | prefix(4), lambda q, k: k <= q or k < 4),
        (blocks(3), lambda q, k: q // 3 == k // 3),
    ],
)
def test_each_sees_what_its_name_says(mask: Mask, sees) -> None:
    assert pairs(mask) == {(q, k) for q, k in ALL if sees(q, k)}


@given(a=masks, b=masks)
def test_and_or_not_are_those_of_sets(a: Mask, b: Mask) -> None:
    assert pairs(a & b) == pairs(a) & pairs(b)
    assert pairs(a | b) == pairs(a) | pairs(b)
    assert pairs(~a) == ALL - pairs(a)
    assert pairs(~(a | b)) == pairs(~a & ~b)


@given(a=masks, offset=st.integers(0, 5))
def test_a_later_query_sees_what_it_saw_in_the_whole(a: Mask, offset: int) -> None:
    later = pairs(a, queries=7 - offset, offset=offset)
    assert later == {(q, k) for q, k in pairs(a) if q >= offset}


@given(a=masks)
def test_flex_attention_gets_the_same_predicate(a: Mask) -> None:
    sees = a.flex()
    q_Q1, k_K = torch.arange(7)[:, None], torch.arange(9)
    zero = torch.tensor(0)
    assert torch.equal(sees(zero, zero, q_Q1, k_K).expand(7, 9), a.render(7, 9))


def test_an_empty_mask_is_no_error() -> None:
    assert causal().render(0, 3).shape == (0, 3)
    assert prefix(2).render(2, 0).shape == (2, 0)


@given(
    rows=st.integers(1, 12).flatmap(
        lambda T: st.lists(
            st.tuples(*(st.integers(-1, cell - 1) for cell in range(T))), min_size=1, max_size=3
        )
    )
)
def test_a_cell_sees_itself_and_its_ancestors(rows: list[tuple[int, ...]]) -> None:
    tree = Tree(torch.tensor(rows))
    for row, above in enumerate(rows):
        for cell in range(len(above)):
            line, at = [], cell
            while at >= 0:
                line.append(at)
                at = above[at]
            assert tree.sees_BTT[row, cell].nonzero()[:, 0].tolist() == sorted(line)
            assert int(tree.depth_BT[row, cell]) == len(line) - 1


@pytest.mark.parametrize("cells", [1, 2, 3, 16, 17, 64])
def test_a_chain_is_causal_however_long(cells: int) -> None:
    tree = Tree.chain(2, cells)
    assert tree.is_chain
    assert torch.equal(tree.sees_BTT[1], causal().render(cells, cells))
    assert tree.depth_BT[0].tolist() == list(range(cells))


def test_one_row_that_branches_makes_no_chain() -> None:
    assert not Tree(torch.tensor([[-1, 0, 1], [-1, 0, 0]])).is_chain
    assert not Tree(torch.tensor([[-1, 0, -2]])).is_chain


def test_a_block_sees_itself_and_what_it_hangs_below() -> None:
    """A chain of 2, then a block of 3; the second row has one cell less of both."""
    tree = Tree(torch.tensor([[-1, 0, 1, 2, 3], [-1, -2, 0, 2, -2]]), mutual=3)
    assert tree.sees_BTT.int().tolist() == [
        [[1, 0, 0, 0, 0], [1, 1, 0, 0, 0], *3 * [[1, 1, 1, 1, 1]]],
        [[1, 0, 0, 0, 0], [0, 1, 0, 0, 0], *2 * [[1, 0, 1, 1, 0]], [0, 0, 0, 0, 1]],
    ]
    assert tree.depth_BT.tolist() == [[0, 1, 2, 3, 4], [0, 0, 1, 2, 0]]


def test_a_padding_cell_sees_itself_alone() -> None:
    assert Tree(torch.tensor([[-1, -2]])).sees_BTT.int().tolist() == [[[1, 0], [0, 1]]]


def test_a_parent_comes_before_its_child() -> None:
    with pytest.raises(AssertionError, match="before its child"):
        Tree(torch.tensor([[-1, 1]]))
