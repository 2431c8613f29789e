"""The one loop: it asks a decoder for steps, meters, records, streams and stops.

    for step, canvas in steps(decoder, model, canvas, sampler): ...
    trace = run(decoder, model, canvas, sampler, stops)

A decoder is a frozen choice; `start` and `step` are its acts. They are pure but for the cache
that the state carries, and all randomness comes from the sampler that is handed in.
"""

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, ClassVar, Protocol, TypeVar, runtime_checkable

import numpy as np
import torch

from anyorder.canvas import GIVEN, Canvas
from anyorder.decode.alternatives import Alternatives
from anyorder.decode.sampling import Sampler
from anyorder.decode.stops import Check, Stops
from anyorder.meter import Meter
from anyorder.models.capability import missing
from anyorder.trace import Step, Trace


class NoNumbersError(ValueError):
    """A model says NaN, or that no token is possible: nothing that was asked for is at fault."""


@runtime_checkable
class State(Protocol):
    """What a decoder carries from step to step; the outside sees the canvas alone."""

    @property
    def canvas(self) -> Canvas: ...

    def with_canvas(self, canvas: Canvas) -> "State":
        """The same state, some of whose rows were cut short."""
        ...


S = TypeVar("S", bound=State)


@runtime_checkable
class Decoder(Protocol[S]):
    """A way to generate.

    `exact`: it writes what left-to-right decoding of the same model would write at temperature 0,
    and samples from the same distribution above. `needs`: capabilities asked of the model.
    """

    exact: ClassVar[bool]
    needs: ClassVar[tuple[type, ...]]

    def start(self, model: Any, canvas: Canvas, sampler: Sampler) -> S: ...

    def step(self, model: Any, state: S, sampler: Sampler) -> S: ...

    def most_calls(self, canvas: Canvas) -> int:
        """A bound on the calls of the target model for this canvas."""
        ...


def steps(
    decoder: Decoder,
    model: Any,
    canvas: Canvas,
    sampler: Sampler,
    watch: Check | None = None,
    alternatives: Alternatives | None = None,
) -> Iterator[tuple[Step, Canvas]]:
    """Yield each step and the canvas after it, until every row is written or stopped; if wanted,
    with the alternatives to what it wrote.

    Raises ValueError if the model lacks a capability that the decoder needs, and if its logits turn
    out to be no numbers.
    """
    _check(decoder, model)
    watch = watch or Stops().start(canvas)
    meter = Meter(alternatives)
    metered = meter.watch(model)
    left, earlier = decoder.most_calls(canvas), None
    begun = time.perf_counter()
    with torch.inference_mode():
        state = decoder.start(metered, canvas, sampler)
    while bool(canvas.live_B.any()):
        with torch.inference_mode():  # not around the yield: what the caller does is his own
            state = decoder.step(metered, state, sampler)
            _check_said(state.canvas)  # first: what was written so may be an end of sequence
            after = watch.check(state.canvas)
            if after is not state.canvas:
                state = state.with_canvas(after)
            calls = meter.take()
            now = time.perf_counter()
            step = Step.between(canvas, after, calls, now - begun)
            if alternatives is not None:
                step = alternatives.noted(step, after)
            step, earlier = _told(step, state, earlier), state
        left -= sum(call.role == "target" for call in calls)
        assert left >= 0, f"{type(decoder).__name__} made more calls than it declared"
        canvas = after
        yield step, canvas
        begun = time.perf_counter()  # what the caller does in between is not the decoder's


def _told(step: Step, state: State, earlier: State | None) -> Step:
    """The step with what the state tells beyond an `earlier` one, if it tells such things: its
    note, once, and seconds of drafting.
    """
    note, before = (getattr(each, "note", "") for each in (state, earlier))
    now, then = (getattr(each, "drafting", 0.0) for each in (state, earlier))
    return replace(step, note="" if note == before else note, drafting=now - then)


def _check_said(canvas: Canvas) -> None:
    """Raises NoNumbersError for a token that was written though the model said NaN there, or that
    no token is possible: any token is as good then, and its log-probability is NaN, too. That one
    lies on the CPU already, so that nothing waits for a device.
    """
    odd_BN = np.isnan(canvas.logprobs_BN.numpy())
    if not odd_BN.any():
        return
    row, cell = (int(at[0]) for at in odd_BN.nonzero())
    nth = 1 + int((canvas.status_BN[row, :cell] != GIVEN).sum())
    where = f"of text {row + 1}" if len(odd_BN) > 1 else "of the text"
    raise NoNumbersError(
        f"the model's logits are no numbers at token {nth} {where} (NaN, or no token is possible): "
        "its weights are damaged, or too large for this precision"
    )


def _check(decoder: Decoder, model: Any) -> None:
    lacking = missing(model, decoder.needs)
    if lacking:
        name = type(decoder).__name__
        raise ValueError(
            f"{name} needs a {lacking[0]}, and this model is none: "
            "`anyorder decoders` says which decoder needs what"
        )


def run(
    decoder: Decoder,
    model: Any,
    canvas: Canvas,
    sampler: Sampler,
    stops: Stops | None = None,
) -> Trace:
    """All steps at once: the trace of the whole run."""
    trace = Trace(canvas)
    watch = (stops or Stops()).start(canvas)
    made = [step for step, _ in steps(decoder, model, canvas, sampler, watch)]
    return Trace(trace.start, tuple(made))
