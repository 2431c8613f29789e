"""What `Auto` makes of a model's own head, if it has one: chains that end where they stop paying.

    own = OwnHead.of(model, canvas, sampler, 21)  # None for a model without a head
    found = own.guess(canvas, costs)      # a draft, and how many tokens it promises

The head says how sure it is, and a guess is worth its cell while the odds that all up to it are
right exceed what it costs: a cell more in the call, and the head's own time, as measured here.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from anyorder.canvas import Canvas
from anyorder.decode.draft_verify.draft import Draft, Seen
from anyorder.decode.draft_verify.experience import Trust
from anyorder.decode.draft_verify.recursive_head import Onward, RecursiveHead
from anyorder.decode.sampling import Sampler
from anyorder.meter import Metered
from anyorder.models.further import RecursiveLM

LONGEST = 6  # guesses of a chain
LEAST = 0.02  # below such odds nothing is guessed, however cheap it is


@dataclass
class OwnHead:
    """The head's memory; what came of its promises; seconds that it takes for a guess; tokens that
    a round of it writes beyond each row's first, lately.
    """

    memory: Onward
    trust: Trust = field(default_factory=Trust)
    seconds: float = 0.0
    beyond: float = 1.0

    @staticmethod
    def of(model: Any, canvas: Canvas, sampler: Sampler, most: int) -> "OwnHead | None":
        """For a model that has a head; else None. `most`: tokens that a call may write."""
        itself = model.model if isinstance(model, Metered) else model
        if not isinstance(itself, RecursiveLM):
            return None
        widest = RecursiveHead(width=max(most, LONGEST))  # whoever drafted, the head reads it all
        return OwnHead(widest.begin(model, canvas, sampler))

    def guess(self, canvas: Canvas, costs: Sequence[float]) -> tuple[Draft, float] | None:
        """A draft, and how many tokens the head expects of it beyond each row's first.

        `costs`: of calls with 0, 1, ... cells below each root.
        """
        begun = time.perf_counter()
        cell = (costs[LONGEST] - costs[1]) / (LONGEST - 1) + self.seconds
        sure = (1 + self.beyond) * cell / costs[1] / self.trust.share
        head = RecursiveHead(width=LONGEST, sure=min(max(sure, LEAST), 0.95))
        found = head.chain(self.memory, canvas)
        if found is None:
            self.seconds *= 0.98  # it may have been a slow moment
            return None
        draft, hoped = found
        took = (time.perf_counter() - begun) / draft.tokens_BK.shape[1]
        self.seconds += 0.1 * (took - self.seconds) if self.seconds else took
        return draft, hoped

    def observe(self, seen: Seen) -> "OwnHead":
        """The head reads what was written."""
        return replace(self, memory=RecursiveHead().observe(self.memory, seen))

    def see(self, hoped: float, wrote: float, live: int) -> None:
        """What came of a draft of it."""
        self.trust.see(hoped, wrote)
        self.beyond += 0.05 * (wrote / max(live, 1) - self.beyond)
