"""A tandem alone: a large model reads in blocks, and a small one writes what is in them.

    Tandem(block=4)
    Tandem(block=4, free=True)                    # the large model writes the first one of each

The large model reads the prompt, then each block when it is full, in one call; the small one writes
token by token, told what the large one knows of all blocks before. In blocks of one the small model
sees all that the large one knows. A call of the large model also says what it would write next:
this token is free. With it a block of one is left to right.
What is written is the small model's word, and so are its log-probabilities. Its calls count as
those of a draft model.
Source: Nair et al. 2024 (arXiv:2402.08644), section 3.
Shapes: B rows, T cells read, V vocabulary.
"""

from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any, ClassVar, final

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from anyorder.canvas import OPEN, Canvas
from anyorder.decode.reading import SLICE, history, logprobs, open_run, parts, pending, room
from anyorder.decode.sampling import Sampler
from anyorder.masks import Tree
from anyorder.meter import beside
from anyorder.models.capability import Cache
from anyorder.models.further import SmallLM, TandemLM


@dataclass(frozen=True)
class InTandem:
    """The canvas, and what each model has read; `counted`: the small one, on the meter."""

    canvas: Canvas
    cache: Cache
    small: SmallLM
    counted: Any
    small_cache: Cache

    def with_canvas(self, canvas: Canvas) -> "InTandem":
        return replace(self, canvas=canvas)


@final
@dataclass(frozen=True)
class Tandem:
    """The small model of a tandem writes blocks of `block` tokens, each read by the large one when
    it is full; `free`: the large one writes the first token of each.
    """

    block: int = 4
    free: bool = False

    exact: ClassVar[bool] = False
    needs: ClassVar[tuple[type, ...]] = (TandemLM,)

    def __post_init__(self) -> None:
        if self.block < 1:
            raise ValueError(f"a block has 1 token or more, not {self.block}")

    def most_calls(self, canvas: Canvas) -> int:
        """A call a block, which ends before a forced cell, too; and those that read a prompt."""
        blocks = [
            sum(-(-len(list(run)) // self.block) for is_open, run in groupby(row) if is_open)
            for row in (canvas.status_BN == OPEN).tolist()
        ]
        return max(blocks) + canvas.tokens_BN.numel() // SLICE

    def start(self, model: Any, canvas: Canvas, sampler: Sampler) -> InTandem:
        B, cells = len(canvas.tokens_BN), room(canvas) + self.block
        cache, small = model.new_cache(B, cells), model.small
        return InTandem(canvas, cache, small, beside(model, small), small.new_cache(B, cells))

    def step(self, model: Any, state: InTandem, sampler: Sampler) -> InTandem:
        """One block of each row."""
        canvas, cache, own = state.canvas, state.small_cache, None
        left_B = open_run(canvas).clamp_max(self.block) * canvas.live_B
        logits_BV = _read(model, state)
        if not self.free:  # behind the newest cell, which it sees as the large one knows it
            cache.trim(cache.length_B - left_B.clamp_max(1))
            newest_B = canvas.tokens_BN.gather(1, (canvas.frontier_B - 1).clamp_min(0)[:, None])
            logits_BV = _said(state, newest_B, left_B > 0)
        while True:
            canvas, own = _wrote(canvas, logits_BV, left_B > 0, sampler)
            left_B = (left_B - 1).clamp_min(0)
            left_B = left_B * ~torch.isin(own[:, 0], torch.tensor(sampler.eos_ids).long())
            if not bool(left_B.any()):
                return replace(state, canvas=canvas)
            logits_BV = _said(state, own, left_B > 0)


def _read(model: Any, state: InTandem) -> Float[Tensor, "B V"]:
    """Let the large model read all that is new, and the small one see it; what the large one says
    comes next. Features come with logits alone, so the head is computed for every cell that is
    read, though one is asked for with `free`, and none without.
    """
    state.small_cache.trim(state.cache.length_B)  # what the small one knew by itself
    last_BV = None
    for part in parts(pending(state.canvas, state.cache), SLICE):
        chain_BT = part.path_BT - 1
        tree = Tree(chain_BT, part.width) if part.width > 1 else None  # nothing is guessed here
        logits_BTV, features_BTC = model.extend_with_features(
            part.tokens_BT, state.cache, tree=tree
        )
        state.cache.keep(part.path_BT, part.count_B)
        state.small.see(features_BTC, part.count_B, state.small_cache)
        ends_BV = logits_BTV[torch.arange(len(logits_BTV)), part.last_B1[:, 0]]
        last_BV = ends_BV if last_BV is None else ends_BV.where(part.count_B[:, None] > 0, last_BV)
    assert last_BV is not None, "there is always a cell to read"
    return last_BV


def _said(
    state: InTandem, tokens_B1: Int[Tensor, "B 1"], reads_B: Bool[Tensor, " B"]
) -> Float[Tensor, "B V"]:
    """What the small model says behind one token more, of the rows that read it."""
    tokens_B1 = tokens_B1.clamp_max(state.counted.vocab_size - 1)
    logits_B1V = state.counted.extend(tokens_B1, state.small_cache)
    state.small_cache.keep(torch.zeros_like(tokens_B1), reads_B.long())
    return logits_B1V[:, 0]


def _wrote(
    canvas: Canvas,
    logits_BV: Float[Tensor, "B V"],
    writes_B: Bool[Tensor, " B"],
    sampler: Sampler,
) -> tuple[Canvas, Int[Tensor, "B 1"]]:
    """One token more of the rows that write, and which."""
    logits_B1V = logits_BV[:, None]
    past = history(canvas, canvas.tokens_BN[:, :0]) if sampler.wants_history else None
    token_B1 = sampler.pick(logits_B1V, canvas.frontier_B[:, None], past).cpu()
    scores_B1 = logprobs(logits_B1V, token_B1)
    return canvas.write(canvas.frontier_B, token_B1, writes_B.long(), scores_B1), token_B1
