"""The terminal replay: frames are the trace's, signs never depend on colour, nothing is obeyed."""

import io
import random
import re

import pytest
from rich.console import Console

from anyorder.canvas import DRAFT, Canvas
from anyorder.show.replay import Reel, printable, render_step, replay, texts
from anyorder.trace import Change, Step, Trace, fold, frames
from tests.show.made import chain, spoken

PROMPT = "Say it again."
TEXT = " The cat sat.\nThe cat sat on the mat, and the mat sat on the floor."


@pytest.fixture
def trace() -> Trace:
    return spoken(PROMPT, TEXT, lambda vocab: chain(4, 0.8, vocab, random.Random(1)))


def screen(**options) -> Console:
    return Console(file=io.StringIO(), width=70, height=20, _environ={}, **options)


def shown(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_the_frames_are_those_of_the_trace(trace):
    for canvas, text in zip(frames(trace), texts(trace), strict=True):
        done = "".join(trace.pieces[t] for t in canvas.row(0))
        assert text == done + "·" * int(canvas.open_BN.sum())


def test_the_last_frame_is_the_finished_text(trace):
    assert list(texts(trace))[-1] == PROMPT + TEXT
    assert "".join(trace.pieces[t] for t in fold(trace).row(0)) == PROMPT + TEXT


def test_signs_stand_around_what_a_step_wrote(trace):
    reel = Reel.of(trace)
    number = next(n for n, f in enumerate(reel.frames) if f.draft and f.draft.accepted)
    draft = reel.frames[number].draft
    assert draft is not None
    accepted = "".join(trace.pieces[draft.tokens[n]] for n in draft.accepted).strip()
    assert re.search(rf"\[{re.escape(accepted)}\] ?<", render_step(trace, number).plain)
    assert "[" not in render_step(trace, number + 1).plain.split(accepted)[0]


def test_tentative_cells_have_their_own_sign():
    start = Canvas.of_prompts([[5]], new_cells=[2])
    trace = Trace(start, (Step((), (Change(0, 2, 7, DRAFT, -1.0),)),), pieces={5: "a", 7: "b"})
    assert render_step(trace, 1).plain == "a·(b)"


def test_where_there_is_no_terminal_each_frame_is_one_line(trace):
    console = screen()
    replay(trace, console, delay=9.0, sleep=lambda _: pytest.fail("lines do not wait"))
    lines = shown(console).splitlines()
    assert len(lines) == len(trace.steps) + 1
    assert "\x1b" not in shown(console)
    assert "sat.↵The" in lines[-1]


def test_no_color_gives_lines_on_a_terminal_too(trace):
    console = Console(file=io.StringIO(), force_terminal=True, _environ={"NO_COLOR": "1"})
    replay(trace, console, delay=0.0)
    assert len(shown(console).splitlines()) == len(trace.steps) + 1
    assert "\x1b" not in shown(console)


def test_every_so_many_frames_and_always_the_last(trace):
    console = screen()
    replay(trace, console, every=4)
    numbers = [int(line.split()[0]) for line in shown(console).splitlines()]
    assert numbers == sorted({*range(0, len(trace.steps) + 1, 4), len(trace.steps)})


def test_a_terminal_shows_each_frame_as_long_as_it_took(trace):
    console, slept = screen(force_terminal=True, color_system="standard"), []
    replay(trace, console, every=3, sleep=slept.append)
    assert sum(slept) == pytest.approx(sum(step.seconds for step in trace.steps))
    assert "the floor." in shown(console)
    assert "\x1b[" in shown(console)


def test_a_text_taller_than_the_terminal_shows_its_end(trace):
    panel = Reel.of(trace).panel(len(trace.steps), width=30, height=5)
    console = screen()
    console.print(panel)
    lines = shown(console).splitlines()
    assert len(lines) <= 5
    assert "floor." in lines[-2]


def test_a_line_counts_its_open_cells(trace):
    dots = next(texts(trace)).removeprefix(PROMPT)
    assert Reel.of(trace).line(0).plain.endswith(f"···({len(dots)} open)")


def test_a_line_keeps_the_end_of_a_long_prompt():
    long = spoken("word " * 100, " end.", lambda _: lambda _done, _rest: ([], []))
    line = Reel.of(long).line(0).plain
    assert "..." in line
    assert len(line) < 120


def test_markup_and_escape_codes_in_a_text_are_shown_not_obeyed():
    start = Canvas.of_prompts([[5, 6]], new_cells=[0])
    trace = Trace(start, pieces={5: "[bold red]", 6: "\x1b[2J\x07\u202e"})
    for console in (screen(), screen(force_terminal=True, color_system="standard")):
        replay(trace, console, delay=0.0)
        assert "[bold red]␛[2J␇�" in shown(console)


def test_line_ends_and_tabs_stay():
    assert printable("a\r\n\tb\x85") == "a\n\tb�"


@pytest.mark.parametrize(
    ("options", "what"),
    [({"every": 0}, "every"), ({"delay": -1.0}, "delay"), ({"row": 1}, "no row 1")],
)
def test_bad_options_are_named(trace, options, what):
    with pytest.raises(ValueError, match=what):
        replay(trace, screen(), **options)


@pytest.mark.parametrize("number", [-1, 999])
def test_a_frame_that_is_not_there_is_named(trace, number):
    with pytest.raises(ValueError, match="no frame"):
        render_step(trace, number)


def test_one_call_is_no_calls(trace):
    heads = [Reel.of(trace).head(number) for number in (0, 1, 2)]
    assert [re.search(r"\d calls?(?= )", head)[0] for head in heads] == [  # type: ignore[index]
        "0 calls",
        "1 call",
        "2 calls",
    ]
    assert len({head.index(" s  +") for head in heads}) == 1, "columns stand where they stood"
