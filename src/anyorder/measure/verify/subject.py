"""What is examined, what it is asked, and what is found.

    said = subject.write([Ask("Once upon a time", 32), Ask("Twice", 32)])     # one batch

A subject may be slow and wrong, but it must answer. A reference is one that can also read.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

Token = int | str  # an id, or where no ids are told, a piece of text


@dataclass(frozen=True)
class Ask:
    """One text that is wanted. Temperature 0 is greedy; no filters."""

    prompt: str
    max_new_tokens: int
    temperature: float = 0.0
    seed: int = 0
    stop: tuple[str, ...] = ()


@dataclass(frozen=True)
class Said:
    """What came: `tokens` is empty where the subject tells only text.

    `ended`: by itself, with a token that is not among `tokens`, and is `ending` if it was told.
    `whole`: False where more might have come, and could not be followed. `notes`: what the run has
    noted (`Trace.notes`).
    """

    text: str
    tokens: tuple[Token, ...] = ()
    ended: bool = False
    ending: Token | None = None
    whole: bool = True
    notes: tuple[str, ...] = ()

    @property
    def drawn(self) -> tuple[Token, ...]:
        """All tokens, the one that ends the text among them, if they are told."""
        return self.tokens if self.ending is None else (*self.tokens, self.ending)


@dataclass(frozen=True)
class Place:
    """Where a token stands in the distribution it should be drawn from: the mass of all likelier
    tokens, its own, and that of the likeliest one.
    """

    above: float
    own: float
    top: float


@dataclass(frozen=True)
class Finding:
    """`holds` is None where the subject does not offer what the law is about. `law` is None of what
    its runs noted; something broke if that does not hold.
    """

    law: int | None
    holds: bool | None
    sentence: str


class OneAtATimeError(ValueError):
    """The subject does not write several texts at once."""


@runtime_checkable
class Subject(Protocol):
    """Writes texts."""

    @property
    def name(self) -> str: ...

    def write(self, asks: Sequence[Ask]) -> list[Said]:
        """All of them in one batch, or at the same time. Raises OneAtATimeError if it can't."""
        ...


@runtime_checkable
class Declares(Protocol):
    """A subject that says whether it writes what one token at a time would; others have to."""

    @property
    def exact(self) -> bool: ...


@runtime_checkable
class Reference(Subject, Protocol):
    """Writes one token at a time, and reads."""

    def places(
        self, prompt: str, tokens: Sequence[Token], temperature: float
    ) -> list[Place] | None:
        """Where each token stands after those before it; None if it can't be told."""
        ...

    def chances(
        self, prompt: str, before: Sequence[Token], of: Sequence[Token]
    ) -> list[float] | None:
        """How likely each of these is to come next; None if it can't be told."""
        ...

    def text_of(self, tokens: Sequence[Token]) -> str:
        """What a text of these tokens reads like."""
        ...
