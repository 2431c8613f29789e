"""Draft and verify: guess several tokens, check them all in one call, keep what is right.

A decoder of this kind says how it drafts (`begin`, `draft`, `observe`); the loop is the same for
all, and final. Each call reads the last committed token (the root) and the draft tree below it,
at any batch size; rows accept different numbers of tokens.
Shapes: B rows, T cells read in a call, K drafted cells, J chains of W tokens, S scored cells,
V vocabulary, P cells of a path, C channels.
"""

import time
from abc import ABC, abstractmethod
from dataclasses import replace
from typing import Any, ClassVar, final

import torch
from torch import Tensor

from anyorder.canvas import Canvas
from anyorder.decode.draft_verify.accept import Written, agreed, walk
from anyorder.decode.draft_verify.below import below
from anyorder.decode.draft_verify.decide import Judge, Told, decider
from anyorder.decode.draft_verify.draft import Draft, Seen
from anyorder.decode.draft_verify.drafting import Drafting
from anyorder.decode.draft_verify.guard import (
    FAILED,
    Fault,
    begun,
    declared,
    guarded,
    out_of_memory,
    shortened,
    told,
    warn,
)
from anyorder.decode.reading import (
    SLICE,
    Pending,
    history,
    logprobs,
    open_run,
    parts,
    pending,
    room,
)
from anyorder.decode.sampling import Sampler
from anyorder.models.capability import CausalLM


class DraftVerify(ABC):
    """The loop. Subclasses are frozen dataclasses that say how to draft; nothing else differs."""

    exact: ClassVar[bool] = True
    needs: ClassVar[tuple[type, ...]] = (CausalLM,)
    draws: ClassVar[bool] = False  # whether guesses are drawn at random above temperature 0
    of_the_row: ClassVar[bool] = True  # whether guesses follow from the row, not others or time
    sparing: ClassVar[bool] = False  # whether nothing is drafted where that would not pay

    @property
    @abstractmethod
    def most_drafted(self) -> int:
        """The largest number of cells that `draft` ever returns for a row."""

    @property
    def reads_prompt(self) -> bool:
        """Whether `observe` wants the logits of all prompt cells; it costs a larger first call."""
        return False

    @property
    def probes_prompt(self) -> bool:
        """Whether `probe` may have some."""
        return False

    def reads_features(self, memory: Any) -> bool:
        """Whether `observe` wants the features of scored cells, of a `FeaturedLM`."""
        return False

    @property
    def judge(self) -> Judge | None:
        """How guesses are judged, where that is not as the target itself writes; None is exact."""
        return None

    @abstractmethod
    def begin(self, model: CausalLM, canvas: Canvas, sampler: Sampler) -> Any:
        """The drafter's memory for one run. Raises ValueError, which ends the run, where it can't
        serve this model, or was made wrong; any other error is a fault, as in `draft`.
        """

    @abstractmethod
    def draft(self, memory: Any, canvas: Canvas, sampler: Sampler) -> Draft | None:
        """Guesses for what follows the frontier of each row; None: no guess for any row.

        The canvas is the run's own: whoever writes into its tensors changes the text.
        """

    def probe(self, memory: Any, canvas: Canvas) -> Draft | None:
        """Probes, for a call that reads a prompt or forced cells, in which nothing is guessed."""
        return None

    @abstractmethod
    def observe(self, memory: Any, seen: Seen) -> Any:
        """The memory after a call; what is seen is no copy either."""

    @final
    def most_calls(self, canvas: Canvas) -> int:
        """A call writes a token at the least, but where it only reads: see `_read_on`."""
        final_BN = canvas.final_BN.long()
        runs = int((final_BN.diff(dim=-1, prepend=final_BN[:, :1] * 0) > 0).sum())
        matter = self._guesses_matter(False)
        reads_on = self.reads_prompt or self.probes_prompt or matter
        slices = final_BN.numel() // SLICE if reads_on else 0
        return int(canvas.open_BN.sum(-1).max()) + runs * matter + slices

    @final
    def start(self, model: CausalLM, canvas: Canvas, sampler: Sampler) -> Drafting:
        most, fault = declared(self)
        cache = model.new_cache(len(canvas.tokens_BN), room(canvas) + most + 1)
        now, memory = time.perf_counter(), None
        if not fault:
            memory, fault = begun(lambda: self.begin(model, canvas, sampler))
        state = Drafting(canvas, cache, memory, declared=most).since(now)
        return self._given_up(state, fault) if fault else state

    @final
    def step(self, model: CausalLM, state: Drafting, sampler: Sampler) -> Drafting:
        read = pending(state.canvas, state.cache)
        first = read.width > 1 or int(state.cache.length_B.max()) == 0  # a prompt, or forced cells
        matter = self._guesses_matter(sampler.greedy)
        long = read.width > SLICE and (self.reads_prompt or self.probes_prompt)
        if matter or long:
            leave = 1 if matter or self.probes_prompt else SLICE
            state = self._read_on(model, state, read, leave=leave)
            read, first = pending(state.canvas, state.cache), first and not matter
        state, draft = self._drafted(model, state, first, sampler)
        while draft is not None:
            asked = self._below(model, state, read, draft)
            if asked is not None:
                return self._verify(state, read, draft, *asked, sampler)
            state, draft = self._smaller(state, draft)
        return self._read(model, state, read, first, sampler)

    def _drafted(
        self, model: CausalLM, state: Drafting, first: bool, sampler: Sampler
    ) -> tuple[Drafting, Draft | None]:
        """A draft that can be read, or None; `first`: of probes alone."""
        if state.failed:
            return state, None
        begun, memory, canvas = time.perf_counter(), state.memory, state.canvas
        draft, fault = guarded(
            lambda: self.probe(memory, canvas) if first else self.draft(memory, canvas, sampler),
            len(canvas.tokens_BN),
            state.declared,
            model.vocab_size,
        )
        state = state.since(begun)
        if not (first or fault or self.sparing):
            state = state.asked(draft, type(self).__name__)
        if first and draft is not None and draft.probes < draft.tokens_BK.shape[1]:
            draft, fault = None, "it guessed where a prompt is read, and where probes alone may be"
        if draft is not None and state.most is not None:
            draft = shortened(draft, state.most)
        return (self._given_up(state, fault) if fault else state), draft

    def _given_up(self, state: Drafting, why: str) -> Drafting:
        note = warn(self, f"{FAILED}{why}")
        return replace(state, memory=Fault(), note=note)

    def _smaller(self, state: Drafting, draft: Draft) -> tuple[Drafting, Draft | None]:
        """Half of a draft for which memory was short, and of all that come."""
        if draft.drawn is not None:  # chains that were drawn can't be cut
            return self._given_up(state, "there is too little memory for its drafts"), None
        most = draft.tokens_BK.shape[1] // 2
        if state.most is None:
            note = warn(self, "has too little memory for its drafts, and makes smaller ones")
            state = replace(state, note=note)
        return replace(state, most=most), shortened(draft, most) if most else None

    def _observed(self, state: Drafting, seen: Seen) -> Drafting:
        """The state after a call."""
        state = replace(state, canvas=seen.canvas)
        if state.failed:
            return state
        begun = time.perf_counter()
        try:
            return replace(state, memory=self.observe(state.memory, seen)).since(begun)
        except Exception as error:  # as a draft may fail
            return self._given_up(state, told(error))

    def _guesses_matter(self, greedy: bool) -> bool:
        """Whether what is written depends on what was guessed, or on whether anything was."""
        return (self.draws and not greedy) or self.judge is not None

    def _read_on(self, model: CausalLM, state: Drafting, read: Pending, *, leave: int) -> Drafting:
        """Read all but each row's last `leave` tokens, and write none.

        For drafters that look on while a prompt is read, so that the logits of a long one are
        never held all at once; and where guesses matter, so that a guess comes before every token:
        a drawn one is judged by other coins than a token that no guess foretold, and where drafts
        begin must follow from the row's own text, not from a neighbour's or a run's that stopped.
        """
        score_BS = None if self.reads_prompt else read.last_B1[:, :0]
        for part in parts(read, SLICE, leave=leave):
            said = self._asked(model, state, part.tokens_BT, score_BS=score_BS)
            state.cache.keep(part.path_BT, part.count_B)
            if self.reads_prompt:
                seen = Seen(state.canvas, part.tokens_BT, part.real_BT, said[0], None, said[1])
                state = self._observed(state, seen)
        return state

    def _read(
        self, model: CausalLM, state: Drafting, read: Pending, first: bool, sampler: Sampler
    ) -> Drafting:
        """Read what is written and write the one token that follows, as `LeftToRight` does."""
        canvas, cache = state.canvas, state.cache
        B, T = read.tokens_BT.shape
        all_cells = self.reads_prompt or T == 1
        score_BS = None if all_cells else read.last_B1
        logits_BSV, features_BSC = self._asked(model, state, read.tokens_BT, score_BS=score_BS)
        cache.keep(read.path_BT, read.count_B)
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
        tokens_BS, real_BS = read.tokens_BT, read.real_BT
        if not all_cells:
            tokens_BS, real_BS = read.tokens_BT.gather(1, read.last_B1), live_B[:, None]
        written = None if first else written
        seen = Seen(canvas, tokens_BS, real_BS, logits_BSV, written, features_BSC)
        return self._observed(state, seen)

    def _below(
        self, model: CausalLM, state: Drafting, read: Pending, draft: Draft
    ) -> tuple[Told, Tensor | None] | None:
        """What the target says of a draft, and features if wanted; None if memory was short."""
        asked = below(read, draft)
        options = {} if asked.score_BS is None else {"score_BS": asked.score_BS}
        try:
            logits_BSV, features_BSC = self._asked(
                model, state, asked.tokens_BT, tree=asked.tree, **options
            )
        except Exception as error:
            if out_of_memory(error):
                return None
            raise
        told = Told(state.canvas, asked.drafted_BS, asked.parents_BS, logits_BSV)
        return told, features_BSC

    def _verify(
        self,
        state: Drafting,
        read: Pending,
        draft: Draft,
        asked: Told,
        features_BTC: Tensor | None,
        sampler: Sampler,
    ) -> Drafting:
        canvas, cache = state.canvas, state.cache
        told = asked.without(draft.probes)
        tokens_BT, parents_BT, logits_BTV = told.tokens_BT, told.parents_BT, told.logits_BTV
        live_B = read.count_B > 0
        if sampler.greedy and not sampler.wants_history and self.judge is None:
            at_BT = canvas.frontier_B[:, None].expand(tokens_BT.shape)
            written = agreed(tokens_BT, parents_BT, sampler.pick(logits_BTV, at_BT).cpu())
        else:
            decide = decider(sampler, told, draft.drawn)
            if self.judge is not None:
                decide = self.judge(decide, sampler, told, draft.drawn, state.memory)
            written = walk(tokens_BT, parents_BT, decide, sampler.eos_ids)
        written = written.capped(open_run(canvas) * live_B)
        if read.width > 1:  # nothing but probes hangs below
            cache.keep(read.path_BT, read.count_B)
        else:
            cache.keep(written.path_BP, written.count_B)
        path_BPV = logits_BTV[torch.arange(len(tokens_BT))[:, None], written.path_BP]
        canvas = canvas.write(
            canvas.frontier_B,
            written.tokens_BP,
            written.count_B,
            logprobs(path_BPV, written.tokens_BP),
        )
        real_BT = (asked.parents_BT > -2) & live_B[:, None]
        seen = Seen(
            canvas, asked.tokens_BT, real_BT, asked.logits_BTV, written, features_BTC, draft.probes
        )
        return self._observed(state, seen)

    def _asked(
        self, model: Any, state: Drafting, tokens_BT: Tensor, **options: Any
    ) -> tuple[Tensor, Tensor | None]:
        """Logits, and features if they are wanted."""
        if not state.failed and self.reads_features(state.memory):
            return model.extend_with_features(tokens_BT, state.cache, **options)
        return model.extend(tokens_BT, state.cache, **options), None
