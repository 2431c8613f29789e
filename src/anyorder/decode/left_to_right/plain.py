"""Left to right, one token a call: the baseline, and the twin of every exact decoder.

    run(LeftToRight(), model, canvas, sampler)

Shapes: B rows, T cells to read, V vocabulary.
"""

from dataclasses import dataclass, replace
from typing import ClassVar

import torch

from anyorder.canvas import Canvas
from anyorder.decode.reading import history, logprobs, pending, room
from anyorder.decode.sampling import Sampler
from anyorder.models.capability import Cache, CausalLM


@dataclass(frozen=True)
class Reading:
    """The canvas and what the model has read of it."""

    canvas: Canvas
    cache: Cache

    def with_canvas(self, canvas: Canvas) -> "Reading":
        return replace(self, canvas=canvas)


@dataclass(frozen=True)
class LeftToRight:
    """One call, one token. The first call reads the prompt.

    Greedy at temperature 0, else sampling with the run's filters.
    """

    exact: ClassVar[bool] = True
    needs: ClassVar[tuple[type, ...]] = (CausalLM,)

    def most_calls(self, canvas: Canvas) -> int:
        return int(canvas.open_BN.sum(-1).max())

    def start(self, model: CausalLM, canvas: Canvas, sampler: Sampler) -> Reading:
        return Reading(canvas, model.new_cache(len(canvas.tokens_BN), room(canvas)))

    def step(self, model: CausalLM, state: Reading, sampler: Sampler) -> Reading:
        canvas, cache = state.canvas, state.cache
        read = pending(canvas, cache)
        logits_B1V = model.extend(read.tokens_BT, cache, score_BS=read.last_B1)
        B, T = read.tokens_BT.shape
        cache.keep(torch.arange(T).expand(B, T), read.count_B)
        seen = history(canvas, read.tokens_BT[:, :0]) if sampler.wants_history else None
        token_B1 = sampler.pick(logits_B1V, canvas.frontier_B[:, None], seen)
        written = canvas.write(
            canvas.frontier_B,
            token_B1,
            (read.count_B > 0).long(),
            logprobs(logits_B1V, token_B1),
        )
        return Reading(written, cache)
