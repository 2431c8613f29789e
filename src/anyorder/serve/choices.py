"""One text that is being written, as its client hears of it: part by part.

    choice = Choice(0, asked, lm)
    for event in events:
        part = choice.hear(event)         # text, tokens, the reason at the end; None: nothing new

A plain answer is all parts put together, a streamed one is the parts themselves. Knows nothing of
the shapes of the two APIs. One text is one row.
"""

from dataclasses import asdict, dataclass, field
from typing import Any, Final, Literal

from anyorder.canvas import DONE, GIVEN, Canvas
from anyorder.decode.writing import pieces_of, raw_of, told_from
from anyorder.models.writer import FillsHoles, Writer
from anyorder.serve.asking import Asked
from anyorder.serve.jobs import Begin, Ended, Event, Written
from anyorder.trace import Step, Trace, hexed
from anyorder.units.holes import has_holes

Finish = Literal["stop", "length"]
FINISH: Final[dict[str, Finish]] = {
    "eos": "stop",
    "stop": "stop",
    "length": "length",
    "context": "length",
}


@dataclass(frozen=True)
class Told:
    """One token of a text: its piece and bytes, and where it begins among the characters.

    `logprob` is None for a token that was given. `top`: the likeliest tokens and their
    log-probabilities.
    """

    token: int
    piece: str
    bytes: bytes | None
    offset: int
    logprob: float | None
    top: tuple[tuple[int, float], ...] = ()


@dataclass(frozen=True)
class Part:
    """What is new of a text. `finish` is said once, with the last part."""

    index: int
    text: str = ""
    told: tuple[Told, ...] = ()
    finish: Finish | None = None
    anyorder: dict[str, Any] | None = None
    written: int = 0


@dataclass
class Row:
    """The cells of a text, as its steps have left them."""

    tokens: list[int]
    status: list[int]
    logprobs: list[float]

    @staticmethod
    def of(start: Trace) -> "Row":
        canvas = start.start
        return Row(
            canvas.tokens_BN[0].tolist(),
            canvas.status_BN[0].tolist(),
            canvas.logprobs_BN[0].tolist(),
        )

    def after(self, step: Step) -> None:
        """Move and change the cells as the step did."""
        if step.origin is not None:
            origin = step.origin[0]
            self.tokens = [self.tokens[o] if o >= 0 else 0 for o in origin]
            self.status = [self.status[o] if o >= 0 else 0 for o in origin]
            self.logprobs = [self.logprobs[o] if o >= 0 else 0.0 for o in origin]
        for change in step.changes:
            self.tokens[change.cell] = change.token
            self.status[change.cell] = change.status
            self.logprobs[change.cell] = change.logprob

    def frontier(self, begin: int) -> int:
        """How many cells, from the left, are final; those before `begin` are."""
        ends = (n for n in range(begin, len(self.status)) if self.status[n] < DONE)
        return next(ends, len(self.status))


@dataclass
class Choice:
    """See the module. `index`: which of the answers it is."""

    index: int
    asked: Asked
    lm: Writer
    error: Exception | None = None
    shown: set[int] = field(default_factory=set)
    top: dict[int, tuple[tuple[int, float], ...]] = field(default_factory=dict)  # by cell
    said: int = 0  # characters of the tokens so far
    sure: int = 0  # characters of the text so far: what may become a stop string is none of it
    held: list[Told] = field(default_factory=list)  # tokens behind these
    at: int = 0  # cells that were told, the prompt's included
    first: int = 0  # the first cell that the model itself writes
    joins: bool = False  # whether what it writes first follows a text that was told

    def __post_init__(self) -> None:
        self.stream = self.lm.units.stream()

    @property
    def fills(self) -> bool:
        """Whether the model reads texts with holes, and tells them whole."""
        return isinstance(self.lm, FillsHoles) and self.lm.fills

    @property
    def has_holes(self) -> bool:
        """Whether nothing is to be written behind the text's last word."""
        prompt = self.asked.jobs[self.index].prompt
        holes = self.fills and isinstance(prompt, str) and has_holes(prompt)
        return holes or self.asked.body.infill is not None

    def hear(self, event: Event) -> Part | None:
        """What is new, if anything is."""
        if isinstance(event, Begin):
            return self._begun(event.start)
        if isinstance(event, Written):
            return self._written(event)
        return self._ended(event)

    def _begun(self, start: Trace) -> Part | None:
        self.row = Row.of(start)
        self.at, echo = self._prompt(start.start), self._echo()
        self.said = len(echo)
        # locked: it stands already; of a model that fills holes all is said with what is written
        lead = [] if self.fills else self.row.tokens[self.at : self.row.frontier(self.at)]
        text = echo + self.lm.units.decode(lead)
        told = () if self.fills else self._tell(len(text))
        self.first = self.at
        extra = None
        if self.asked.body.trace:
            extra = {"trace": [start.header], **self._pieces(start)}
        self.joins = bool(text)
        return Part(self.index, text, told, None, extra, len(lead)) if text or extra else None

    def _prompt(self, start: Canvas) -> int:
        """Cells of the prompt: a word that is locked right behind it is none of them."""
        job = self.asked.jobs[self.index]
        return len(job.prompt) if isinstance(job.prompt, tuple) else told_from(self.lm, start, 0)

    def _echo(self) -> str:
        n = len(self.asked.jobs) // len(self.asked.prompts)
        return self.asked.echo[self.index // n] if self.asked.echo else ""

    def _written(self, event: Written) -> Part | None:
        extra, before = None, self.at
        if event.step is not None:
            self.row.after(event.step)
            self.top = {each.cell: each.top for each in event.step.likeliest} | self.top
            if self.asked.body.trace:
                seen = Trace(_nothing(), (event.step,))
                extra = {"trace": [event.step.line], **self._pieces(seen)}
        said = event.said
        if said and self.joins:
            said, self.joins = self._gap() + said, False
        told = self._tell(len(said))
        if not said and extra is None and self.at == before:
            return None
        return Part(self.index, said, told, None, extra, self.at - before)

    def _gap(self) -> str:
        """The space that many tokenizers leave out before a text's first token."""
        decode, tokens = self.lm.units.decode, self.row.tokens[self.first - 1 : self.first + 1]
        apart = decode(tokens[:1]), decode(tokens[1:])
        return " " if decode(tokens) == " ".join(apart) else ""

    def _ended(self, event: Ended) -> Part | None:
        self.error = event.error
        if event.error is not None or event.output is None:
            return None
        out, extra = event.output, None
        # a text with holes is whole once its last word stands, whatever its length
        whole = self.has_holes and self.at == len(self.row.status)
        finish = "stop" if whole else FINISH[out.finish[0]]
        if event.cut and self.asked.body.stream:
            finish = None  # it has none: an error is the last that is heard of it
        if self.asked.body.trace:
            extra = {"trace": [out.trace.footer], "cost": asdict(out.cost)}
        # what stands behind the text was cut away with the stop string
        told = () if out.finish[0] == "stop" else tuple(self.held)
        return Part(self.index, "", told, finish, extra)

    def _tell(self, said: int) -> tuple[Told, ...]:
        """The tokens of the text, which has so many more characters; what ends it is none of it."""
        begin, self.at = self.at, self.row.frontier(self.at)
        self.sure += said
        if not (self.asked.logprobs or self.asked.body.return_token_ids):
            return ()
        cells = [c for c in range(begin, self.at) if self.row.tokens[c] not in self.lm.eos_ids]
        self.held += [self._told(cell) for cell in cells]
        if not self.asked.jobs[self.index].stop:
            told, self.held = self.held, []
            return tuple(told)
        told = [each for each in self.held if each.offset < self.sure]
        self.held = self.held[len(told) :]
        return tuple(told)

    def _told(self, cell: int) -> Told:
        units, token = self.lm.units, self.row.tokens[cell]
        offset, given = self.said, self.row.status[cell] == GIVEN
        self.said += len(self.stream.push(token))
        logprob = None if given else self.row.logprobs[cell]
        top = self.top.pop(cell, ())
        return Told(token, units.piece(token), units.bytes_of(token), offset, logprob, top)

    def _pieces(self, trace: Trace) -> dict[str, Any]:
        """The texts of tokens that were not told before, and the bytes of parts of characters."""
        new = {t: p for t, p in pieces_of(self.lm, trace).items() if t not in self.shown}
        self.shown |= new.keys()
        return {"pieces": new, **hexed(raw_of(self.lm, new))}


def _nothing() -> Canvas:
    return Canvas.of_prompts([], new_cells=[])
