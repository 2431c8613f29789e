"""What the worker asks of an engine: words (JSON) in, words out.

An engine loads what it needs when it is first asked, and keeps it. It is imported in the engine's
own Python environment, so this file knows nothing but the standard library.
"""

import time
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Protocol


@dataclass(frozen=True)
class Task:
    """What to write: at most `new` tokens after `prompt`, up to one of `eos` (which is kept)."""

    precision: str
    decoder: str
    prompt: list[int]
    new: int
    eos: list[int]


@dataclass(frozen=True)
class Written:
    """What came of it. Seconds are wall clock, ids in to ids out, the reading of the prompt
    included; `first_seconds` are those until the first call of the model was over. `draft_calls`
    are calls of a draft model; None: not known."""

    tokens: list[int]
    seconds: float
    first_seconds: float
    calls: int
    draft_calls: int = 0

    def words(self) -> dict[str, Any]:
        return asdict(self)


class Engine(Protocol):
    """The acts of an engine."""

    def hello(self) -> dict[str, Any]:
        """Versions of its packages, and the precisions that it offers."""
        ...

    def write(self, task: Task) -> Written:
        """Write once, greedily."""
        ...

    def score(self, precision: str, windows: list[list[int]]) -> dict[str, Any]:
        """`logprobs` of every token of each window but its first, and the `best` token there."""
        ...


class Stopwatch:
    """Counts calls of a function, and remembers when the first was over."""

    def __init__(self) -> None:
        self.calls = 0
        self.draft_calls = 0
        self.begun = time.perf_counter()
        self.first = 0.0

    def call_over(self, *, draft: bool = False) -> None:
        """One more call; reading the clock costs less than a microsecond."""
        if draft:
            self.draft_calls += 1
            return
        self.calls += 1
        self.first = self.first or self.elapsed()

    def elapsed(self) -> float:
        return time.perf_counter() - self.begun

    def written(self, tokens: list[int]) -> Written:
        """The result, now."""
        seconds = self.elapsed()
        return Written(tokens, seconds, self.first, self.calls, self.draft_calls)


def versions(*packages: str) -> dict[str, str]:
    """Versions of those packages that are installed."""
    found = {}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
