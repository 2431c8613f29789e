"""What the loop of draft and verify carries from call to call.

state = Drafting(canvas, cache, memory)
state.since(begun)                # the drafter was busy from `begun` until now
"""

import time
from dataclasses import dataclass, replace
from typing import Any

from anyorder.canvas import Canvas
from anyorder.models.capability import Cache


@dataclass(frozen=True)
class Drafting:
    """State of the loop: the canvas, the target's cache, the drafter's own memory.

    `most`: cells of a draft that fit into memory (None: all did so far). `note`: what went wrong.
    `drafting`: seconds that the drafter took so far, to begin, to guess and to observe.
    """

    canvas: Canvas
    cache: Cache
    memory: Any
    most: int | None = None
    note: str = ""
    drafting: float = 0.0

    def with_canvas(self, canvas: Canvas) -> "Drafting":
        return replace(self, canvas=canvas)

    def since(self, begun: float) -> "Drafting":
        """The state after the drafter was busy from `begun` (of `time.perf_counter`) until now."""
        return replace(self, drafting=self.drafting + time.perf_counter() - begun)
