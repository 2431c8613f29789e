"""What is still to be read, and how much room that takes."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from anyorder.canvas import DONE, GIVEN, Canvas
from anyorder.decode.left_to_right.plain import LeftToRight
from anyorder.decode.reading import Pending, history, logprobs, open_run, parts, pending, room
from anyorder.models.tables.language_model import TableCache, TableLM
from tests.laws.cases import Case, Row, cases
from tests.laws.checks import texts, written


def with_cell(canvas: Canvas, row: int, cell: int, token: int, status: int) -> Canvas:
    tokens_BN, status_BN = canvas.tokens_BN.clone(), canvas.status_BN.clone()
    tokens_BN[row, cell], status_BN[row, cell] = token, status
    return replace(canvas, tokens_BN=tokens_BN, status_BN=status_BN)


def cache_of(*lengths: int) -> TableCache:
    return TableCache([[0] * n for n in lengths], room=99)


def test_pending_are_the_final_cells_that_the_cache_lacks() -> None:
    canvas = Canvas.of_prompts([[4, 5, 6], [7], [8, 9]], new_cells=[1, 3, 0])
    read = pending(canvas, cache_of(1, 0, 0))
    assert read.count_B.tolist() == [2, 1, 0]  # the last row is finished: nothing to read
    assert read.tokens_BT[0].tolist() == [5, 6]
    assert read.tokens_BT[1, 0] == 7
    assert read.last_B1.tolist() == [[1], [0], [0]]


@given(
    counts=st.lists(st.integers(0, 9), min_size=1, max_size=3),
    most=st.integers(1, 4),
    leave=st.integers(0, 3),
)
def test_parts_are_the_whole_but_for_what_is_left(counts: list[int], most: int, leave: int) -> None:
    tokens_BT = torch.arange(10 * len(counts)).unflatten(0, (-1, 10))
    said: list[list[int]] = [[] for _ in counts]
    for part in parts(Pending(tokens_BT, torch.tensor(counts)), most, leave=leave):
        assert 1 <= part.width <= most
        assert part.path_BT.tolist() == [list(range(part.width))] * len(counts)
        assert part.real_BT.sum(-1).tolist() == part.count_B.tolist()
        for row, said_of_row in enumerate(said):
            said_of_row += part.tokens_BT[row, part.real_BT[row]].tolist()
    assert said == [tokens_BT[row, : max(0, n - leave)].tolist() for row, n in enumerate(counts)]


def test_an_empty_prompt_is_a_clear_error_unless_the_row_is_finished() -> None:
    with pytest.raises(ValueError, match="at least one token"):
        pending(Canvas.of_prompts([[1], []], new_cells=[1, 1]), cache_of(0, 0))
    assert pending(Canvas.of_prompts([[1], []], new_cells=[1, 0]), cache_of(0, 0)).width == 1


def test_open_cells_run_up_to_a_forced_one_or_the_end() -> None:
    canvas = Canvas.of_prompts([[4], [4, 4], [4]], new_cells=[4, 2, 0])
    assert open_run(canvas).tolist() == [4, 2, 0]
    assert open_run(with_cell(canvas, 0, 3, 9, GIVEN)).tolist() == [2, 2, 0]
    assert open_run(with_cell(canvas, 0, 1, 9, DONE)).tolist() == [3, 2, 0]


def test_the_history_is_what_stands_before_the_frontier() -> None:
    canvas = with_cell(Canvas.of_prompts([[4, 5], [6]], new_cells=[2, 3]), 0, 3, 9, GIVEN)
    seen_B1H = history(canvas, torch.tensor([[7], [8]]))
    assert seen_B1H.tolist() == [[[4, 5, -1, -1, 7]], [[6, -1, -1, -1, 8]]]  # 9 comes later


def test_logprobs_are_those_of_the_model_itself() -> None:
    logits_BPV = torch.randn(2, 3, 5)
    tokens_BP = torch.randint(5, (2, 3))
    expected = logits_BPV.log_softmax(-1).gather(-1, tokens_BP[..., None])[..., 0]
    torch.testing.assert_close(logprobs(logits_BPV, tokens_BP), expected)


@given(case=cases(forced=True))
def test_there_is_room_however_rows_and_forced_cells_meet(case: Case) -> None:
    """While the longest row is nearly full, another may have to read all its forced cells."""
    canvas = case.canvas()
    late_B = canvas.final_BN.sum(-1) - canvas.frontier_B
    assert room(canvas) >= int(canvas.length_B.max()) + int(late_B.max())


def test_a_row_that_reads_forced_cells_beside_a_longer_row() -> None:
    short = Row(prompt=(0,), new=3, forced=((1, 0),))
    long = Row(prompt=(0, 0, 0), new=1)
    model = TableLM.random(seed=0, vocab_size=6)
    case = Case(model=model, draft=model, rows=(short, long))
    assert [len(text) for text in texts(written(LeftToRight(), case))] == [4, 4]
