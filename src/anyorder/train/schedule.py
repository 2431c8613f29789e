"""Learning rates by step.

rate = InverseRoot(peak=2e-3, warmup=200)
rate(step=0, steps=3000)
"""

import math
from dataclasses import dataclass
from typing import Protocol, runtime_checkable


@runtime_checkable
class Schedule(Protocol):
    """The learning rate of a step; `steps` is how many there will be."""

    def __call__(self, step: int, steps: int) -> float: ...


@dataclass(frozen=True, kw_only=True)
class InverseRoot:
    """Rises evenly for `warmup` steps, then falls as 1 / sqrt(step) (arXiv:1706.03762, 5.3)."""

    peak: float = 2e-3
    warmup: int = 400

    def __call__(self, step: int, steps: int) -> float:
        """
        >>> [InverseRoot(peak=1.0, warmup=4)(step, 100) for step in (0, 3, 15)]
        [0.25, 1.0, 0.5]
        """
        at = step + 1
        return self.peak * min(at / self.warmup, math.sqrt(self.warmup / at))


@dataclass(frozen=True, kw_only=True)
class Cosine:
    """Rises evenly for `warmup` steps, then falls to `last` of the peak along half a cosine."""

    peak: float = 2e-3
    warmup: int = 200
    last: float = 0.05

    def __call__(self, step: int, steps: int) -> float:
        """
        >>> [round(Cosine(peak=1.0, warmup=1, last=0.0)(step, 3), 6) for step in (0, 1, 2)]
        [1.0, 0.5, 0.0]
        """
        if step < self.warmup:
            return self.peak * (step + 1) / self.warmup
        done = (step + 1 - self.warmup) / max(steps - self.warmup, 1)
        falling = 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))
        return self.peak * (self.last + (1 - self.last) * falling)


@dataclass(frozen=True, kw_only=True)
class Until:
    """Those of a training of `steps` steps, of which fewer are made: what it has when it is
    stopped there is what the whole one had on the way.
    """

    schedule: Schedule
    steps: int

    def __call__(self, step: int, steps: int) -> float:
        """
        >>> Until(schedule=Cosine(peak=1.0, warmup=1, last=0.0), steps=3)(1, 2)
        0.5
        """
        return self.schedule(step, self.steps)
