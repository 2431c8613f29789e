"""Where a row ends: end-of-sequence ids and stop strings, checked token by token.

    stops = Stops(eos_ids=(2,), strings=("\\n\\n",), new_stream=units.stream)
    canvas, reasons = stops.start(canvas).check(canvas)

Tokens are looked at one by one, in order, so that a decoder that writes many at once is cut at
the very token at which left-to-right decoding would have stopped.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable

from anyorder.canvas import GIVEN, Canvas

Reason = Literal["eos", "stop", "length", "context"]


@runtime_checkable
class Stream(Protocol):
    """Turns tokens into text as they come; half characters are held back."""

    def push(self, token: int, /) -> str: ...


@runtime_checkable
class Check(Protocol):
    """Looks at each canvas of a run, and cuts the rows that have ended."""

    def check(self, canvas: Canvas) -> Canvas: ...


@dataclass(frozen=True)
class Stops:
    """What ends a text. `strings` need `new_stream`, which makes a detokeniser for a row."""

    eos_ids: tuple[int, ...] = ()
    strings: tuple[str, ...] = ()
    new_stream: Callable[[], Stream] | None = None

    def __post_init__(self) -> None:
        if any(not string for string in self.strings):
            raise ValueError("a stop string is empty; give at least one character")
        assert not self.strings or self.new_stream is not None, "stop strings need a detokeniser"

    def start(self, canvas: Canvas) -> "Watch":
        """Look from each prompt's end on: what an earlier run wrote may begin a stop string."""
        rows = range(len(canvas.tokens_BN))
        prompt_B = (canvas.status_BN == GIVEN).long().cumprod(-1).sum(-1)
        streams = [self.new_stream() if self.strings and self.new_stream else None for _ in rows]
        room = canvas.length_B.tolist()
        return Watch(self, prompt_B.tolist(), streams, [""] * len(streams), room)


@dataclass
class Watch:
    """How far each row was looked at. Made by `Stops.start`, one for a run."""

    stops: Stops
    looked: list[int]
    streams: list[Stream | None]
    tails: list[str]
    room: list[int]  # of each row at the start
    reasons: dict[int, Reason] = field(default_factory=dict)

    def check(self, canvas: Canvas) -> Canvas:
        """The canvas with every row cut at its first stop; `reasons` says why a row ended: a model
        that writes texts shorter than their room, without a token that ends them, ends them, too.
        """
        frontiers, lengths = canvas.frontier_B.tolist(), canvas.length_B.tolist()
        for row, frontier in enumerate(frontiers):
            if row in self.reasons:
                continue
            end = self._first_stop(row, canvas, frontier)
            if end is not None:
                canvas = canvas.cut(row, end)
            elif frontier == lengths[row]:
                self.reasons[row] = "length" if lengths[row] == self.room[row] else "eos"
        return canvas

    def _first_stop(self, row: int, canvas: Canvas, frontier: int) -> int | None:
        """The cell before which the row ends, if one of its new tokens ends it."""
        begin = self.looked[row]
        for cell, token in enumerate(canvas.tokens_BN[row, begin:frontier].tolist(), begin):
            if token in self.stops.eos_ids:
                self.reasons[row] = "eos"
                return cell + 1
            if self._ends_string(row, token):
                self.reasons[row] = "stop"
                return cell + 1
        self.looked[row] = frontier
        return None

    def _ends_string(self, row: int, token: int) -> bool:
        stream = self.streams[row]
        if stream is None:
            return False
        text = self.tails[row] + stream.push(token)
        longest = max(map(len, self.stops.strings))
        self.tails[row] = text[-(longest - 1) :] if longest > 1 else ""
        return any(string in text for string in self.stops.strings)
