"""One shot: the model is asked once, a search finds the best text in its answer.

A decoder of this kind says which text it finds: `find` where the model's answer is all it needs,
else `search`. The loop is the same for all, and final.
The text goes into the open cells after what is given, and each row ends where its text ends.
Shapes: B rows, P tokens written.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, final

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from anyorder.align.scorer import Spelled
from anyorder.canvas import DONE, DRAFT, OPEN, PAD, Canvas
from anyorder.decode.sampling import Sampler


@dataclass(frozen=True)
class Found:
    """The text of each row: its first `count_B` tokens, and the model's log-probability of each:
    of the cell that it was read from, or an even part of the text's, where it has no one cell.
    """

    tokens_BP: Int[Tensor, "B P"]
    logprobs_BP: Float[Tensor, "B P"]
    count_B: Int[Tensor, " B"]


@dataclass(frozen=True)
class Shot:
    """State of the loop: nothing but the canvas."""

    canvas: Canvas

    def with_canvas(self, canvas: Canvas) -> "Shot":
        return Shot(canvas)


class InOneCall(ABC):
    """The loop. Subclasses are frozen dataclasses that say how to search; nothing else differs."""

    exact: ClassVar[bool] = False
    needs: ClassVar[tuple[type, ...]]

    @abstractmethod
    def search(self, model: Any, canvas: Canvas, sampler: Sampler) -> Found:
        """Ask the model once, and search; the coins of the run are there for what is drawn."""

    @final
    def most_calls(self, canvas: Canvas) -> int:
        return 1

    @final
    def start(self, model: Any, canvas: Canvas, sampler: Sampler) -> Shot:
        """Raises ValueError as `parallel_only` does."""
        parallel_only(type(self).__name__, canvas, sampler)
        return Shot(canvas)

    @final
    def step(self, model: Any, state: Shot, sampler: Sampler) -> Shot:
        canvas, found = state.canvas, self.search(model, state.canvas, sampler)
        begin_B = canvas.frontier_B
        canvas = canvas.write(begin_B, found.tokens_BP, found.count_B, found.logprobs_BP)
        for row, end in enumerate((begin_B + found.count_B).tolist()):
            if end < canvas.tokens_BN.shape[1]:
                canvas = canvas.cut(row, end)
        return Shot(canvas)


def parallel_only(name: str, canvas: Canvas, sampler: Sampler) -> None:
    """Raises ValueError above temperature 0 (a parallel text is searched for, not drawn), and for
    words that are given after the beginning.
    """
    if bool((canvas.final_BN.sum(-1) > canvas.frontier_B).any()):
        raise ValueError(
            f"{name} writes a whole text at once and can't keep words that are given in it; "
            "use a decoder that writes step by step"
        )
    greedy_only(name, sampler)


def greedy_only(name: str, sampler: Sampler) -> None:
    """Raises ValueError above temperature 0: a parallel text is searched for, not drawn."""
    if not sampler.greedy:
        raise ValueError(f"{name} finds the best text and draws none; set the temperature to 0")


def shown(canvas: Canvas, found: Found, ready_B: Bool[Tensor, " B"]) -> Canvas:
    """The texts after what is final: as drafts, in the place of older ones; those of rows that are
    ready for good, and nothing behind them.
    """
    fresh_BN = canvas.status_BN.masked_fill(canvas.status_BN == DRAFT, OPEN)
    fresh, begin_B = replace(canvas, status_BN=fresh_BN), canvas.frontier_B
    written = fresh.write(begin_B, found.tokens_BP, found.count_B, found.logprobs_BP)
    new_BN, ready_B1 = (written.status_BN == DONE) & fresh.open_BN, ready_B[:, None]
    status_BN = written.status_BN.masked_fill(new_BN & ~ready_B1, DRAFT)
    behind_BN = (status_BN == OPEN) & ready_B1
    return replace(written, status_BN=status_BN.masked_fill(behind_BN, PAD))


def evenly(texts: Sequence[Spelled]) -> Found:
    """Texts that are summed over many paths: each token has an even part of its text's log p."""
    logprobs = [[text.logp / max(len(text.tokens), 1)] * len(text.tokens) for text in texts]
    return ragged([text.tokens for text in texts], logprobs)


class OneShot(InOneCall):
    """What is found follows from the model's answer alone."""

    @abstractmethod
    def find(self, model: Any) -> Found:
        """Ask the model once, and search."""

    @final
    def search(self, model: Any, canvas: Canvas, sampler: Sampler) -> Found:
        return self.find(model)


def ragged(rows: Sequence[Sequence[int]], logprobs: Sequence[Sequence[float]]) -> Found:
    """Texts as lists, as one block."""
    P = max(1, *map(len, rows))
    tokens_BP = torch.tensor([[*row, *[0] * (P - len(row))] for row in rows])
    logprobs_BP = torch.tensor([[*row, *[0.0] * (P - len(row))] for row in logprobs])
    return Found(tokens_BP, logprobs_BP, torch.tensor([len(row) for row in rows]))
