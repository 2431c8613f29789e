"""The canvas against a list of cells, and the words it has for its state."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from anyorder.canvas import DONE, DRAFT, GIVEN, OPEN, PAD, Canvas

statuses = st.sampled_from([OPEN, DRAFT, DONE, GIVEN])


@st.composite
def canvases(draw: st.DrawFn) -> Canvas:
    """One to three rows of any state; padding stands at the end."""
    rows = draw(st.lists(st.lists(statuses, max_size=6), min_size=1, max_size=3))
    N = max(1, *map(len, rows))
    status_BN = torch.tensor([[*row, *[PAD] * (N - len(row))] for row in rows], dtype=torch.uint8)
    tokens_BN = torch.arange(status_BN.numel()).view_as(status_BN)
    return Canvas(tokens_BN, status_BN, torch.zeros(status_BN.shape))


def test_prompts_are_given_and_what_follows_is_open() -> None:
    canvas = Canvas.of_prompts([[5, 6], [], [7]], new_cells=[1, 2, 0])
    assert canvas.tokens_BN.tolist() == [[5, 6, 0], [0, 0, 0], [7, 0, 0]]
    assert canvas.status_BN.tolist() == [
        [GIVEN, GIVEN, OPEN],
        [OPEN, OPEN, PAD],
        [GIVEN, PAD, PAD],
    ]
    assert canvas.length_B.tolist() == [3, 2, 1]
    assert canvas.frontier_B.tolist() == [2, 0, 1]
    assert canvas.live_B.tolist() == [True, True, False]


def test_a_prompt_may_hold_any_token_id() -> None:
    """No id means "open": state is state."""
    canvas = Canvas.of_prompts([[0, 0]], new_cells=[1])
    assert canvas.row(0) == [0, 0]


def test_no_prompts_and_uneven_arguments() -> None:
    assert Canvas.of_prompts([], new_cells=[]).tokens_BN.shape == (0, 0)
    with pytest.raises(ValueError, match="shorter"):
        Canvas.of_prompts([[1], [2]], new_cells=[1])


@given(canvas=canvases())
def test_what_it_says_of_its_rows(canvas: Canvas) -> None:
    for row, status in enumerate(canvas.status_BN.tolist()):
        final = [s in (DONE, GIVEN) for s in status]
        frontier = final.index(False) if False in final else len(final)
        assert int(canvas.frontier_B[row]) == frontier
        assert bool(canvas.live_B[row]) == any(s in (OPEN, DRAFT) for s in status)
        assert int(canvas.length_B[row]) == sum(s != PAD for s in status)
        assert canvas.row(row) == canvas.tokens_BN[row, :frontier].tolist()
        assert canvas.open_BN[row].tolist() == [s == OPEN for s in status]


@given(canvas=canvases(), data=st.data())
def test_writing_fills_open_cells_and_leaves_the_others_alone(
    canvas: Canvas, data: st.DataObject
) -> None:
    B, N = canvas.tokens_BN.shape
    P = data.draw(st.integers(1, 5))
    at = data.draw(st.lists(st.integers(0, N), min_size=B, max_size=B))
    count = data.draw(st.lists(st.integers(0, P), min_size=B, max_size=B))
    tokens_BP, logs_BP = 100 + torch.arange(B * P).view(B, P), -torch.rand(B, P)
    after = canvas.write(torch.tensor(at), tokens_BP, torch.tensor(count), logs_BP)
    for row in range(B):
        for cell in range(N):
            n = cell - at[row]
            was = int(canvas.status_BN[row, cell])
            written = 0 <= n < count[row] and was in (OPEN, DRAFT)
            token = tokens_BP[row, n] if written else canvas.tokens_BN[row, cell]
            assert after.tokens_BN[row, cell] == token
            assert after.status_BN[row, cell] == (DONE if written else was)
            assert after.logprobs_BN[row, cell] == (logs_BP[row, n] if written else 0)


def test_writing_leaves_the_old_canvas_as_it_was() -> None:
    before = Canvas.of_prompts([[5]], new_cells=[2])
    before.write(torch.tensor([1]), torch.tensor([[8, 9]]), torch.tensor([2]), torch.ones(1, 2))
    assert before.status_BN.tolist() == [[GIVEN, OPEN, OPEN]]
    assert before.tokens_BN.tolist() == [[5, 0, 0]]
    assert before.logprobs_BN.tolist() == [[0, 0, 0]]


def test_writing_without_logprobs_keeps_them_and_forgets_where_cells_came_from() -> None:
    before = Canvas.of_prompts([[5]], new_cells=[1])
    before = replace(before, origin_BN=torch.tensor([[1, 0]]))
    after = before.write(torch.tensor([1]), torch.tensor([[8]]), torch.tensor([1]))
    assert after.logprobs_BN is before.logprobs_BN
    assert after.origin_BN is None


def test_a_cut_row_is_finished() -> None:
    canvas = Canvas.of_prompts([[5, 6], [7]], new_cells=[3, 3]).cut(0, 3)
    assert canvas.status_BN.tolist() == [
        [GIVEN, GIVEN, OPEN, PAD, PAD],
        [GIVEN, OPEN, OPEN, OPEN, PAD],
    ]
    assert canvas.cut(0, 2).live_B.tolist() == [False, True]


def test_a_text_that_has_ended_has_ended_also_before_a_forced_cell() -> None:
    canvas = Canvas.of_prompts([[5]], new_cells=[3])
    forced = replace(canvas, status_BN=torch.tensor([[GIVEN, DONE, OPEN, GIVEN]]).to(torch.uint8))
    ended = forced.cut(0, 2)
    assert ended.status_BN.tolist() == [[GIVEN, DONE, PAD, PAD]]
    assert not bool(ended.live_B.any())
