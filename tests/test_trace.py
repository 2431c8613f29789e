"""What was recorded folds to what was written, also after a journey through a file."""

import itertools
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from anyorder.canvas import DONE, GIVEN, OPEN, PAD, Canvas
from anyorder.meter import Call
from anyorder.trace import Step, Trace, finite, fold, frames, moved


def same(one: Canvas, other: Canvas) -> None:
    assert torch.equal(one.tokens_BN, other.tokens_BN)
    assert torch.equal(one.status_BN, other.status_BN)
    torch.testing.assert_close(one.logprobs_BN, other.logprobs_BN)


def canvas_of(*rows: list[int]) -> Canvas:
    """DONE cells of distinct tokens; -1 is an open cell."""
    tokens_BN = torch.tensor(rows)
    status_BN = torch.where(tokens_BN < 0, OPEN, DONE).to(torch.uint8)
    return Canvas(tokens_BN.clamp_min(0), status_BN, -tokens_BN.clamp_min(0) / 10)


def write(canvas: Canvas, *tokens: int) -> Canvas:
    B, P = len(canvas.tokens_BN), len(tokens)
    tokens_BP = torch.tensor([tokens]).expand(B, P)
    logs_BP = torch.full((B, P), -0.25)
    return canvas.write(canvas.frontier_B, tokens_BP, torch.full((B,), P), logs_BP)


def story() -> tuple[Trace, list[Canvas]]:
    """Two rows: one token, then two in one call that a draft foresaw, and a cut."""
    made = [Canvas.of_prompts([[5, 6], [7]], new_cells=[4, 3])]
    made.append(write(made[-1], 1))
    made.append(write(made[-1], 2, 3).cut(1, 3))
    calls = [
        [Call("target", 0.5, [[5, 6], [7, 0]], None)],
        [
            Call("draft", 0.1, [[1], [1]], None),
            Call("target", 0.25, [[1, 2], [1, 2]], [[-1, 0], [-1, 0]]),
        ],
    ]
    trace = Trace(made[0], facts={"decoder": "à la main"}, pieces={1: "\u2028", 2: "\n", 3: "\x85"})
    for n, step_calls in enumerate(calls):
        trace = trace.add(Step.between(made[n], made[n + 1], step_calls, seconds=1.0))
    return trace, made


def test_frames_are_the_canvases_and_the_fold_is_the_last() -> None:
    trace, made = story()
    shown = list(frames(trace))
    assert len(shown) == len(made)
    for one, other in zip(shown, made, strict=True):
        same(one, other)
    same(fold(trace), made[-1])
    same(fold(Trace(made[0])), made[0])


def test_only_what_changed_is_recorded() -> None:
    trace, _ = story()
    assert [(c.row, c.cell, c.token) for c in trace.steps[0].changes] == [(0, 2, 1), (1, 1, 1)]
    assert [(c.row, c.cell) for c in trace.steps[1].changes] == [(0, 3), (0, 4), (1, 2), (1, 3)]
    assert trace.steps[1].changes[-1].status == PAD


def test_what_a_run_cost() -> None:
    trace, _ = story()
    cost = trace.cost
    assert (cost.calls, cost.draft_calls, cost.cells) == (2, 1, 8)
    assert (cost.seconds, cost.model_seconds, cost.draft_seconds) == (2.0, 0.75, 0.1)
    assert (cost.prompt_seconds, cost.verify_seconds) == (0.5, 0.25)
    assert cost.tokens == 3 + 2
    assert cost.tokens_per_call == 2.5


def test_forced_cells_that_a_stop_cuts_off_were_not_written() -> None:
    """Nor do they take anything away from what was."""
    start = Canvas.of_prompts([[5]], new_cells=[4])
    start = replace(start, status_BN=torch.tensor([[GIVEN, OPEN, GIVEN, GIVEN, GIVEN]]).byte())
    trace = Trace(start, (Step.between(start, write(start, 1).cut(0, 2)),))
    assert fold(trace).status_BN.tolist() == [[GIVEN, DONE, PAD, PAD, PAD]]
    assert trace.cost.tokens == 1


def test_only_cells_that_stayed_count_as_written() -> None:
    """Of three that are written one moves and stays, one is deleted, one is opened again."""
    start = Canvas.of_prompts([[]], new_cells=[3])
    made = [start, write(start, 1, 2, 3)]
    status_BN = torch.tensor([[DONE, OPEN, OPEN]]).byte()
    tokens_BN = torch.tensor([[2, 3, 0]])
    origin_BN = torch.tensor([[1, 2, -1]])
    made.append(
        Canvas(tokens_BN, status_BN, made[-1].logprobs_BN.new_zeros(1, 3), origin_BN=origin_BN)
    )
    steps = [Step.between(one, other) for one, other in itertools.pairwise(made)]
    assert Trace(start, tuple(steps[:1])).cost.tokens == 3
    assert Trace(start, tuple(steps)).cost.tokens == 1
    same(fold(Trace(start, tuple(steps))), list(frames(Trace(start, tuple(steps))))[-1])


def test_the_fold_of_many_steps_takes_the_last_word_on_a_cell() -> None:
    canvas, steps = Canvas.of_prompts([[5], [6]], new_cells=[2, 2]), list[Step]()
    start = canvas
    for token in range(50):
        after = replace(canvas, tokens_BN=canvas.tokens_BN + torch.tensor([0, token, 1]))
        steps.append(Step.between(canvas, after))
        canvas = after
    same(fold(Trace(start, tuple(steps))), canvas)


def test_a_saved_trace_is_the_same_trace(tmp_path: Path) -> None:
    """Line ends of any kind in a token's text do not break a line of the file."""
    trace, _ = story()
    trace.save(tmp_path / "trace.jsonl")
    loaded = Trace.load(tmp_path / "trace.jsonl")
    assert loaded.steps == trace.steps
    assert (loaded.facts, loaded.pieces) == (trace.facts, trace.pieces)
    same(loaded.start, trace.start)


@given(data=st.data())
def test_a_trace_that_was_cut_off_anywhere_is_read_as_far_as_it_goes(data: st.DataObject) -> None:
    trace, made = story()
    text = "".join(line + "\n" for line in trace.lines()).encode()
    first = text.index(b"\n") + 1
    end = data.draw(st.integers(first, len(text)))
    with TemporaryDirectory() as folder:
        path = Path(folder) / "trace.jsonl"
        path.write_bytes(text[:end])
        loaded = Trace.load(path)
    whole = text[:end].count(b"\n") - 1
    assert len(loaded.steps) in (min(whole, 2), min(whole + 1, 2))  # a line may lack its end only
    same(fold(loaded), made[len(loaded.steps)])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is empty"),
        ("\n", "line 1"),
        ("hello", "line 1"),
        ("[1, 2]\n", "line 1"),
        ('{"anyorder_trace": 99, "tokens": [], "status": [], "logprobs": []}\n', "line 1"),
        ('{"anyorder_trace": 1, "tokens": [[1]]}\n', "line 1"),
        (
            '{"anyorder_trace": 1, "tokens": [[1]], "status": [[4]], "logprobs": [[0]]}\n{}\n',
            "line 2",
        ),
    ],
)
def test_what_is_no_trace_is_refused_with_its_line(text: str, says: str, tmp_path: Path) -> None:
    path = tmp_path / "trace.jsonl"
    path.write_text(text)
    with pytest.raises(ValueError, match=says) as caught:
        Trace.load(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_bytes_that_are_no_text_are_refused_in_the_same_way(tmp_path: Path) -> None:
    path = tmp_path / "trace.jsonl"
    path.write_bytes(b"\xff\xfe\x00binary\n")
    with pytest.raises(ValueError, match="line 1: this is no anyorder trace"):
        Trace.load(path)


@pytest.mark.parametrize("logprob", [float("-inf"), float("nan"), -1e12])
def test_log_probabilities_that_json_lacks_are_cut_off(logprob: float, tmp_path: Path) -> None:
    before = Canvas.of_prompts([[5]], new_cells=[1])
    logs_BP = torch.tensor([[logprob]])
    after = before.write(torch.tensor([1]), torch.tensor([[9]]), torch.tensor([1]), logs_BP)
    Trace(before).add(Step.between(before, after)).save(tmp_path / "trace.jsonl")
    loaded = Trace.load(tmp_path / "trace.jsonl")
    assert loaded.steps[0].changes[0].logprob == finite(logprob) == -1e9


def test_insertions_deletions_and_moves_are_told_by_origins() -> None:
    """A token moves to the front, one is deleted, one is new: only the new one is a change."""
    before = canvas_of([10, 11, 12, 13])
    origin_BN = torch.tensor([[2, 0, -1, 3]])
    after = replace(canvas_of([12, 10, 77, 13]), origin_BN=origin_BN)
    step = Step.between(before, after)
    assert [(change.cell, change.token) for change in step.changes] == [(2, 77)]
    assert step.origin == ((2, 0, -1, 3),)
    same(fold(Trace(before, (step,))), after)


@given(
    origin=st.lists(st.integers(-1, 4), min_size=5, max_size=5),
    tokens=st.lists(st.integers(0, 9), min_size=5, max_size=5),
)
def test_any_rearrangement_folds_to_what_it_made(origin: list[int], tokens: list[int]) -> None:
    before = canvas_of([10, 11, 12, 13, 14])
    after = canvas_of([t if o < 0 else 10 + o for o, t in zip(origin, tokens, strict=True)])
    after = replace(after, origin_BN=torch.tensor([origin]))
    trace = Trace(before, (Step.between(before, after),))
    same(fold(trace), after)
    assert len(trace.steps[0].changes) == sum(o < 0 for o in origin)


def test_new_cells_are_empty_until_they_are_written() -> None:
    after = moved(canvas_of([10, 11]), [[-1, 0, 1]])
    assert after.tokens_BN.tolist() == [[0, 10, 11]]
    assert after.status_BN.tolist() == [[PAD, DONE, DONE]]
    torch.testing.assert_close(after.logprobs_BN, torch.tensor([[0, -1.0, -1.1]]))
