"""The replay of a trace in a terminal: how a text was written, step by step.

    replay(trace, Console())               animated; where there is no colour, a line a step
    render_step(trace, 3)                  one frame as styled text (0: before the first step)
    list(texts(trace))                     the frames as plain text, open cells as dots

Each origin has a colour and a sign: `[accepted from a draft]`, `<the model's own>`, `(tentative)`,
dots for open cells. The signs stand around what the step wrote. Knows nothing of models.
"""

import time
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from rich.console import Console
from rich.live import Live
from rich.panel import Panel
from rich.text import Text

from anyorder.show.provenance import Cell, Frame, Origin, story
from anyorder.show.spelling import spelled
from anyorder.trace import Trace

_DOT = "·"
_MOST_GIVEN = 12  # cells of a prompt that a line keeps: enough to see where the text goes on
_MOST_OPEN = 3  # dots of a line; beyond them it says how many
_BIDI = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"  # they would turn the line around
_STYLE: Mapping[Origin, str] = {
    "given": "dim",
    "drafted": "cyan underline",
    "own": "yellow",
    "tentative": "magenta italic",
    "open": "dim",
    "pad": "",
}
_SIGN: Mapping[Origin, tuple[str, str]] = {
    "drafted": ("[", "]"),
    "own": ("<", ">"),
    "tentative": ("(", ")"),
}


@dataclass(frozen=True)
class Reel:
    """One row of a trace, folded once: its frames, and what they had cost."""

    frames: Sequence[Frame]
    calls: Sequence[int]  # of the target, up to each frame
    seconds: Sequence[float]
    pieces: Mapping[int, str]
    raw: Mapping[int, bytes]

    @staticmethod
    def of(trace: Trace, row: int = 0) -> "Reel":
        """The frames of `row`. Errors: ValueError if the trace has no such row."""
        rows = trace.start.tokens_BN.shape[0]
        if not 0 <= row < rows:
            raise ValueError(f"there is no row {row}: this trace has {rows}, counted from 0")
        calls, seconds = [0], [0.0]
        for step in trace.steps:
            calls.append(calls[-1] + sum(call.role == "target" for call in step.calls))
            seconds.append(seconds[-1] + step.seconds)
        return Reel(story(trace, row), calls, seconds, trace.pieces, trace.raw)

    def text(self, number: int, *, brief: bool = False) -> Text:
        """Frame `number`; if `brief`, of a long prompt the end, of many open cells the number."""
        cells = self.frames[number].cells
        shown = list(zip(cells, _shown(cells, self.pieces, self.raw), strict=True))
        text = Text()
        given = next((n for n, cell in enumerate(cells) if cell.origin != "given"), len(cells))
        if brief and given > _MOST_GIVEN:
            shown = shown[given - _MOST_GIVEN :]
            text.append("...", _STYLE["given"])
        for (origin, fresh), group in groupby(
            shown, lambda one: (one[0].origin, one[0].step == number - 1 >= 0)
        ):
            run = list(group)
            words = "".join(words for _, words in run)
            if brief and origin == "open" and len(run) > _MOST_OPEN:
                words = f"{_DOT * _MOST_OPEN}({len(run)} open)"
            left, right = _SIGN.get(origin, ("", "")) if fresh else ("", "")
            bare = words.lstrip(" ")
            text.append(words[: len(words) - len(bare)])
            text.append(left + bare + right, f"{_STYLE[origin]} bold" if fresh else _STYLE[origin])
        return text

    def head(self, number: int) -> str:
        """What frame `number` had cost, and how many cells its step wrote."""
        cells = self.frames[number].cells
        wrote = sum(cell.step == number - 1 and cell.origin in _SIGN for cell in cells)
        calls = f"{self.calls[number]:4} {'call ' if self.calls[number] == 1 else 'calls'}"
        return f"{number:4} {calls} {self.seconds[number]:8.3f} s  +{wrote:<3}"

    def line(self, number: int) -> Text:
        """Frame `number` in one line: what it cost, and the text with its line ends as signs."""
        words = Text(" ").join([Text(self.head(number)), self.text(number, brief=True)])
        return Text("↵").join(words.split("\n", allow_blank=True))

    def panel(self, number: int, *, width: int, height: int) -> Panel:
        """Frame `number` in a frame; of a text that is too long, the last lines."""
        lines = self.text(number).wrap(Console(width=width), max(1, width - 4))
        for line in lines:
            line.rstrip()
        shown = Text("\n").join(lines[-max(1, height - 3) :])
        title = f" {self.head(number).strip()} "
        return Panel(shown, title=title, title_align="left", width=width)


def render_step(trace: Trace, number: int, *, row: int = 0) -> Text:
    """Frame `number` of a trace as styled text: 0 is before the first step.

    Errors: ValueError if the trace has no such row or frame.

    >>> from anyorder.canvas import Canvas
    >>> trace = Trace(Canvas.of_prompts([[5]], new_cells=[2]), pieces={5: "Once"})
    >>> render_step(trace, 0).plain
    'Once··'
    """
    reel = Reel.of(trace, row)
    if not 0 <= number < len(reel.frames):
        last = len(reel.frames) - 1
        raise ValueError(f"there is no frame {number}: this trace has 0 to {last}")
    return reel.text(number)


def texts(trace: Trace, *, row: int = 0) -> Iterator[str]:
    """The frames as plain text without signs, before the first step and after each.

    >>> from anyorder.canvas import Canvas
    >>> list(texts(Trace(Canvas.of_prompts([[5]], new_cells=[1]))))
    ['⟨5⟩·']
    """
    for frame in Reel.of(trace, row).frames:
        yield "".join(_shown(frame.cells, trace.pieces, trace.raw))


def replay(
    trace: Trace,
    console: Console,
    *,
    row: int = 0,
    every: int = 1,
    delay: float | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Show how `row` was written: every `every`-th frame, and always the last.

    A terminal with colours shows one panel that changes, each frame for `delay` seconds (None: as
    long as it really took). Anywhere else, and under NO_COLOR, each frame is one line at once.
    Errors: ValueError if there is no such row, `every` is below 1 or `delay` is negative.
    """
    if every < 1:
        raise ValueError(f"every must be 1 or more, not {every}")
    if delay is not None and delay < 0:
        raise ValueError(f"delay must be 0 seconds or more, not {delay}")
    reel = Reel.of(trace, row)
    last = len(reel.frames) - 1
    numbers = [n for n in range(last + 1) if n % every == 0 or n == last]
    if not console.is_terminal or console.no_color or console.is_dumb_terminal:
        for n in numbers:
            console.print(reel.line(n).plain, markup=False, highlight=False, soft_wrap=True)
        return
    with Live(console=console, auto_refresh=False) as live:
        for n, then in zip(numbers, [*numbers[1:], last], strict=True):
            live.update(reel.panel(n, width=console.width, height=console.height), refresh=True)
            sleep(reel.seconds[then] - reel.seconds[n] if delay is None else delay)


def printable(piece: str) -> str:
    """A piece of text with its control characters made visible, line ends and tabs apart.

    A text may carry escape codes; a terminal must show them, not obey them.

    >>> printable("a\\x1b[2J")
    'a␛[2J'
    """
    return "".join(c if c in "\n\t" else _visible(c) for c in piece.replace("\r\n", "\n"))


def _visible(c: str) -> str:
    if ord(c) < 0x20:
        return chr(0x2400 + ord(c))
    return "�" if unicodedata.category(c) == "Cc" or c in _BIDI else c


def _shown(cells: Sequence[Cell], pieces: Mapping[int, str], raw: Mapping[int, bytes]) -> list[str]:
    """What stands for each cell."""
    empty = {"pad": "", "open": _DOT}
    words = spelled([None if c.origin in empty else c.token for c in cells], pieces, raw)
    both = zip(cells, words, strict=True)
    return [empty.get(cell.origin, printable(word)) for cell, word in both]
