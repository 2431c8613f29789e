"""Stopping criteria and streamers of `transformers`, asked token by token.

    ends = Ends(criteria, prompts, scores, streamer)
    steps(decoder, lm, canvas, sampler, ends)

A decoder may write many tokens at once: each is shown to the criteria with those before it, so that
a text ends where it would have ended one token at a time. Criteria see one row at a time.
"""

from dataclasses import dataclass, field
from typing import Any, cast

from transformers.generation.stopping_criteria import StoppingCriteriaList
from transformers.generation.streamers import BaseStreamer

from anyorder.canvas import Canvas
from anyorder.interop.processors import Scores
from anyorder.interop.prompts import Prompts


@dataclass(eq=False)
class Ends:
    """Satisfies `Check`. Made for one call."""

    criteria: StoppingCriteriaList
    prompts: Prompts
    scores: Scores | None = None
    streamer: BaseStreamer | None = None
    looked: dict[int, int] = field(default_factory=dict)  # cells of each row that were shown
    ended: set[int] = field(default_factory=set)

    def check(self, canvas: Canvas) -> Canvas:
        """The canvas with every row cut behind the first token that ended it."""
        for row, prompt in enumerate(self.prompts.rows):
            tokens, begin = canvas.row(row), self.looked.get(row, len(prompt))
            for cell in range(begin, len(tokens) if row not in self.ended else begin):
                if self._ends(row, tokens[: cell + 1]):
                    canvas = canvas.cut(row, cell + 1)
                    self.ended.add(row)
                    break
            self.looked[row] = len(tokens)
        if self.scores:
            self.scores.said.clear()
        return canvas

    def _ends(self, row: int, tokens: list[int]) -> bool:
        ids_L = self.prompts.shown(row, tokens)
        if self.streamer is not None:
            self.streamer.put(ids_L[-1:].cpu())
        if self.scores:
            self.scores.keep(row, ids_L)
        before = self.scores.of_row(row) if self.scores else None
        return bool(self.criteria(cast(Any, ids_L[None]), cast(Any, before)).any())
