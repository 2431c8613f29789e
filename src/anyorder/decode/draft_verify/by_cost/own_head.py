"""What `Auto` makes of a model's own head, if it has one: chains that end where they stop paying.

    own = OwnHead.of(model, canvas, sampler, 21)  # None for a model without a head
    found = own.guess(canvas, costs)      # a draft, and how many tokens it promises

The head says how sure it is, and a guess is worth its cell while the odds that all up to it are
right exceed what it costs: a cell more in the call, and the head's own time, as measured here.
A head that has cost more time than its guesses saved is asked no more in that run.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from anyorder.canvas import Canvas
from anyorder.decode.draft_verify.by_cost.experience import Trust
from anyorder.decode.draft_verify.draft import Draft, Seen
from anyorder.decode.draft_verify.from_heads.recursive_head import Onward, RecursiveHead
from anyorder.decode.sampling import Sampler
from anyorder.meter import Metered
from anyorder.models.further import RecursiveLM

LONGEST = 6  # guesses of a chain
LEAST = 0.02  # below such odds nothing is guessed, however cheap it is
TRIAL = 16  # calls after which a head must have paid


@dataclass
class OwnHead:
    """The head's memory; what came of its promises; seconds that it takes for a guess; tokens that
    a round of it writes beyond each row's first, lately; `saved`: seconds of calls that were not
    needed, less those that the head took, in so many `rounds`.
    """

    memory: Onward
    trust: Trust = field(default_factory=Trust)
    seconds: float = 0.0
    beyond: float = 1.0
    saved: float = 0.0
    rounds: int = 0

    @property
    def pays(self) -> bool:
        """Whether it has, or has yet to show it."""
        return self.rounds < TRIAL or self.saved > 0

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
        took = time.perf_counter() - begun
        self.saved -= took
        if found is None:
            self.seconds *= 0.98  # it may have been a slow moment
            return None
        draft, hoped = found
        each = took / draft.tokens_BK.shape[1]
        usual = self.seconds or each
        self.seconds = usual + 0.1 * (min(each, 2 * usual) - usual)  # a pause is no habit
        return draft, hoped

    def observe(self, seen: Seen) -> "OwnHead":
        """The head reads what was written."""
        begun = time.perf_counter()
        memory = RecursiveHead().observe(self.memory, seen)
        took, first = time.perf_counter() - begun, seen.written is None  # a prompt is read once
        return replace(
            self,
            memory=memory,
            saved=self.saved - took * (not first),
            rounds=self.rounds + (not first),
        )

    def see(self, hoped: float, wrote: float, live: int, call: float) -> None:
        """What came of a draft of it, where a call that drafts nothing takes `call` seconds."""
        self.trust.see(hoped, wrote)
        self.beyond += 0.05 * (wrote / max(live, 1) - self.beyond)
        self.saved += call * wrote / max(live, 1)
