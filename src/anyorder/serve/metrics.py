"""What Prometheus is told: requests, tokens, the queue, acceptance, and how long things took.

    metrics = Metrics()
    metrics.requests.labels("/v1/completions", "200").inc()
    metrics.text()

Each server has a registry of its own. Knows nothing of HTTP.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from anyorder.serve.desk import Figures
from anyorder.trace import Step

SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)


class Metrics:
    """See the module."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._counters()
        self._times()
        self._gauges()

    def _counters(self) -> None:
        """What only grows."""
        self.requests = self._counter(
            "requests", "Requests that were answered, by route and status.", ["route", "status"]
        )
        self.prompt_tokens = self._counter("prompt_tokens", "Tokens of prompts that were read.", [])
        by = ["decoder"]
        self.tokens = self._counter("tokens", "Tokens that were written.", by)
        self.steps = self._counter("steps", "Steps that decoders took.", by)
        self.drafted = self._counter("drafted_tokens", "Tokens that were guessed.", by)
        self.accepted = self._counter("accepted_tokens", "Guesses that were kept.", by)

    def _times(self) -> None:
        """How long things took."""
        self.first = self._histogram("first_token", "From a request to its first token.", [])
        self.between = self._histogram("between_steps", "From a step of a text to the next.", [])
        self.whole = self._histogram("request", "From a request to its answer's end.", ["route"])

    def _gauges(self) -> None:
        """What is so now; `watch` says where it is seen."""
        self.ready = self._gauge("ready", "1 while requests are served.")
        self.waiting = self._gauge("waiting", "Texts that wait.")
        self.writing = self._gauge("writing", "Texts that are written.")
        self.in_flight = self._gauge("tokens_in_flight", "Tokens of all these, prompts included.")
        self.rounds = self._gauge("rounds", "Times that texts were computed together, so far.")
        self.calls = self._gauge("calls", "Calls of texts in these rounds: by them, the company.")
        self.cells = self._gauge("cells", "Cells that were computed in these rounds.")

    def _counter(self, name: str, about: str, labels: list[str]) -> Counter:
        return Counter(f"anyorder_{name}", about, labels, registry=self.registry)

    def _gauge(self, name: str, about: str) -> Gauge:
        return Gauge(f"anyorder_{name}", about, registry=self.registry)

    def _histogram(self, name: str, about: str, labels: list[str]) -> Histogram:
        name = f"anyorder_{name}_seconds"
        return Histogram(name, about, labels, buckets=SECONDS, registry=self.registry)

    def watch(self, figures: Callable[[], Figures]) -> None:
        """Ask the desk whenever somebody asks for the metrics."""
        self.waiting.set_function(lambda: figures().waiting)
        self.writing.set_function(lambda: figures().writing)
        self.rounds.set_function(lambda: figures().rounds)
        self.calls.set_function(lambda: figures().calls)
        self.cells.set_function(lambda: figures().cells)

    def text(self) -> bytes:
        """In Prometheus' own format."""
        return generate_latest(self.registry)


@dataclass
class Clock:
    """Measures one request: `step` is told of each step of a text."""

    metrics: Metrics
    decoder: str
    begun: float = field(default_factory=time.monotonic)
    latest: dict[int, float] = field(default_factory=dict)

    def step(self, index: int, step: Step) -> None:
        """A step of the text `index`."""
        now, metrics = time.monotonic(), self.metrics
        written = step.written.get(0, 0)
        if index in self.latest:
            metrics.between.observe(now - self.latest[index])
            drafted, accepted = guessed(step)
            metrics.drafted.labels(self.decoder).inc(drafted)
            metrics.accepted.labels(self.decoder).inc(accepted)
        else:
            metrics.first.observe(now - self.begun)
        self.latest[index] = now
        metrics.steps.labels(self.decoder).inc()
        metrics.tokens.labels(self.decoder).inc(written)


def guessed(step: Step) -> tuple[int, int]:
    """Drafted and accepted tokens of a step after the first, which reads one cell that is known.

    >>> guessed(Step(calls=(), changes=()))
    (0, 0)
    """
    calls = [call for call in step.calls if call.role == "target"]
    if len(calls) != 1 or len(calls[0].tokens_BT) != 1:
        return 0, 0
    drafted = max(0, len(calls[0].tokens_BT[0]) - 1 - calls[0].probes)
    return drafted, min(drafted, max(0, step.written.get(0, 0) - 1))
