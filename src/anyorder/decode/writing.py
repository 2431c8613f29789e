"""A run that writes text, step by step: for whoever must do something between the steps.

    writing = Writing(begun, decoder, sampler, strings)
    for progress in writing:
        progress.said                     # the pieces of text that are certain now, by row
    writing.output()

`generate` runs it to its end at once.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from reprlib import Repr
from typing import Any, Final

from anyorder.canvas import GIVEN, Canvas
from anyorder.decode.alternatives import Alternatives
from anyorder.decode.run import Decoder, steps
from anyorder.decode.sampling import Sampler
from anyorder.decode.stops import Reason, Stops, Watch
from anyorder.meter import Cost
from anyorder.models.writer import FillsHoles, Writer
from anyorder.trace import Step, Trace
from anyorder.units.text import BROKEN

LONG: Final = 200  # characters of a text in an output's repr
ROWS: Final = 6  # texts in one


@dataclass(frozen=True, repr=False)
class Output:
    """What was written: a value if one prompt was given, a list if a list was.

    `tokens` ends with the token that ended the text (end of sequence, or end of a stop string);
    `text` does not hold it. `logprobs` are the model's own: temperature 1, no filters. `finish` is
    "eos" (the model ended it), "stop", "length" (`max_new_tokens` are written), or "context" (a
    language model has no room for them); a run that `generate` did not make says "length" for both.
    """

    text: str | list[str]
    tokens: list[int] | list[list[int]]
    logprobs: list[float] | list[list[float]]
    finish: Reason | list[Reason]
    trace: Trace
    seeds: tuple[int, ...]

    @property
    def cost(self) -> Cost:
        """Calls, cells and seconds of the whole run."""
        return self.trace.cost

    def __repr__(self) -> str:
        """What a person wants to know at once: long texts are cut, and no trace is shown."""
        short, cost = Repr(), self.cost
        short.maxstring, short.maxlist = LONG, ROWS
        many = isinstance(self.text, list)
        tokens = [len(row) for row in self.tokens] if many else len(self.tokens)  # type: ignore[arg-type]
        return (
            f"Output(text={short.repr(self.text)}, tokens={short.repr(tokens)}, "
            f"calls={cost.calls}, seconds={cost.seconds:.2f}, finish={short.repr(self.finish)})"
        )


@dataclass(frozen=True)
class Begun:
    """A run before its first step: who writes, with which network, after what."""

    lm: Writer
    model: Any
    trace: Trace


@dataclass(frozen=True)
class Progress:
    """One step, and the text that it made certain, by row; `step` is None at the end, when what
    was held back is said.
    """

    step: Step | None
    said: dict[int, str]


@dataclass
class Writing:
    """All rows of a run. It can be left at any step: `output` tells what there is so far.

    `strings` end a text; `speaks`: whether anybody listens to what is said; `top`: so many of the
    likeliest tokens are told of each cell (of one row, and where the network is causal).
    """

    begun: Begun
    decoder: Decoder
    sampler: Sampler
    strings: tuple[str, ...] = ()
    speaks: bool = True
    top: int = 0
    made: list[Step] = field(default_factory=list)

    def __post_init__(self) -> None:
        lm, canvas = self.begun.lm, self.begun.trace.start
        stream = lm.units.stream if self.strings else None
        self.canvas = canvas
        self.watch: Watch = Stops(lm.eos_ids, self.strings, stream).start(canvas)
        rows = range(len(canvas.tokens_BN)) if self.speaks else ()
        self.speakers = [Speaker(lm, row, self.strings) for row in rows]

    @property
    def trace(self) -> Trace:
        """What was recorded so far."""
        return replace(self.begun.trace, steps=tuple(self.made))

    def __iter__(self) -> Iterator[Progress]:
        model, alternatives = self.begun.model, Alternatives(self.top) if self.top else None
        run = steps(self.decoder, model, self.canvas, self.sampler, self.watch, alternatives)
        for step, self.canvas in run:
            self.made.append(step)
            yield Progress(step, self._said(speaker.hear(self.canvas) for speaker in self.speakers))
        yield self.finish()

    def finish(self) -> Progress:
        """Say what is held back; for whoever leaves before the end."""
        return Progress(None, self._said(speaker.finish() for speaker in self.speakers))

    def output(self) -> Output:
        """What was written, in lists."""
        lm, trace = self.begun.lm, self.trace
        rows = range(len(self.canvas.tokens_BN))
        texts, tokens, logprobs = map(
            list, zip(*(_row(lm, self.canvas, row, self.strings) for row in rows), strict=True)
        )
        trace = replace(trace, facts=trace.facts | {"texts": texts})
        pieces = pieces_of(lm, trace)
        trace = replace(trace, pieces=pieces, raw=raw_of(lm, pieces))
        reasons: list[Reason] = [self.watch.reasons.get(row, "length") for row in rows]
        return Output(texts, tokens, logprobs, reasons, trace, tuple(trace.facts["seeds"]))

    @staticmethod
    def _said(pieces: Iterator[str]) -> dict[int, str]:
        return {row: piece for row, piece in enumerate(pieces) if piece}


class Speaker:
    """Says a row's text as it becomes certain; what may still become a stop string is held back."""

    def __init__(self, lm: Writer, row: int, strings: tuple[str, ...]) -> None:
        self.lm, self.row, self.strings = lm, row, strings
        self.stream = lm.units.stream()
        self.said = -1
        self.held = ""
        self.ended = False

    def hear(self, canvas: Canvas) -> str:
        """What is new on the canvas, and certain."""
        if self.ended:
            return ""
        if self.said < 0:
            self.said = told_from(self.lm, canvas, self.row)
        frontier = int(canvas.frontier_B[self.row])
        tokens = canvas.tokens_BN[self.row, self.said : frontier].tolist()
        self.said += len(tokens)
        text = self.held + "".join(self.stream.push(t) for t in tokens if t not in self.lm.eos_ids)
        self.ended = any(string in text for string in self.strings)
        text = before_stop(text, self.strings)
        kept = 0 if self.ended else _may_begin(text, self.strings)
        self.held = text[len(text) - kept :]
        return text[: len(text) - kept]

    def finish(self) -> str:
        """What was held back: no stop string came of it."""
        return "" if self.ended else self.held + self.stream.flush()


def told_from(lm: Writer, canvas: Canvas, row: int) -> int:
    """Cells before the text that is told: the prompt, or what begins a text with holes."""
    prompt = int((canvas.status_BN[row] == GIVEN).long().cumprod(-1).sum())
    return min(prompt, 1) if isinstance(lm, FillsHoles) and lm.fills else prompt


def before_stop(text: str, strings: tuple[str, ...]) -> str:
    """The text before the first stop string.

    >>> before_stop("one. two", (". ", "two"))
    'one'
    """
    places = [text.index(string) for string in strings if string in text]
    return text[: min(places)] if places else text


def pieces_of(lm: Writer, trace: Trace) -> dict[int, str]:
    """The text of every token that the trace shows, drafts and alternatives included; not of what
    draft models read, which may have units of their own.
    """
    tokens = {token for row in trace.start.tokens_BN.tolist() for token in row}
    for step in trace.steps:
        tokens.update(change.token for change in step.changes)
        read = [call for call in step.calls if call.role == "target"]
        tokens.update(t for call in read for row in call.tokens_BT for t in row)
        tokens.update(t for each in step.likeliest for t, _ in each.top)
    return {token: lm.units.piece(token) for token in sorted(tokens)}


def raw_of(lm: Writer, pieces: Mapping[int, str]) -> dict[int, bytes]:
    """The bytes of those tokens that are parts of characters, where the tokenizer tells them."""
    told = {token: lm.units.bytes_of(token) for token, piece in pieces.items() if BROKEN in piece}
    return {token: raw for token, raw in told.items() if raw is not None}


def _may_begin(text: str, strings: tuple[str, ...]) -> int:
    """How many characters at the end may be the beginning of a stop string."""
    lengths = [n for string in strings for n in range(1, len(string)) if text.endswith(string[:n])]
    return max(lengths, default=0)


def _row(
    lm: Writer, canvas: Canvas, row: int, strings: tuple[str, ...]
) -> tuple[str, list[int], list[float]]:
    begin = told_from(lm, canvas, row)
    tokens = canvas.row(row)[begin:]
    said = [token for token in tokens if token not in lm.eos_ids]  # special to the tokenizer or not
    text = before_stop(lm.units.decode(said), strings)
    return text, tokens, canvas.logprobs_BN[row, begin : begin + len(tokens)].tolist()
