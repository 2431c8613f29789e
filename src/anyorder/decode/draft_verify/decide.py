"""Which token follows a cell of a draft: the target's word, or a guess that is as good.

    decide = decider(sampler, told, draft.drawn)
    decide = lenient(decide, sampler, told, allows)      # not exact
    written = walk(tokens_BT, parents_BT, decide)

Shapes: B rows, T cells of a call (cell 0 is the root), P cells of a path, J chains of W tokens,
C guesses for one place, V vocabulary.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor

from anyorder.canvas import Canvas
from anyorder.decode.draft_verify.accept import Allows, Decide
from anyorder.decode.draft_verify.draft import Drawn
from anyorder.decode.draft_verify.selection import kept_or_redrawn
from anyorder.decode.reading import history
from anyorder.decode.sampling import ACCEPT, PICK, Sampler, draw

# another way to judge guesses: (what is exact, sampler, what was told, the chains that the guesses
# are from if they were drawn, the drafter's memory) -> what to do instead
Judge = Callable[[Decide, Sampler, "Told", Drawn | None, Any], Decide]


@dataclass(frozen=True)
class Told:
    """A draft below the text, as the target read it, and what it says after each of its cells."""

    canvas: Canvas
    tokens_BT: Int[Tensor, "B T"]
    parents_BT: Int[Tensor, "B T"]
    logits_BTV: Float[Tensor, "B T V"]

    def without(self, probes: int) -> "Told":
        """The same but for its last cells."""
        if not probes:
            return self
        S = self.tokens_BT.shape[1] - probes
        return Told(
            self.canvas, self.tokens_BT[:, :S], self.parents_BT[:, :S], self.logits_BTV[:, :S]
        )

    def after(self, cell_B: Int[Tensor, " B"]) -> Float[Tensor, "B 1 V"]:
        """The logits after one cell of each row."""
        return self.logits_BTV[torch.arange(len(cell_B)), cell_B][:, None]


def decider(sampler: Sampler, told: Told, drawn: Drawn | None) -> Decide:
    """What the target writes after a cell of the draft.

    A guess that is certain is accepted when the target, with the coin of that cell, picks the same
    token; that is the token which left-to-right decoding with this seed picks there. Of guesses
    that were drawn one is kept, or none: see `selection`.
    """
    frontier_B = told.canvas.frontier_B

    def after(cell_B: Tensor, said_BP: Tensor) -> Tensor:
        at_B1 = frontier_B[:, None] + said_BP.shape[1]
        past = history(told.canvas, said_BP) if sampler.wants_history else None
        if drawn is None or sampler.greedy:
            return sampler.pick(told.after(cell_B), at_B1, past)[:, 0]
        p_BV = sampler.probs(told.after(cell_B), past)[:, 0].cpu()
        return selected(p_BV, drawn, said_BP, sampler, at_B1)

    return after


def selected(
    p_BV: Float64[Tensor, "B V"],
    drawn: Drawn,
    said_BP: Int[Tensor, "B P"],
    sampler: Sampler,
    at_B1: Int[Tensor, "B 1"],
) -> Int[Tensor, " B"]:
    """The next token of each row: of the chains that say what was said so far, or another one."""
    W, at = drawn.tokens_BJW.shape[2], said_BP.shape[1]
    coins_B, pick_B = (sampler.coins.at(at_B1, kind)[:, 0] for kind in (ACCEPT, PICK))
    if at == W:  # all was right: the bonus
        return draw(p_BV[:, None], pick_B[:, None])[:, 0]
    alive_BJ = (drawn.tokens_BJW[:, :, :at] == said_BP[:, None]).all(-1)
    first_B = alive_BJ.long().argmax(-1)  # those that agree so far have the same distribution
    q_BV = drawn.probs_BJWV[torch.arange(len(p_BV)), first_B, at]
    return kept_or_redrawn(p_BV, q_BV, drawn.tokens_BJW[:, :, at], alive_BJ, coins_B, pick_B)


def lenient(decide: Decide, sampler: Sampler, told: Told, allows: Allows) -> Decide:
    """The target's word where it was guessed; else the first guess that is allowed; else its word.

    Bias and penalty count for what is allowed, too.
    """

    def after(cell_B: Tensor, said_BP: Tensor) -> Tensor:
        token_B = decide(cell_B, said_BP)
        child_BT = told.parents_BT == cell_B[:, None]
        found_B = (child_BT & (told.tokens_BT == token_B[:, None])).any(-1)
        cells_C = (child_BT & ~found_B[:, None]).any(0).nonzero()[:, 0]
        if not len(cells_C):
            return token_B  # to look at a guess costs time
        past = history(told.canvas, said_BP) if sampler.wants_history else None
        logits_BV = sampler.logits(told.after(cell_B), past)[:, 0]
        guess_BC = told.tokens_BT[:, cells_C]
        right_BC = child_BT[:, cells_C] & allows(logits_BV, guess_BC, said_BP.shape[1]).cpu()
        first_B1 = right_BC.long().argmax(-1, keepdim=True)
        takes_B = right_BC.any(-1) & ~found_B
        return guess_BC.gather(1, first_B1)[:, 0].where(takes_B, token_B)

    return after
