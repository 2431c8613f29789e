"""What the drafters propose, against plain searches: trees, copies, places, followers."""

from functools import cache

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from anyorder.canvas import Canvas
from anyorder.decode.draft_verify.accept import Written
from anyorder.decode.draft_verify.draft import Seen
from anyorder.decode.draft_verify.from_text.aggressive import AggressiveDecoding, Place
from anyorder.decode.draft_verify.from_text.followers import Followers, likeliest
from anyorder.decode.draft_verify.from_text.jacobi import Guesses, Jacobi
from anyorder.decode.draft_verify.from_text.prompt_copy import PromptCopy, copied
from anyorder.decode.draft_verify.from_text.token_recycling import TokenRecycling
from anyorder.decode.draft_verify.tree_shape import TreeShape, best_first
from anyorder.decode.sampling import Coins, Sampler, Sampling
from anyorder.models.tables.language_model import TableLM

SAMPLER = Sampler(Sampling(), Coins.of_seeds([0, 0, 0], cells=9))
texts = st.lists(st.integers(0, 2), min_size=1, max_size=12)


def canvas_of(*rows: list[int], new: int = 5) -> Canvas:
    return Canvas.of_prompts(rows, new_cells=[new] * len(rows))


# Trees


def expected_length(paths: frozenset[tuple[int, ...]], odds: tuple[float, ...]) -> float:
    """Sum over cells of the odds that the whole path to it is right."""
    return sum(float(torch.tensor([odds[rank] for rank in path]).prod()) for path in paths)


@cache
def all_trees(size: int, ranks: int) -> set[frozenset[tuple[int, ...]]]:
    """Every set of `size` paths that holds, with a path, the path to its parent."""
    trees: set[frozenset[tuple[int, ...]]] = {frozenset()}
    for _ in range(size):
        trees = {
            tree | {(*above, rank)}
            for tree in trees
            for above in [(), *tree]
            for rank in range(ranks)
            if (*above, rank) not in tree
        }
    return trees


def paths_of(shape: TreeShape) -> list[tuple[int, ...]]:
    paths: list[tuple[int, ...]] = []
    for parent, rank in zip(shape.parents, shape.ranks, strict=True):
        paths.append((*(paths[parent] if parent >= 0 else ()), rank))
    return paths


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("odds", [(0.6, 0.3), (0.5, 0.45, 0.05), (0.9, 0.01), (0.3, 0.3, 0.3)])
def test_no_tree_of_its_size_is_better(size: int, odds: tuple[float, ...]) -> None:
    shape = best_first(size, odds)
    best = max(expected_length(tree, odds) for tree in all_trees(size, len(odds)))
    assert expected_length(frozenset(paths_of(shape)), odds) == pytest.approx(best)


@given(
    size=st.integers(1, 40),
    odds=st.lists(st.floats(0.01, 0.95), min_size=1, max_size=6).map(
        lambda odds: tuple(sorted(odds, reverse=True))
    ),
)
def test_a_tree_is_in_order_of_depth_and_names_no_cell_twice(
    size: int, odds: tuple[float, ...]
) -> None:
    shape = best_first(size, odds)
    assert len(shape.parents) == len(shape.ranks) == size
    assert all(parent < cell for cell, parent in enumerate(shape.parents))
    assert len(set(paths_of(shape))) == size
    depths = [len(path) for path in paths_of(shape)]
    assert depths == sorted(depths)


# Copies


@given(text=texts, width=st.integers(1, 9), data=st.data())
def test_a_copy_that_reaches_the_end_goes_on_in_itself(
    text: list[int], width: int, data: st.DataObject
) -> None:
    source = data.draw(st.integers(0, len(text) - 1))
    draft = copied(canvas_of(text), torch.tensor([source]), width)
    assert draft is not None
    longer = list(text)
    for n in range(width):
        longer.append(longer[source + n])
    assert draft.tokens_BK[0].tolist() == longer[len(text) :]
    assert draft.parents_BK[0].tolist() == list(range(-1, width - 1))


def test_rows_without_a_source_have_no_guess() -> None:
    canvas = canvas_of([4, 5], [4, 5])
    draft = copied(canvas, torch.tensor([-1, 0]), 3)
    assert draft is not None
    assert draft.parents_BK.tolist() == [[-2, -2, -2], [-1, 0, 1]]
    assert copied(canvas, torch.tensor([-1, -1]), 3) is None
    assert copied(canvas_of([4, 5], new=0), torch.tensor([0]), 3) is None  # nothing to write


# Places in an input that is edited


def place_by_hand(prompt: int, text: list[int], ngram: int, old: int) -> int:
    """After the last tokens in the input: longest n-gram first, then ahead of the old place."""
    for n in range(min(ngram, len(text)), 0, -1):
        ends = [e for e in range(n, prompt) if text[e - n : e] == text[-n:]]
        if ends:
            return min(ends, key=lambda end: (end < old, end))
    return -1


@given(prompt=texts, output=texts, ngram=st.integers(1, 3), old=st.integers(-1, 12))
def test_the_place_is_found_by_the_last_tokens(
    prompt: list[int], output: list[int], ngram: int, old: int
) -> None:
    text = prompt + output
    if len(text) < ngram:
        return
    canvas = canvas_of(text)
    memory = Place.of(canvas.tokens_BN, torch.tensor([len(prompt)]), -1).at(torch.tensor([old]))
    found_B = AggressiveDecoding(ngram=ngram)._found(memory, canvas)
    assert found_B.tolist() == [place_by_hand(len(prompt), text, ngram, old)]


def test_a_copy_ends_where_the_input_ends() -> None:
    decoder = AggressiveDecoding(width=4, begin_at=1)
    canvas = canvas_of([7, 8, 9])
    model = TableLM.random(seed=0, vocab_size=12)
    draft = decoder.draft(decoder.begin(model, canvas, SAMPLER), canvas, SAMPLER)
    assert draft is not None
    assert draft.tokens_BK[0, :2].tolist() == [8, 9]
    assert draft.parents_BK.tolist() == [[-1, 0, -2, -2]]


def test_a_beginning_beyond_the_input_is_its_last_cell() -> None:
    model = TableLM.random(seed=0, vocab_size=12)
    place = AggressiveDecoding(begin_at=99).begin(model, canvas_of([7, 8, 9], [7]), SAMPLER)
    assert place.next_B.tolist() == [2, 0]
    assert AggressiveDecoding().begin(model, canvas_of([7]), SAMPLER).next_B.tolist() == [-1]


def test_a_place_that_is_lost_is_looked_for_behind_the_last_one_that_was_known() -> None:
    """8 stands in the input three times; what came before it was no part of the input."""
    canvas = canvas_of([8, 1, 8, 2, 8, 3, 5, 8])
    place = Place.of(canvas.tokens_BN, torch.tensor([6]), 2).at(torch.tensor([-1]))
    assert AggressiveDecoding()._found(place, canvas).tolist() == [3]


# Token recycling


@given(
    seed=st.integers(0, 999),
    rows=st.integers(1, 4),
    V=st.sampled_from([5, 8, 512, 1024, 4096, 5000]),
    ranks=st.integers(1, 5),
)
def test_the_likeliest_tokens_are_the_top_k(seed: int, rows: int, V: int, ranks: int) -> None:
    """Block by block or all at once."""
    logits_XV = torch.randn(rows, V, generator=torch.Generator().manual_seed(seed))
    assert torch.equal(likeliest(logits_XV, ranks), logits_XV.topk(ranks, -1).indices)


def test_all_the_likeliest_may_stand_in_one_block() -> None:
    logits_XV = torch.zeros(1, 4096)
    logits_XV[0, 700:704] = torch.tensor([3.0, 5.0, 4.0, 6.0])
    assert likeliest(logits_XV, 4).tolist() == [[703, 701, 702, 700]]


def test_a_tree_is_filled_with_followers_of_followers() -> None:
    followers = Followers(vocab_size=5, ranks=2)
    followers.matrix_VR[:2] = [[1, 2], [3, 0]]
    shape = TreeShape(parents=(-1, -1, 0, 0, 1), ranks=(0, 1, 0, 1, 0))
    draft = followers.filled(shape, [0, 4])
    assert draft is not None
    assert draft.tokens_BK[0, :4].tolist() == [1, 2, 3, 0]
    assert draft.parents_BK.tolist() == [[-1, -1, 0, 0, -2], [-2] * 5]  # 2 and 4 are unknown
    assert followers.filled(shape, [4, 3]) is None
    assert followers.filled(shape, [-1, 4]) is None  # a row that has ended


def after(followers: Followers, token: int) -> list[int]:
    """What follows a token, likeliest first."""
    if not followers.knows(token):
        return []
    placed = {followers.rank_of(other, token): other for other in range(len(followers.matrix_VR))}
    return [placed[rank] for rank in sorted(placed) if rank >= 0]


@pytest.mark.parametrize("warm", [True, False])
def test_the_matrix_learns_from_real_cells_alone(warm: bool) -> None:
    decoder = TokenRecycling(warm=warm, rank_odds=(0.5, 0.2))
    canvas = canvas_of([1, 2])
    memory = decoder.begin(TableLM.random(seed=0, vocab_size=4), canvas, SAMPLER)
    logits_BSV = torch.tensor([[[0.0, 1, 2, 3], [3, 2, 1, 0], [9, 9, 9, 0]]])
    real_BS = torch.tensor([[True, True, False]])
    memory = decoder.observe(memory, Seen(canvas, torch.tensor([[1, 2, 3]]), real_BS, logits_BSV))
    assert [after(memory, token) for token in range(4)] == [[], [3, 2], [0, 1], []]
    assert decoder.reads_prompt is warm


def test_followers_that_are_ranked_late_are_those_that_were_seen_last() -> None:
    late, twin = Followers(vocab_size=9, ranks=3), Followers(vocab_size=9, ranks=3)
    canvas, real = canvas_of([1, 2]), torch.ones(1, 1, dtype=torch.bool)
    for step in range(40):
        token_11 = torch.tensor([[step * step % 7]])
        logits_11V = torch.rand(1, 1, 9, generator=torch.Generator().manual_seed(step))
        late.learn(Seen(canvas, token_11, real, logits_11V))
        twin.learn(Seen(canvas, token_11, real, logits_11V))
        twin.filled(TreeShape(parents=(-1,), ranks=(0,)), list(range(9)))  # ranks them at once
        assert [after(late, token) for token in range(9)] == [after(twin, i) for i in range(9)]
        assert all(len(after(late, token)) == 3 for token in range(9) if late.knows(token))
    assert not late.knows(3)  # no square is 3 modulo 7
    assert late.knows(4)


# Jacobi


def test_guesses_move_up_by_what_was_decided() -> None:
    """Cells behind the last that was corrected repeat its correction."""
    decoder = Jacobi(block=4)
    memory = Guesses(torch.tensor([[1, 2, 3, 4]]), torch.tensor([4]), torch.tensor([1]))
    said = torch.nn.functional.one_hot(torch.tensor([[1, 7, 8, 9]]), 10).float()
    cells = torch.tensor([[0, 1, 2, 3]])
    written = Written(torch.tensor([[0, 1]]), torch.tensor([[1, 7]]), torch.tensor([2]))
    seen = Seen(canvas_of([0]), cells, torch.ones(1, 4, dtype=torch.bool), said, written)
    after = decoder.observe(memory, seen)
    assert after.tokens_BK.tolist() == [[8, 9, 9, 9]]
    assert after.left_B.tolist() == [2]


# What a user can do wrong


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: PromptCopy(ngram=0),
        lambda: PromptCopy(ngram=2, shortest=3),
        lambda: PromptCopy(width=0),
        lambda: TokenRecycling(size=0),
        lambda: TokenRecycling(rank_odds=()),
        lambda: TokenRecycling(rank_odds=(0.2, 0.3)),
        lambda: TokenRecycling(rank_odds=(1.0, 0.3)),
        lambda: TokenRecycling(rank_odds=(0.5, 0.0)),
        lambda: Jacobi(block=1),
        lambda: Jacobi(horizon=-1),
        lambda: AggressiveDecoding(width=0),
        lambda: AggressiveDecoding(ngram=0),
    ],
)
def test_an_impossible_choice_is_one_sentence(wrong) -> None:
    with pytest.raises(ValueError, match=r"needs? .*at least|and falling rank odds"):
        wrong()


def test_brute_force_knows_all_trees() -> None:
    """Trees of two cells over two ranks: two siblings, or a chain of any two ranks."""
    assert len(all_trees(2, 2)) == 1 + 4
    assert all(len(tree) == 2 for tree in all_trees(2, 2))
