"""Beam search: the W likeliest beginnings side by side, the likeliest whole text at the end.

    run(Beam(width=4), model, canvas, sampler)

Not exact: it writes a likelier text than left-to-right decoding, not the same. Cells are DRAFT
until the best text is known.
Source: Sutskever et al. 2014 (arXiv:1409.3215), section 3.2; length penalty as in Wu et al. 2016
(arXiv:1609.08144), section 7, with the simpler norm length^alpha of `transformers`.
Shapes: B rows, W beams, N canvas cells, V vocabulary, C candidates.
"""

from dataclasses import dataclass, replace
from typing import ClassVar, final

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from anyorder.canvas import DONE, DRAFT, GIVEN, OPEN, Canvas
from anyorder.decode.reading import pending
from anyorder.decode.sampling import Sampler
from anyorder.models.capability import Cache, CausalLM


@dataclass(frozen=True)
class Text:
    """A finished text: its cells, the log-probabilities of what was written, where it ends."""

    tokens_N: Int[Tensor, " N"]
    logprobs_N: Float[Tensor, " N"]
    end: int
    score: float


@dataclass(frozen=True)
class Candidates:
    """The likeliest continuations of each row, best first, each by its beam and its token.

    `own_BC` is the model's own log-probability of the token: no bias, no penalty.
    """

    scores_BC: Float[Tensor, "B C"]
    beam_BC: Int[Tensor, "B C"]
    token_BC: Int[Tensor, "B C"]
    own_BC: Float[Tensor, "B C"]
    ended_BC: Bool[Tensor, "B C"]


@dataclass(frozen=True)
class Beams:
    """Beams of all rows. `at_B` is the cell that each row writes next."""

    canvas: Canvas
    cache: Cache
    tokens_BWN: Int[Tensor, "B W N"]
    logprobs_BWN: Float[Tensor, "B W N"]
    scores_BW: Float[Tensor, "B W"]
    at_B: Int[Tensor, " B"]
    finished: tuple[tuple[Text, ...], ...]

    def with_canvas(self, canvas: Canvas) -> "Beams":
        return replace(self, canvas=canvas)


@final
@dataclass(frozen=True)
class Beam:
    """Keeps `width` beginnings; a text of n tokens scores log p / n ** `length_penalty`.

    A row ends when `width` texts have ended and no beginning scores better than the worst of them.
    Temperature must be 0. An end of sequence ends a text; a stop string only cuts the one that was
    chosen: it neither ends the search early nor counts in it.
    """

    width: int = 4
    length_penalty: float = 1.0

    exact: ClassVar[bool] = False
    needs: ClassVar[tuple[type, ...]] = (CausalLM,)

    def __post_init__(self) -> None:
        if self.width < 1:
            raise ValueError(f"beam search needs a width of at least 1, not {self.width}")

    def most_calls(self, canvas: Canvas) -> int:
        return int(canvas.open_BN.sum(-1).max()) + int((canvas.status_BN == GIVEN).sum(-1).max())

    def start(self, model: CausalLM, canvas: Canvas, sampler: Sampler) -> Beams:
        if not sampler.greedy:
            raise ValueError("beam search weighs texts and draws none; set the temperature to 0")
        B, N = canvas.tokens_BN.shape
        W = self.width
        scores_BW = torch.full((B, W), -torch.inf)
        scores_BW[:, 0] = 0.0  # all beams are the same at first: one of them counts
        return Beams(
            canvas,
            model.new_cache(B, N),
            canvas.tokens_BN[:, None].repeat(1, W, 1),
            canvas.logprobs_BN[:, None].repeat(1, W, 1),
            scores_BW,
            canvas.frontier_B,
            ((),) * B,
        )

    def step(self, model: CausalLM, state: Beams, sampler: Sampler) -> Beams:
        B, W, _ = state.tokens_BWN.shape
        if int(state.cache.length_B.max()) == 0:  # the prompt is read once, then shared by beams
            read = pending(state.canvas, state.cache)
            logits = model.extend(read.tokens_BT, state.cache, score_BS=read.last_B1)
            T = read.tokens_BT.shape[1]
            state.cache.keep(torch.arange(T).expand(B, T), read.count_B)
            rows = torch.arange(B).repeat_interleave(W)
            state = replace(state, cache=_selected(state.cache, rows))
            logits = logits[rows]
        else:
            last_X1 = (state.at_B - 1).repeat_interleave(W)[:, None]
            logits = model.extend(state.tokens_BWN.flatten(0, 1).gather(1, last_X1), state.cache)
            live_X = state.canvas.live_B.repeat_interleave(W).long()  # a row that ended is full
            state.cache.keep(torch.zeros(B * W, 1, dtype=torch.long), live_X)
        return self._advance(state, self._candidates(state, logits, sampler))

    def _logp(self, state: Beams, logits: Tensor, sampler: Sampler) -> Float[Tensor, "B W V"]:
        """Log-probabilities of the next token; a forced cell leaves one choice."""
        B, W, N = state.tokens_BWN.shape
        past = None
        if sampler.wants_history:
            before_BWN = torch.arange(N) < state.at_B[:, None, None]
            past = state.tokens_BWN.where(before_BWN, -1).flatten(0, 1)[:, None]
        logp_BWV = sampler.logits(logits, past)[:, 0].log_softmax(-1).cpu().unflatten(0, (B, W))
        at_B1 = state.at_B.clamp_max(N - 1)[:, None]
        forced_B = (state.canvas.status_BN.gather(1, at_B1) == GIVEN)[:, 0]
        if bool(forced_B.any()):
            token_B1 = state.canvas.tokens_BN.gather(1, at_B1)
            other_BV = torch.arange(logp_BWV.shape[-1]) != token_B1
            logp_BWV = logp_BWV.masked_fill((other_BV & forced_B[:, None])[:, None], -torch.inf)
        return logp_BWV

    def _candidates(self, state: Beams, logits: Tensor, sampler: Sampler) -> Candidates:
        """As many as leave W of them even if every end of sequence is among them."""
        B, W, _ = state.tokens_BWN.shape
        logp_BWV = self._logp(state, logits, sampler)
        V = logp_BWV.shape[-1]
        total_BX = (state.scores_BW[..., None] + logp_BWV).flatten(1)
        best_BC, where_BC = total_BX.topk(min(W * (1 + len(sampler.eos_ids)), W * V), -1)
        beam_BC, token_BC = where_BC // V, where_BC % V
        own_BWV = logits[:, 0].cpu().unflatten(0, (B, W))
        own_BC = own_BWV.flatten(1).gather(1, where_BC)
        own_BC = (own_BC - own_BWV.logsumexp(-1).gather(1, beam_BC)).float()
        own_BC = own_BC.masked_fill(best_BC.isnan(), torch.nan)  # for `run` to notice
        ended_BC = torch.isin(token_BC, torch.tensor(sampler.eos_ids, dtype=torch.long))
        return Candidates(best_BC, beam_BC, token_BC, own_BC, ended_BC)

    def _advance(self, state: Beams, found: Candidates) -> Beams:
        """The best continuations go on, those that end are set aside."""
        B, W, N = state.tokens_BWN.shape
        finished = [self._with_ended(state, row, found) for row in range(B)]
        scores_BC = found.scores_BC.masked_fill(found.ended_BC, -torch.inf)
        best_BW = scores_BC.topk(W, -1).indices
        # in the order of the beams that they go on from: where all do, the cache stays as it is
        beam_BW, order_BW = found.beam_BC.gather(1, best_BW).sort(dim=-1, stable=True)
        beam_BW = beam_BW.where(state.canvas.live_B[:, None], torch.arange(W))
        best_BW = best_BW.gather(1, order_BW)
        token_BW = found.token_BC.gather(1, best_BW)
        rows_B1 = torch.arange(B)[:, None]
        tokens_BWN = state.tokens_BWN[rows_B1, beam_BW].clone()
        logprobs_BWN = state.logprobs_BWN[rows_B1, beam_BW].clone()
        at_BW1 = state.at_B.clamp_max(N - 1)[:, None, None].expand(B, W, 1)
        tokens_BWN.scatter_(2, at_BW1, token_BW[..., None])
        own_BW = found.own_BC.gather(1, best_BW)
        logprobs_BWN.scatter_(2, at_BW1, own_BW[..., None])
        cache = _selected(state.cache, (rows_B1 * W + beam_BW).flatten())
        at_B = (state.at_B + state.canvas.live_B).minimum(state.canvas.length_B)
        moved = Beams(
            state.canvas,
            cache,
            tokens_BWN,
            logprobs_BWN,
            scores_BC.gather(1, best_BW),
            at_B,
            tuple(finished),
        )
        return replace(moved, canvas=self._shown(moved))

    def _with_ended(self, state: Beams, row: int, found: Candidates) -> tuple[Text, ...]:
        """The finished texts of a row, best first, with those that end in this step."""
        texts = list(state.finished[row])
        if not bool(state.canvas.live_B[row]):
            return tuple(texts)
        at, begin = int(state.at_B[row]), int(state.canvas.frontier_B[row])
        best_C = found.scores_BC[row].tolist()
        for c in range(min(self.width, len(best_C))):  # as in the paper: among the W best
            if found.ended_BC[row, c] and best_C[c] > -torch.inf:
                beam = int(found.beam_BC[row, c])
                tokens_N, logs_N = (
                    x[row, beam].clone() for x in (state.tokens_BWN, state.logprobs_BWN)
                )
                tokens_N[at] = found.token_BC[row, c]
                logs_N[at] = found.own_BC[row, c]
                score = self._score(best_C[c], at + 1 - begin)
                texts.append(Text(tokens_N, logs_N, at + 1, score))
        return tuple(sorted(texts, key=lambda text: -text.score)[: self.width])

    def _score(self, logp: float, tokens: int) -> float:
        return logp / max(tokens, 1) ** self.length_penalty

    def _shown(self, state: Beams) -> Canvas:
        """The best beginning as a draft; the best text for good, in rows that have ended."""
        canvas = state.canvas
        tokens_BN, status_BN = canvas.tokens_BN.clone(), canvas.status_BN.clone()
        logprobs_BN = canvas.logprobs_BN.clone()
        for row in canvas.live_B.nonzero()[:, 0].tolist():
            at, begin = int(state.at_B[row]), int(canvas.frontier_B[row])
            beam = int(state.scores_BW[row].argmax())
            live = self._score(float(state.scores_BW[row, beam]), at - begin)
            end, texts = at, state.finished[row]
            chosen = (state.tokens_BWN[row, beam], state.logprobs_BWN[row, beam])
            full = at == int(canvas.length_B[row])
            settled = len(texts) >= self.width and texts[-1].score >= live
            if (full or settled) and texts and texts[0].score >= live:
                chosen, end = (texts[0].tokens_N, texts[0].logprobs_N), texts[0].end
            ours = (status_BN[row, :end] == OPEN) | (status_BN[row, :end] == DRAFT)
            tokens_BN[row, :end] = torch.where(ours, chosen[0][:end], tokens_BN[row, :end])
            logprobs_BN[row, :end] = torch.where(ours, chosen[1][:end], logprobs_BN[row, :end])
            status_BN[row, :end] = status_BN[row, :end].masked_fill(
                ours, DONE if full or settled else DRAFT
            )
            if full or settled:
                status_BN[row, end:] = 0
        return replace(
            canvas,
            tokens_BN=tokens_BN,
            status_BN=status_BN,
            logprobs_BN=logprobs_BN,
            origin_BN=None,
        )


def _selected(cache: Cache, rows_R: Int[Tensor, " R"]) -> Cache:
    """`cache.select`, but for beams that all stay where they are: nothing is copied for them."""
    if torch.equal(rows_R, torch.arange(len(cache.length_B))):
        return cache
    return cache.select(rows_R)
