"""The walk through a draft tree against a plain search for the path that agrees."""

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from anyorder.canvas import Canvas
from anyorder.decode.draft_verify.accept import Written, accept_probability, agreed, residual, walk
from anyorder.decode.draft_verify.decide import Told, lenient
from anyorder.decode.sampling import Coins, Sampler, Sampling

V = 3


@st.composite
def drafts(draw: st.DrawFn) -> tuple[list[int], list[int], list[int]]:
    """A tree below a root, some cells without a guess, and what the model says after each cell."""
    T = draw(st.integers(1, 9))
    tokens = draw(st.lists(st.integers(0, V - 1), min_size=T, max_size=T))
    parents = [-1] + [
        draw(st.integers(-2, cell - 1).filter(lambda p: p != -1)) for cell in range(1, T)
    ]
    says = draw(st.lists(st.integers(0, V - 1), min_size=T, max_size=T))
    return tokens, parents, says


def path_by_hand(tokens: list[int], parents: list[int], says: list[int]) -> list[int]:
    """From the root, always the first child that carries what the model says."""
    path = [0]
    while True:
        below = [c for c, p in enumerate(parents) if p == path[-1] and tokens[c] == says[path[-1]]]
        if not below:
            return path
        path.append(below[0])


@given(rows=st.lists(drafts(), min_size=1, max_size=3))
def test_the_walk_follows_the_model_as_deep_as_the_draft_agrees(rows: list) -> None:
    T = max(len(tokens) for tokens, _, _ in rows)
    tokens_BT, parents_BT, says_BT = (
        torch.tensor([[*row[part], *[fill] * (T - len(row[part]))] for row in rows])
        for part, fill in ((0, 0), (1, -2), (2, 0))
    )
    rows_B = torch.arange(len(rows))
    written = walk(tokens_BT, parents_BT, lambda cell_B, _: says_BT[rows_B, cell_B])
    quick = agreed(tokens_BT, parents_BT, says_BT)
    for b, row in enumerate(rows):
        path = path_by_hand(*row)
        assert quick.path_BP[b, : len(path)].tolist() == path
        assert quick.count_B[b] == len(path)
        assert quick.tokens_BP[b, : len(path)].tolist() == [row[2][cell] for cell in path]
        count = int(written.count_B[b])
        assert written.path_BP[b, :count].tolist() == path
        assert written.tokens_BP[b, :count].tolist() == [row[2][cell] for cell in path]


def lenient_by_hand(
    tokens: list[int], parents: list[int], says: list[int], may: set[int]
) -> tuple[list[int], list[int]]:
    """The path, and what is written: the model's word where it was guessed, else the first child
    that may be, else its word.
    """
    path, written = [0], []
    while True:
        word = says[path[-1]]
        below = [cell for cell, parent in enumerate(parents) if parent == path[-1]]
        right = [cell for cell in below if tokens[cell] == word]
        right += [cell for cell in below if tokens[cell] in may]
        written.append(tokens[right[0]] if right else word)
        if not right:
            return path, written
        path.append(right[0])


@given(rows=st.lists(drafts(), min_size=1, max_size=3), may=st.sets(st.integers(0, V - 1)))
def test_a_lenient_walk_takes_the_first_guess_that_may_be(rows: list, may: set[int]) -> None:
    """And looks once at all guesses for a place, at none where the model's word is among them."""
    B, T = len(rows), max(len(tokens) for tokens, _, _ in rows)
    tokens_BT, parents_BT, says_BT = (
        torch.tensor([[*row[part], *[fill] * (T - len(row[part]))] for row in rows])
        for part, fill in ((0, 0), (1, -2), (2, 0))
    )
    canvas = Canvas.of_prompts([(0,)] * B, new_cells=[T] * B)
    sampler = Sampler(Sampling(), Coins.of_seeds([0] * B, cells=T + 1))
    told, looks = Told(canvas, tokens_BT, parents_BT, torch.zeros(B, T, V)), []

    def allows(logits_BV: Tensor, guess_BC: Tensor, written: int) -> Tensor:
        looks.append(written)
        return torch.isin(guess_BC, torch.tensor(sorted(may)).long())

    def word(cell_B: Tensor, said_BP: Tensor) -> Tensor:
        return says_BT[torch.arange(B), cell_B]

    written = walk(tokens_BT, parents_BT, lenient(word, sampler, told, allows))
    for b, row in enumerate(rows):
        path, wanted = lenient_by_hand(*row, may)
        count = int(written.count_B[b])
        assert written.path_BP[b, :count].tolist() == path
        assert written.tokens_BP[b, :count].tolist() == wanted
    assert looks == sorted(set(looks)), "once a level"
    guessed = [path_by_hand(*row) for row in rows]
    leaves = [path[-1] not in row[1] for path, row in zip(guessed, rows, strict=True)]
    if all(leaves):
        assert not looks, "all was guessed"


def test_the_rule_is_told_what_was_written_before() -> None:
    """So that penalties for repetition see the drafted tokens of their own path."""
    asked = []

    def decide(cell_B: torch.Tensor, said_BP: torch.Tensor) -> torch.Tensor:
        asked.append((cell_B.tolist(), said_BP.tolist()))
        return torch.tensor([5 + len(asked)])

    walk(torch.tensor([[9, 6, 7]]), torch.tensor([[-1, 0, 1]]), decide)
    assert asked == [([0], [[]]), ([1], [[6]]), ([2], [[6, 7]])]


def test_a_cap_is_a_limit_for_each_row() -> None:
    path_BP = torch.zeros(3, 4, dtype=torch.long)
    written = Written(path_BP, path_BP, torch.tensor([4, 2, 1]))
    assert written.capped(torch.tensor([3, 3, 0])).count_B.tolist() == [3, 2, 0]


def test_odds_and_residual_at_their_edges() -> None:
    p, q = torch.tensor([[0.5, 0.5, 0.0]]).double(), torch.tensor([[0.0, 0.25, 0.75]]).double()
    assert accept_probability(p, q).tolist() == [[1.0, 1.0, 0.0]]
    assert residual(p, q).tolist() == [[2 / 3, 1 / 3, 0.0]]
    assert residual(p, p).tolist() == p.tolist()
