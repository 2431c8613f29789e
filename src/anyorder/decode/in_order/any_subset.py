"""Any-subset speculative decoding: a model drafts for itself, in one call, and then checks.

    AnySubset(width=8)
    AnySubset(width=1)         # one cell after the other: the joint distribution that both write
    Unchecked()                # all at once, as if they were independent: another distribution

The model can be told any of the cells. All that were given come first, wherever they stand; the
others follow from left to right. One call says what the next `width` open cells hold, each told
only what is final: those are drafts, as if they were independent. A second call says it again, each
told the drafts before it, too: these are the true conditionals. Drafts are kept and redrawn as in
speculative sampling, so that the text follows the model's joint distribution in that order. The
first draft was told all that is to be told, and is always right; the second writes a token, kept or
not; so there are at most as many calls as tokens.
Source: Guo and Ermon 2025 (arXiv:2504.20456), any-subset speculative decoding.
Shapes: B rows, N cells, W drafted cells, V vocabulary, H history.
"""

from dataclasses import dataclass, replace
from typing import ClassVar, final

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from anyorder.canvas import DONE, GIVEN, PAD, Canvas
from anyorder.decode.draft_verify.accept import accept_probability, residual
from anyorder.decode.sampling import ACCEPT, DRAW, PICK, Sampler, draw
from anyorder.models.further import AnySubsetModel


@dataclass(frozen=True)
class KnownCells:
    """The canvas is all there is."""

    canvas: Canvas

    def with_canvas(self, canvas: Canvas) -> "KnownCells":
        return replace(self, canvas=canvas)


@dataclass(frozen=True)
class Next:
    """The next open cells of each row, and when each cell of the canvas is written."""

    rank_BN: Int[Tensor, "B N"]
    cells_BW: Int[Tensor, "B W"]
    inside_BW: Bool[Tensor, "B W"]

    @property
    def rank_BW(self) -> Int[Tensor, "B W"]:
        """When each of the next cells is written."""
        return self.rank_BN.gather(1, self.cells_BW)

    @staticmethod
    def of(canvas: Canvas, width: int) -> "Next":
        """Those that were given at once, then written ones by their place, then open ones by
        theirs, then padding. So no cell's rank changes while a text is written.
        """
        N, given_BN = canvas.tokens_BN.shape[1], canvas.status_BN == GIVEN
        kind_BN = (~given_BN).long() + canvas.open_BN + 2 * (canvas.status_BN == PAD)
        order_BN = (N * kind_BN + torch.arange(N)).argsort(-1)
        rank_BN = order_BN.argsort(-1) - given_BN.sum(-1, keepdim=True) + 1
        open_B = canvas.open_BN.sum(-1)
        steps_W = torch.arange(min(width, int(open_B.max())))
        at_BW = (canvas.final_BN.sum(-1)[:, None] + steps_W).clamp_max(N - 1)
        inside_BW = steps_W < open_B[:, None]
        return Next(rank_BN.clamp_min(0), order_BN.gather(1, at_BW), inside_BW)

    def written(
        self,
        canvas: Canvas,
        tokens_BW: Int[Tensor, "B W"],
        write_BW: Bool[Tensor, "B W"],
        logits_BWV: Float[Tensor, "B W V"],
    ) -> Canvas:
        """The canvas with these tokens in those of the next cells that are to be written."""
        logprobs_BW = logits_BWV.log_softmax(-1).gather(-1, tokens_BW[..., None])[..., 0].float()
        at = write_BW.nonzero().unbind(-1)
        cells = at[0], self.cells_BW[at]
        held = [x.clone() for x in (canvas.tokens_BN, canvas.status_BN, canvas.logprobs_BN)]
        held[0][cells], held[1][cells], held[2][cells] = tokens_BW[at], DONE, logprobs_BW[at]
        return Canvas(*held)


@dataclass(frozen=True)
class Drafts:
    """What the next cells hold as if they were independent: each is told `tokens_BN`, what is
    final, and nothing else.
    """

    to: Next
    tokens_BN: Int[Tensor, "B N"]
    probs_BWV: Float[Tensor, "B W V"]
    logits_BWV: Float[Tensor, "B W V"]
    guess_BW: Int[Tensor, "B W"]


@final
@dataclass(frozen=True)
class AnySubset:
    """Writes up to `width` open cells in two calls, in the order of their places; cells that were
    given behind them are known from the beginning.
    """

    width: int = 8
    exact: ClassVar[bool] = False  # the model's joint in this order; left to right knows no other
    needs: ClassVar[tuple[type, ...]] = (AnySubsetModel,)

    def __post_init__(self) -> None:
        if self.width < 1:
            raise ValueError(f"at least 1 cell is written at once, not {self.width}")

    def most_calls(self, canvas: Canvas) -> int:
        """As many as the row with most open cells has."""
        return int(canvas.open_BN.sum(-1).max())

    def start(self, model: AnySubsetModel, canvas: Canvas, sampler: Sampler) -> KnownCells:
        return KnownCells(canvas)

    def step(self, model: AnySubsetModel, state: KnownCells, sampler: Sampler) -> KnownCells:
        drafts = _drafted(model, state.canvas, self.width, sampler)
        to, guess_BW, logits_BWV = drafts.to, drafts.guess_BW, drafts.logits_BWV
        write_BW = to.inside_BW & (torch.arange(to.inside_BW.shape[1]) == 0)
        if bool((to.inside_BW.sum(-1) > 1).any()):
            there = to.inside_BW.nonzero().unbind(-1)
            tokens_BN = drafts.tokens_BN.clone()
            tokens_BN[there[0], to.cells_BW[there]] = guess_BW[there]
            p_BWV, logits_BWV = told(model, tokens_BN, to, to.rank_BW, sampler)
            p_BWV[:, 0] = drafts.probs_BWV[:, 0]  # it was told the same, but for the last bits
            guess_BW, write_BW = _checked(p_BWV, drafts.probs_BWV, guess_BW, to, sampler)
        return KnownCells(to.written(state.canvas, guess_BW, write_BW, logits_BWV))


def _drafted(model: AnySubsetModel, canvas: Canvas, width: int, sampler: Sampler) -> Drafts:
    """The next `width` cells, in one call."""
    to = Next.of(canvas, width)
    tokens_BN = canvas.tokens_BN.masked_fill(~canvas.final_BN, 0)
    seen_BW = to.rank_BW[:, :1].expand_as(to.rank_BW)
    q_BWV, logits_BWV = told(model, tokens_BN, to, seen_BW, sampler)
    guess_BW = q_BWV.argmax(-1) if sampler.greedy else drawn(q_BWV, to, sampler, DRAW)
    return Drafts(to, tokens_BN, q_BWV, logits_BWV, guess_BW)


def told(
    model: AnySubsetModel,
    tokens_BN: Int[Tensor, "B N"],
    to: Next,
    seen_BW: Int[Tensor, "B W"],
    sampler: Sampler,
) -> tuple[Tensor, Float[Tensor, "B W V"]]:
    """What the next cells hold, as tokens are drawn from it, and as logits."""
    logits_BWV = model.among(tokens_BN, to.rank_BN, to.cells_BW, seen_BW).cpu()
    past_BWH = None
    if sampler.wants_history:
        seen_BWN = to.rank_BN[:, None] < seen_BW[..., None]
        past_BWH = tokens_BN[:, None].where(seen_BWN, -1)
    return sampler.probs(logits_BWV, past_BWH), logits_BWV


def drawn(probs_BWV: Tensor, to: Next, sampler: Sampler, kind: int) -> Int[Tensor, "B W"]:
    """A token for each of the next cells, by its own coin."""
    return draw(probs_BWV, sampler.coins.at(to.cells_BW, kind))


def _checked(
    p_BWV: Tensor, q_BWV: Tensor, guess_BW: Int[Tensor, "B W"], to: Next, sampler: Sampler
) -> tuple[Int[Tensor, "B W"], Bool[Tensor, "B W"]]:
    """The tokens that stand, and which cells are written: guesses, up to the first that is refused
    and redrawn.
    """
    B, W, V = p_BWV.shape
    p_XV, q_XV = p_BWV.reshape(B * W, V), q_BWV.reshape(B * W, V)
    odds_BW = accept_probability(p_XV, q_XV).view(B, W, V).gather(2, guess_BW[..., None])[..., 0]
    kept_BW = odds_BW > (0.5 if sampler.greedy else sampler.coins.at(to.cells_BW, ACCEPT))
    rest_BWV = residual(p_XV, q_XV).view(B, W, V)
    other_BW = p_BWV.argmax(-1) if sampler.greedy else drawn(rest_BWV, to, sampler, PICK)
    before_BW = kept_BW.long().cumprod(-1).roll(1, -1).bool()
    before_BW[:, 0] = True
    return guess_BW.where(kept_BW, other_BW), before_BW & to.inside_BW


@final
@dataclass(frozen=True)
class Unchecked:
    """Writes `width` open cells in one call (none: all of them), each told only what was final
    before: as if they were independent, and so not what the model's joint distribution holds.
    """

    width: int | None = None
    exact: ClassVar[bool] = False
    needs: ClassVar[tuple[type, ...]] = (AnySubsetModel,)

    def __post_init__(self) -> None:
        if self.width is not None and self.width < 1:
            raise ValueError(f"at least 1 cell is written at once, not {self.width}")

    def most_calls(self, canvas: Canvas) -> int:
        """Of the row with most open cells, one for each `width` of them."""
        most = int(canvas.open_BN.sum(-1).max())
        return -(-most // (self.width or max(most, 1)))

    def start(self, model: AnySubsetModel, canvas: Canvas, sampler: Sampler) -> KnownCells:
        return KnownCells(canvas)

    def step(self, model: AnySubsetModel, state: KnownCells, sampler: Sampler) -> KnownCells:
        canvas, width = state.canvas, self.width or state.canvas.tokens_BN.shape[1]
        drafts = _drafted(model, canvas, width, sampler)
        to, guess_BW = drafts.to, drafts.guess_BW
        return KnownCells(to.written(canvas, guess_BW, to.inside_BW, drafts.logits_BWV))
