"""Trees of what heads guess: the likeliest of all trees, and what they save."""

from dataclasses import dataclass
from itertools import combinations, product
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from anyorder.canvas import Canvas
from anyorder.decode.catalogue import parse
from anyorder.decode.draft_verify.draft import Draft
from anyorder.decode.draft_verify.from_heads.blockwise import Blockwise
from anyorder.decode.draft_verify.from_heads.head_tree import HeadTree, Ranked
from anyorder.decode.draft_verify.tree_shape import TreeShape, best_first, best_of_heads
from anyorder.decode.sampling import Coins, Sampler, Sampling
from anyorder.models.tables.language_model import TableLM
from tests.decode.test_blockwise import chain, ran
from tests.laws.cases import Row

LM = TableLM.random(seed=3, vocab_size=7, order=1)
SAMPLER = Sampler(Sampling(), Coins.of_seeds([0], cells=30))


def paths(shape: TreeShape) -> list[tuple[int, ...]]:
    """The ranks on the way to each cell."""
    found: list[tuple[int, ...]] = []
    for parent, rank in zip(shape.parents, shape.ranks, strict=True):
        found.append((*(found[parent] if parent >= 0 else ()), rank))
    return found


def odds_of(path: tuple[int, ...], odds: list[list[float]]) -> float:
    share = 1.0
    for depth, rank in enumerate(path):
        share *= odds[depth][rank]
    return share


falling = st.lists(st.floats(0.01, 0.9), min_size=1, max_size=3).map(
    lambda x: sorted(x, reverse=True)
)


@given(odds=st.lists(falling, min_size=1, max_size=2), size=st.integers(1, 4))
def test_no_tree_of_the_heads_is_likelier(odds: list[list[float]], size: int) -> None:
    """Of all sets of paths that hold what stands above each of them."""
    shape = best_of_heads(size, odds)
    ours = paths(shape)
    every = [
        path for d in range(len(odds)) for path in product(*(range(len(o)) for o in odds[: d + 1]))
    ]
    trees = [
        tree
        for tree in combinations(every, min(size, len(every)))
        if all(path[:-1] in ((), *tree) for path in tree)
    ]
    best = max(sum(odds_of(path, odds) for path in tree) for tree in trees)
    assert sum(odds_of(path, odds) for path in ours) == pytest.approx(best)
    assert len(set(ours)) == len(ours) == min(size, len(every))
    assert shape.depths == [len(path) - 1 for path in ours] == sorted(shape.depths)


def test_deep_enough_it_is_the_tree_without_an_end() -> None:
    rank_odds = (0.5, 0.2, 0.1)
    assert best_of_heads(12, (rank_odds,) * 12) == best_first(12, rank_odds)


@dataclass(frozen=True, eq=False)
class Seconds(TableLM):
    """Its heads hold the right token for the second likeliest."""

    @property
    def heads(self) -> int:
        return 2

    def ahead(self, features_BC: Tensor, heads: int | None = None) -> Tensor:
        rows = []
        for context in features_BC[:, 0].long().tolist():
            right = chain(self, context, 3)[2:]
            said = torch.zeros(2, self.vocab_size).double()
            for h, token in enumerate(right):
                said[h, token], said[h, (token + 1) % self.vocab_size] = 3.0, 4.0
            rows.append(said)
        return torch.stack(rows)[:, :heads]


def test_what_is_second_is_tried_too() -> None:
    model, row = Seconds(LM.logits_HV), Row(prompt=(2,), new=9)
    (wanted,), slow = ran(Blockwise(), model, row)
    (text,), calls = ran(HeadTree(size=6), model, row)
    assert text == wanted == chain(LM, 2, 9)[-len(text) :]
    assert len(slow) == 9  # every guess is wrong
    assert [len(call[0]) for call in calls] == [1, 7, 7, 7]  # 1 + 3 + 3 tokens, and the last 2


def drafts(decoder: HeadTree, odds_BHR: Tensor, new: list[int]) -> Draft | None:
    """Of rows whose heads say the ranks as tokens, ten more for each depth."""
    B, H, R = odds_BHR.shape
    tokens_BHR = (torch.arange(R) + 10 * torch.arange(H)[:, None]).expand(B, H, R)
    model: Any = LM
    memory = Ranked(model, tokens_BHR, odds_BHR, torch.ones(B, dtype=torch.bool))
    return decoder.draft(memory, Canvas.of_prompts([[1]] * B, new_cells=new), SAMPLER)


def test_each_row_has_a_tree_of_its_own() -> None:
    sure, unsure = [[0.9, 0.05], [0.8, 0.1]], [[0.4, 0.35], [0.5, 0.1]]
    draft = drafts(HeadTree(size=3), torch.tensor([sure, unsure, sure, sure]), [9, 9, 2, 1])
    assert draft is not None
    assert draft.tokens_BK.tolist() == [[0, 10, 11], [0, 1, 10], [0, 1, 0], [0, 0, 0]]
    assert draft.parents_BK.tolist() == [[-1, 0, 0], [-1, -1, 0], [-1, -1, -2], [-2, -2, -2]]
    one = drafts(HeadTree(size=3, rank_odds=(0.6, 0.1)), torch.tensor([unsure]), [9])
    assert one is not None
    assert one.tokens_BK.tolist() == [[0, 1, 10]]  # 0.6, 0.1, and 0.36 below the first
    assert drafts(HeadTree(), torch.tensor([sure]), [1]) is None


def test_a_tree_of_one_cell_a_head_is_the_block() -> None:
    rows = [Row(prompt=(n, 2), new=8) for n in range(5)]
    for width in (1, 2, 3):
        tree = HeadTree(size=width, rank_odds=(0.5,))
        ours, theirs = ran(tree, LM, *rows), ran(Blockwise(width=width), LM, *rows)
        assert ours[0] == theirs[0]
        assert [call[0] for call in ours[1]] == [call[0] for call in theirs[1]]


def test_it_has_a_name() -> None:
    assert parse("head-tree:size=8,depth=2") == HeadTree(size=8, depth=2)
    wrong: Any
    for wrong in ({"size": 0}, {"depth": 0}, {"rank_odds": ()}, {"rank_odds": (0.1, 0.2)}):
        with pytest.raises(ValueError, match="a tree of heads has"):
            HeadTree(**wrong)
