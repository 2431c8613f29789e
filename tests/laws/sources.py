"""Drafters that copy from a source, among the subjects of the laws.

    FromSource(AggressiveDecoding(source=True))

The models of the laws read no sources, so each row is lent one that follows from its prompt alone:
what a model makes of its source is its own affair, what a drafter copies is what the laws judge.
"""

from dataclasses import dataclass
from typing import Any, final

from anyorder.canvas import GIVEN, Canvas
from anyorder.decode.draft_verify.draft import Draft, Seen
from anyorder.decode.draft_verify.loop import DraftVerify
from anyorder.decode.sampling import Sampler


@dataclass(frozen=True)
class HasRead:
    """What a drafter asks of a model that has read sources."""

    sources: list[list[int]]


@final
@dataclass(frozen=True)
class FromSource(DraftVerify):
    """The drafter, with a source for each row: the prompt, without its first tokens, three times
    over.
    """

    inner: DraftVerify

    @property
    def most_drafted(self) -> int:
        return self.inner.most_drafted

    def begin(self, model: Any, canvas: Canvas, sampler: Sampler) -> Any:
        prompt_B = (canvas.status_BN == GIVEN).long().cumprod(-1).sum(-1).tolist()
        rows = [row[:n] for row, n in zip(canvas.tokens_BN.tolist(), prompt_B, strict=True)]
        lent: Any = HasRead([row[len(row) // 2 :] * 3 for row in rows])
        return self.inner.begin(lent, canvas, sampler)

    def draft(self, memory: Any, canvas: Canvas, sampler: Sampler) -> Draft | None:
        return self.inner.draft(memory, canvas, sampler)

    def observe(self, memory: Any, seen: Seen) -> Any:
        return self.inner.observe(memory, seen)
