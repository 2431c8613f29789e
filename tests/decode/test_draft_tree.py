"""Trees of a draft model: the best of all trees, of the shape that was asked for."""

from collections.abc import Iterator
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anyorder.canvas import Canvas
from anyorder.decode.draft_verify.draft import Draft
from anyorder.decode.draft_verify.from_models.draft_tree import DraftTree, FixedTree, OptTree
from anyorder.decode.draft_verify.tree_shape import best_first
from anyorder.decode.left_to_right.plain import LeftToRight
from anyorder.decode.run import run
from anyorder.decode.sampling import Coins, Sampler, Sampling
from anyorder.models.tables.language_model import TableLM
from anyorder.trace import fold
from tests.laws.cases import examples, seeds

GREEDY = Sampler(Sampling(), Coins.of_seeds([0], cells=30))


def draft_of(decoder: DraftTree, prompts: list[list[int]]) -> Draft:
    """What is drafted first after these prompts."""
    canvas = Canvas.of_prompts(prompts, new_cells=[20] * len(prompts))
    draft = decoder.draft(decoder.begin(decoder.draft_model, canvas, GREEDY), canvas, GREEDY)
    assert draft is not None
    return draft


def paths(draft: Draft, row: int = 0) -> list[tuple[int, ...]]:
    """The tokens on the way to each cell."""
    found: list[tuple[int, ...]] = []
    cells = zip(draft.tokens_BK[row].tolist(), draft.parents_BK[row].tolist(), strict=True)
    for token, parent in cells:
        if parent > -2:
            found.append((*(found[parent] if parent >= 0 else ()), token))
    return found


def odds(lm: TableLM, root: int, path: tuple[int, ...]) -> float:
    """How likely the model holds the whole path."""
    p_VV = lm.logits_HV.softmax(-1)
    chance = 1.0
    for token in path:
        chance, root = chance * float(p_VV[root, token]), token
    return chance


def trees(size: int, vocab_size: int) -> Iterator[frozenset[tuple[int, ...]]]:
    """All trees of so many cells."""
    level = {frozenset[tuple[int, ...]]()}
    for _ in range(size):
        level = {
            tree | {(*above, token)}
            for tree in level
            for above in [(), *tree]
            for token in range(vocab_size)
            if (*above, token) not in tree
        }
    yield from level


@given(seed=seeds, size=st.integers(1, 4), root=st.integers(0, 2), spread=st.floats(0.2, 4.0))
@examples(25)
def test_no_tree_of_the_same_size_is_expected_to_be_better(
    seed: int, size: int, root: int, spread: float
) -> None:
    lm = TableLM.random(seed=seed, vocab_size=3, order=1, spread=spread)
    has_the_best_tree(OptTree(lm, size=size, threshold=0.0), lm, root)


def test_a_tree_that_is_not_the_best_is_noticed() -> None:
    lm = TableLM.random(
        seed=1, vocab_size=3, order=1, spread=4.0
    )  # sure of itself: a chain is best
    has_the_best_tree(OptTree(lm, size=4, threshold=0.0), lm, 0)
    with pytest.raises(AssertionError):
        has_the_best_tree(FixedTree(lm, size=4, rank_odds=(0.35, 0.33, 0.3)), lm, 0)


def has_the_best_tree(decoder: DraftTree, lm: TableLM, root: int) -> None:
    """No tree of as many cells has a higher sum of odds."""
    found = paths(draft_of(decoder, [[root]]))
    assert len(set(found)) == decoder.size
    best = max(sum(odds(lm, root, path) for path in tree) for tree in trees(decoder.size, 3))
    assert sum(odds(lm, root, path) for path in found) == pytest.approx(best, abs=1e-6)


@pytest.mark.parametrize("make", [OptTree, FixedTree])
def test_what_is_expected_is_what_is_accepted(make: type[DraftTree]) -> None:
    """The draft model is the target, so its odds are the true ones; after any token alike."""
    one_V = TableLM.random(seed=3, vocab_size=6, order=1, spread=1.0).logits_HV[:1]
    lm = TableLM(one_V.expand(6, -1).clone())
    decoder = make(lm, size=8)
    expected = sum(odds(lm, 0, path) for path in paths(draft_of(decoder, [[0]])))
    canvas = Canvas.of_prompts([[0]] * 16, new_cells=[200] * 16)
    coins = Coins.of_seeds(range(16), cells=201)
    trace = run(decoder, lm, canvas, Sampler(Sampling(temperature=1.0), coins))
    # the last calls are cut short by the end of the text
    written = [count for step in trace.steps[1:60] for count in step.written.values()]
    assert fmean(written) == pytest.approx(1 + expected, rel=0.05)


def test_a_fixed_tree_has_the_shape_of_its_odds() -> None:
    lm = TableLM.random(seed=1, vocab_size=9, order=1, spread=1.0)
    draft = draft_of(FixedTree(lm, size=12, rank_odds=(0.5, 0.2, 0.1)), [[4], [7]])
    shape = best_first(12, (0.5, 0.2, 0.1))
    for row, root in enumerate((4, 7)):
        ranked = lm.logits_HV.argsort(-1, descending=True)
        wanted: list[tuple[int, ...]] = []
        for parent, rank in zip(shape.parents, shape.ranks, strict=True):
            above = wanted[parent] if parent >= 0 else ()
            last = above[-1] if above else root
            wanted.append((*above, int(ranked[last, rank])))
        assert set(paths(draft, row)) == set(wanted)


def test_a_level_that_adds_too_little_is_the_last() -> None:
    lm = TableLM.random(seed=2, vocab_size=5, order=1, spread=1.0)
    depths = []
    for threshold in (0.0, 0.1, 5.0):
        found = paths(draft_of(OptTree(lm, size=12, threshold=threshold), [[1]]))
        depths.append(max(map(len, found)))
    assert depths == sorted(depths, reverse=True)
    assert depths[0] > depths[-1] == 1


def test_depth_and_a_small_vocabulary_bound_a_tree() -> None:
    lm = TableLM.random(seed=2, vocab_size=2, order=1, spread=1.0)
    found = paths(draft_of(OptTree(lm, size=50, threshold=0.0, depth=3), [[1]]))
    assert len(found) == 2 + 4 + 8
    assert max(map(len, found)) == 3


@pytest.mark.parametrize("make", [OptTree, FixedTree])
def test_what_the_user_asks_of_the_distribution_is_asked_of_the_draft(
    make: type[DraftTree],
) -> None:
    """A bias, a penalty for what was said on the way to a cell, a filter."""
    lm = TableLM.random(seed=4, vocab_size=6, order=1, spread=1.0)
    canvas = Canvas.of_prompts([[1]], new_cells=[20])
    coins = Coins.of_seeds([0], cells=21)
    for asked in (
        Sampling(logit_bias={2: 50.0}, repetition_penalty=1.3),
        Sampling(temperature=1.0, top_k=1),
        Sampling(temperature=0.7, repetition_penalty=5.0, top_k=1),
    ):
        sampler = Sampler(asked, coins)
        alone = run(LeftToRight(), lm, canvas, sampler)
        drafted = run(make(lm, size=8), lm, canvas, sampler)
        assert fold(drafted).row(0) == fold(alone).row(0)
        assert drafted.cost.calls <= alone.cost.calls / 2  # it draws on what is likeliest then


def test_no_guess_lies_beyond_the_end() -> None:
    lm = TableLM.random(seed=4, vocab_size=6, order=1, spread=1.0)
    decoder = OptTree(lm, size=8, threshold=0.0)
    for room, depth in ((1, 0), (2, 1), (3, 2)):
        canvas = Canvas.of_prompts([[1]], new_cells=[room])
        draft = decoder.draft(decoder.begin(lm, canvas, GREEDY), canvas, GREEDY)
        assert (max(map(len, paths(draft))) if draft else 0) == depth


def test_rows_grow_trees_of_their_own() -> None:
    lm = TableLM.random(seed=5, vocab_size=6, order=2, spread=2.0)
    prompts = [[1, 2, 3], [4], [0, 5]]
    decoder = OptTree(lm, size=7, threshold=0.05)
    together = draft_of(decoder, prompts)
    for row, prompt in enumerate(prompts):
        assert paths(together, row) == paths(draft_of(decoder, [prompt]))


@pytest.mark.parametrize(
    "make",
    [
        lambda: OptTree(None, size=0),
        lambda: OptTree(None, depth=0),
        lambda: OptTree(None, threshold=-1.0),
        lambda: FixedTree(None, size=0),
        lambda: FixedTree(None, rank_odds=()),
        lambda: FixedTree(None, rank_odds=(0.2, 0.5)),
        lambda: FixedTree(None, rank_odds=(-0.5,)),
        lambda: FixedTree(None, rank_odds=(float("nan"),)),
        lambda: FixedTree(None, rank_odds=(0.6, 0.5)),
        lambda: OptTree(None, threshold=float("nan")),
    ],
)
def test_options_that_can_not_be_are_refused(make) -> None:
    with pytest.raises(ValueError, match="tree"):
        make()
