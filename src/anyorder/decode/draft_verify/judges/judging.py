"""A judge of another drafter's guesses, who accepts more than the target would write.

    @final
    @dataclass(frozen=True)
    class Generous(Judging):
        @property
        def judge(self) -> Judge: ...

Whatever the loop asks of a drafter is handed on to the one within, so that a judge may be put
around any of them. Shapes do not appear here.
"""

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

from anyorder.canvas import Canvas
from anyorder.decode.draft_verify.decide import Judge
from anyorder.decode.draft_verify.draft import Draft, Seen
from anyorder.decode.draft_verify.loop import DraftVerify
from anyorder.decode.sampling import Sampler


@dataclass(frozen=True)
class Judged:
    """The memory of the drafter, and what the judge looks at."""

    drafter: Any
    judge: Any = None


@dataclass(frozen=True)
class Judging(DraftVerify):
    """Drafts as `by` does, and judges its guesses in another way; not exact.

    What is guessed counts here. So `by` must guess from the row alone, and may not have a judge.
    Raises ValueError.
    """

    by: DraftVerify
    exact: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if not isinstance(self.by, DraftVerify):
            raise ValueError(f"{type(self.by).__name__} makes no guesses that could be accepted")
        if self.by.judge is not None:
            raise ValueError("the drafter is lenient already; give its options to this one")
        if not self.by.of_the_row:
            raise ValueError(
                f"the guesses of {type(self.by).__name__} depend on the rows beside, or on time, "
                "so that they may not change a text; take another drafter"
            )
        for fact in ("needs", "draws", "sparing"):  # of the class, elsewhere; here of the drafter
            object.__setattr__(self, fact, getattr(self.by, fact))

    @property
    @abstractmethod
    def judge(self) -> Judge:
        """It gets the memory as `Judged`."""

    def looked_at(self, model: Any) -> Any:
        """What the judge will look at in this run."""
        return None

    @property
    def most_drafted(self) -> int:
        return self.by.most_drafted

    @property
    def reads_prompt(self) -> bool:
        return self.by.reads_prompt

    @property
    def probes_prompt(self) -> bool:
        return self.by.probes_prompt

    def reads_features(self, memory: Judged) -> bool:
        return self.by.reads_features(memory.drafter)

    def begin(self, model: Any, canvas: Canvas, sampler: Sampler) -> Judged:
        return Judged(self.by.begin(model, canvas, sampler), self.looked_at(model))

    def draft(self, memory: Judged, canvas: Canvas, sampler: Sampler) -> Draft | None:
        return self.by.draft(memory.drafter, canvas, sampler)

    def probe(self, memory: Judged, canvas: Canvas) -> Draft | None:
        return self.by.probe(memory.drafter, canvas)

    def observe(self, memory: Judged, seen: Seen) -> Judged:
        return Judged(self.by.observe(memory.drafter, seen), memory.judge)
