"""What both APIs' answers have in common: the frame around choices, and the counts of tokens.

    frame = Frame.new("cmpl", "smollm2", "anyorder-0.1.0-int8")

Knows nothing of how texts are written.
"""

import time
import uuid
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from anyorder.serve.choices import Part


@dataclass(frozen=True)
class Frame:
    """What stands around the choices of an answer, and of each of its chunks."""

    id: str
    created: int
    model: str
    fingerprint: str

    @staticmethod
    def new(prefix: str, model: str, fingerprint: str) -> "Frame":
        """Of a new answer."""
        return Frame(f"{prefix}-{uuid.uuid4().hex}", int(time.time()), model, fingerprint)

    def of(self, kind: str, choices: list[dict[str, Any]]) -> dict[str, Any]:
        """An object of the API."""
        return {
            "id": self.id,
            "object": kind,
            "created": self.created,
            "model": self.model,
            "system_fingerprint": self.fingerprint,
            "choices": choices,
        }


@runtime_checkable
class Shape(Protocol):
    """How one of the APIs says what is written."""

    def answer(self, parts: list[Part]) -> dict[str, Any]:
        """A plain answer: a part for each text, which holds all of it."""
        ...

    def beginning(self, part: Part) -> list[dict[str, Any]]:
        """What a stream says of a text before the first of its parts."""
        ...

    def chunk(self, part: Part) -> dict[str, Any]:
        """One part of a stream."""
        ...

    def last(self) -> dict[str, Any]:
        """A chunk without a text, for the counts."""
        ...


def usage(prompts: int, written: int) -> dict[str, Any]:
    """Tokens that were read and written; what ended a text counts."""
    return {
        "prompt_tokens": prompts,
        "completion_tokens": written,
        "total_tokens": prompts + written,
    }


def whole(parts: list[Part]) -> Part:
    """The parts of one text, put together."""
    extra: dict[str, Any] | None = None
    for part in parts:
        if part.anyorder is not None:
            extra = extra or {"trace": []}
            extra["trace"] += part.anyorder["trace"]
            extra |= {name: part.anyorder[name] for name in part.anyorder.keys() & {"cost"}}
    return Part(
        parts[0].index,
        "".join(part.text for part in parts),
        tuple(told for part in parts for told in part.told),
        parts[-1].finish,
        extra,
        sum(part.written for part in parts),
    )
