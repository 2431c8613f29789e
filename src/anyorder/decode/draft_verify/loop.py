"""Draft and verify: guess several tokens, check them all in one call, keep what is right.

A decoder of this kind says how it drafts (`begin`, `draft`, `observe`); the loop is the same for
all, and final. Each call reads the last committed token (the root) and the draft tree below it,
at any batch size; rows accept different numbers of tokens.
Shapes: B rows, T cells read in a call, K drafted cells, J chains of W tokens, S scored cells,
V vocabulary, P cells of a path.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Any, ClassVar, final

import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor

from anyorder.canvas import Canvas
from anyorder.decode.draft_verify.accept import (
    Decide,
    Written,
    agreed,
    walk,
)
from anyorder.decode.draft_verify.selection import kept_or_redrawn
from anyorder.decode.reading import Pending, history, logprobs, open_run, pending, room
from anyorder.decode.sampling import ACCEPT, PICK, Sampler, draw
from anyorder.masks import Tree
from anyorder.models.capability import Cache, CausalLM

SLICE = 256  # cells of a prompt whose logits a drafter sees at once


@dataclass(frozen=True)
class Drawn:
    """Chains drawn at random, independently: their tokens, and what each was drawn from."""

    tokens_BJW: Int[Tensor, "B J W"]
    probs_BJWV: Float64[Tensor, "B J W V"]


@dataclass(frozen=True)
class Draft:
    """Guesses below the root. `parents_BK`: -1 is the root, k the k-th guess, -2 no guess.

    `drawn`: the chains that the guesses are from, where these were drawn at random; None: the
    guesses are certain, whatever made them.
    """

    tokens_BK: Int[Tensor, "B K"]
    parents_BK: Int[Tensor, "B K"]
    drawn: Drawn | None = None


@dataclass(frozen=True)
class Seen:
    """What a call showed: the cells read, the logits after them, and the canvas that came of it.

    `real_BS` marks scored cells that are no padding. `written` is None while a prompt, or forced
    cells, are read; a long prompt comes in parts.
    """

    canvas: Canvas
    tokens_BS: Int[Tensor, "B S"]
    real_BS: Tensor
    logits_BSV: Float[Tensor, "B S V"]
    written: Written | None = None


@dataclass(frozen=True)
class Drafting:
    """State of the loop: the canvas, the target's cache, the drafter's own memory."""

    canvas: Canvas
    cache: Cache
    memory: Any

    def with_canvas(self, canvas: Canvas) -> "Drafting":
        return replace(self, canvas=canvas)


class DraftVerify(ABC):
    """The loop. Subclasses are frozen dataclasses that say how to draft; nothing else differs."""

    exact: ClassVar[bool] = True
    needs: ClassVar[tuple[type, ...]] = (CausalLM,)
    draws: ClassVar[bool] = False  # whether guesses are drawn at random above temperature 0

    @property
    @abstractmethod
    def most_drafted(self) -> int:
        """The largest number of cells that `draft` ever returns for a row."""

    @property
    def reads_prompt(self) -> bool:
        """Whether `observe` wants the logits of all prompt cells; it costs a larger first call."""
        return False

    @abstractmethod
    def begin(self, model: CausalLM, canvas: Canvas, sampler: Sampler) -> Any:
        """The drafter's memory for one run."""

    @abstractmethod
    def draft(self, memory: Any, canvas: Canvas, sampler: Sampler) -> Draft | None:
        """Guesses for what follows the frontier of each row; None: no guess for any row."""

    @abstractmethod
    def observe(self, memory: Any, seen: Seen) -> Any:
        """The memory after a call."""

    @final
    def most_calls(self, canvas: Canvas) -> int:
        """A call writes a token at the least, but where it only reads: see `_read_on`."""
        final_BN = canvas.final_BN.long()
        runs = int((final_BN.diff(dim=-1, prepend=final_BN[:, :1] * 0) > 0).sum())
        slices = final_BN.numel() // SLICE if self.reads_prompt else 0
        return int(canvas.open_BN.sum(-1).max()) + runs * self.draws + slices

    @final
    def start(self, model: CausalLM, canvas: Canvas, sampler: Sampler) -> Drafting:
        B = len(canvas.tokens_BN)
        cache = model.new_cache(B, room(canvas) + self.most_drafted + 1)
        return Drafting(canvas, cache, self.begin(model, canvas, sampler))

    @final
    def step(self, model: CausalLM, state: Drafting, sampler: Sampler) -> Drafting:
        read = pending(state.canvas, state.cache)
        first = read.width > 1 or int(state.cache.length_B.max()) == 0  # a prompt, or forced cells
        drawn = self.draws and not sampler.greedy
        if drawn or (self.reads_prompt and read.width > SLICE):
            state = self._read_on(model, state, read, leave=1 if drawn else SLICE)
            read, first = pending(state.canvas, state.cache), first and not drawn
        draft = None if first else self.draft(state.memory, state.canvas, sampler)
        if draft is None:
            return self._read(model, state, read, first, sampler)
        return self._verify(model, state, read, draft, sampler)

    def _read_on(self, model: CausalLM, state: Drafting, read: Pending, *, leave: int) -> Drafting:
        """Read all but each row's last `leave` tokens, and write none.

        For drafters that look on while a prompt is read, so that the logits of a long one are
        never held all at once; and for guesses that are drawn, so that a guess comes before every
        token: it is judged by other coins than a token that no guess foretold, and where drafts
        begin must follow from the row's own text, not from what a neighbour or a run that was
        stopped has still to read.
        """
        B, begin, left_B = len(read.count_B), 0, (read.count_B - leave).clamp_min(0)
        while begin < int(left_B.max()):
            count_B = (left_B - begin).clamp(0, SLICE)
            tokens_BT = read.tokens_BT[:, begin : begin + int(count_B.max())]
            cells_T = torch.arange(tokens_BT.shape[1])
            score_BS = None if self.reads_prompt else torch.zeros(B, 0, dtype=torch.long)
            logits_BTV = model.extend(tokens_BT, state.cache, score_BS=score_BS)
            state.cache.keep(cells_T.expand(B, -1), count_B)
            if self.reads_prompt:
                seen = Seen(state.canvas, tokens_BT, cells_T < count_B[:, None], logits_BTV)
                state = replace(state, memory=self.observe(state.memory, seen))
            begin += len(cells_T)
        return state

    def _read(
        self, model: CausalLM, state: Drafting, read: Pending, first: bool, sampler: Sampler
    ) -> Drafting:
        """Read what is written and write the one token that follows, as `LeftToRight` does."""
        canvas, cache = state.canvas, state.cache
        B, T = read.tokens_BT.shape
        all_cells = self.reads_prompt or T == 1
        logits_BSV = model.extend(
            read.tokens_BT, cache, score_BS=None if all_cells else read.last_B1
        )
        cache.keep(torch.arange(T).expand(B, T), read.count_B)
        last_B1V = logits_BSV
        if all_cells and T > 1:
            last_B1V = logits_BSV[torch.arange(B)[:, None], read.last_B1]
        past = history(canvas, read.tokens_BT[:, :0]) if sampler.wants_history else None
        token_B1 = sampler.pick(last_B1V, canvas.frontier_B[:, None], past).cpu()
        live_B = read.count_B > 0
        written = Written(torch.zeros_like(token_B1), token_B1, live_B.long())
        canvas = canvas.write(
            canvas.frontier_B, token_B1, written.count_B, logprobs(last_B1V, token_B1)
        )
        if all_cells:
            tokens_BS, real_BS = read.tokens_BT, torch.arange(T) < read.count_B[:, None]
        else:
            tokens_BS, real_BS = read.tokens_BT.gather(1, read.last_B1), live_B[:, None]
        seen = Seen(canvas, tokens_BS, real_BS, logits_BSV, None if first else written)
        return Drafting(canvas, cache, self.observe(state.memory, seen))

    def _verify(
        self, model: CausalLM, state: Drafting, read: Pending, draft: Draft, sampler: Sampler
    ) -> Drafting:
        canvas, cache = state.canvas, state.cache
        tokens_BT = torch.cat([read.tokens_BT, draft.tokens_BK], 1)
        below_BK = torch.where(draft.parents_BK == -2, -2, draft.parents_BK + 1)
        parents_BT = torch.cat([torch.full_like(read.tokens_BT, -1), below_BK], 1)
        tree = Tree(parents_BT)
        logits_BTV = model.extend(tokens_BT, cache, tree=None if tree.is_chain else tree)
        live_B = read.count_B > 0
        if sampler.greedy and not sampler.wants_history:
            at_BT = canvas.frontier_B[:, None].expand(tokens_BT.shape)
            written = agreed(tokens_BT, parents_BT, sampler.pick(logits_BTV, at_BT).cpu())
        else:
            decide = decider(sampler, canvas, logits_BTV, draft)
            written = walk(tokens_BT, parents_BT, decide)
        written = written.capped(open_run(canvas) * live_B)
        cache.keep(written.path_BP, written.count_B)
        path_BPV = logits_BTV[torch.arange(len(tokens_BT))[:, None], written.path_BP]
        canvas = canvas.write(
            canvas.frontier_B,
            written.tokens_BP,
            written.count_B,
            logprobs(path_BPV, written.tokens_BP),
        )
        real_BT = (parents_BT > -2) & live_B[:, None]
        seen = Seen(canvas, tokens_BT, real_BT, logits_BTV, written)
        return Drafting(canvas, cache, self.observe(state.memory, seen))


def decider(
    sampler: Sampler,
    canvas: Canvas,
    logits_BTV: Float[Tensor, "B T V"],
    draft: Draft,
) -> Decide:
    """What the target writes after a cell of the draft.

    A guess that is certain is accepted when the target, with the coin of that cell, picks the same
    token; that is the token which left-to-right decoding with this seed picks there. Of guesses
    that were drawn one is kept, or none: see `selection`.
    """
    rows_B, frontier_B = torch.arange(len(logits_BTV)), canvas.frontier_B

    def after(cell_B: Tensor, said_BP: Tensor) -> Tensor:
        at_B1 = frontier_B[:, None] + said_BP.shape[1]
        past = history(canvas, said_BP) if sampler.wants_history else None
        logits_B1V = logits_BTV[rows_B, cell_B][:, None]
        if draft.drawn is None or sampler.greedy:
            return sampler.pick(logits_B1V, at_B1, past)[:, 0]
        p_BV = sampler.probs(logits_B1V, past)[:, 0].cpu()
        return selected(p_BV, draft.drawn, said_BP, sampler, at_B1)

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
