"""What the loop of draft and verify carries from call to call.

state = Drafting(canvas, cache, memory)
state.since(begun)                # the drafter was busy from `begun` until now
state.asked(draft, "PromptCopy")  # it was asked for a draft, and this came
"""

import time
from dataclasses import dataclass, replace
from typing import Any, Final

from anyorder.canvas import Canvas
from anyorder.decode.draft_verify.draft import Draft
from anyorder.decode.draft_verify.guard import Fault
from anyorder.models.capability import Cache

PATIENCE: Final = 32  # calls without any guess, before a run says so


@dataclass(frozen=True)
class Drafting:
    """State of the loop: the canvas, the target's cache, the drafter's own memory.

    `declared`: the most cells of a draft that the drafter had declared, for which the cache has
    room. `most`: cells of a draft that fit into memory (None: all did so far). `note`: what went
    wrong, or that nothing was guessed. `drafting`: seconds that the drafter took so far, to begin,
    to guess and to observe. `idle`: calls in which it was asked for guesses, as long as there never
    was one (None: there was, or the note says that there was none).
    """

    canvas: Canvas
    cache: Cache
    memory: Any
    declared: int = 0
    most: int | None = None
    note: str = ""
    drafting: float = 0.0
    idle: int | None = 0

    @property
    def failed(self) -> bool:
        """Whether the drafter is asked no more."""
        return isinstance(self.memory, Fault)

    def with_canvas(self, canvas: Canvas) -> "Drafting":
        return replace(self, canvas=canvas)

    def since(self, begun: float) -> "Drafting":
        """The state after the drafter was busy from `begun` (of `time.perf_counter`) until now."""
        return replace(self, drafting=self.drafting + time.perf_counter() - begun)

    def asked(self, draft: Draft | None, drafter: str) -> "Drafting":
        """The state after it was asked for guesses. None at all in so many calls, and it is told,
        once; guesses that come later are as welcome.
        """
        if self.idle is None:
            return self
        if draft is not None and draft.guesses:
            return replace(self, idle=None)
        if self.idle + 1 < PATIENCE:
            return replace(self, idle=self.idle + 1)
        nothing = f"{drafter} has found nothing to draft in {PATIENCE} calls"
        return replace(self, idle=None, note=f"{nothing}: so far the text is written left to right")
