"""Judge a guess by its neighbours, too: any of several tokens that are nearly as good will do.

    Grouped(Speculative(draft_model, width=4))                   # not exact
    Grouped(Speculative(draft_model), gap=0.05, distance=0.5)    # and near in the embedding
    Grouped(Speculative(draft_model), reach=0)                   # alone in its group: exact

A group is made anew for every guess x: the tokens next to it when the target's are sorted by their
probability p, `reach` on either side, whose p differs from that of x by `gap` at the most, and
whose embedding lies within `distance`. x is kept with probability min(1, p(group) / q(group)), q
being what it was drawn from; else another token is drawn from max(0, p - q).

Groups overlap, so the paper's argument, that acceptance can't be lower than without them, holds of
groups that are a partition and not always of these; and a token that is kept in place of its
neighbours is written more often than p says. Source: So et al. 2025 (arXiv:2508.07747), and the
authors' code (github.com/junhyukso/GSD), which has one neighbour fewer on one side.
Shapes: B rows, G tokens of a group, T cells, P written cells, V vocabulary, C channels.
"""

import math
from dataclasses import dataclass
from typing import Any, final

import torch
from jaxtyping import Bool, Float, Float64, Int
from torch import Tensor

from anyorder.decode.draft_verify.accept import Decide, residual
from anyorder.decode.draft_verify.decide import Judge, Told
from anyorder.decode.draft_verify.draft import Drawn
from anyorder.decode.draft_verify.judges.judging import Judged, Judging
from anyorder.decode.reading import history
from anyorder.decode.sampling import ACCEPT, PICK, Sampler, draw
from anyorder.models.capability import EmbeddedLM


@dataclass(frozen=True)
class Group:
    """The tokens that stand for a guess of each row, itself first; `real_BG`: which there are."""

    tokens_BG: Int[Tensor, "B G"]
    real_BG: Bool[Tensor, "B G"]

    def mass(self, p_BV: Float64[Tensor, "B V"]) -> Float64[Tensor, " B"]:
        """What a distribution gives to the group."""
        return (p_BV.gather(1, self.tokens_BG) * self.real_BG).sum(-1)

    def has(self, token_B: Int[Tensor, " B"]) -> Bool[Tensor, " B"]:
        """Whether a token of each row is in it."""
        return ((self.tokens_BG == token_B[:, None]) & self.real_BG).any(-1)


@final
@dataclass(frozen=True)
class Grouped(Judging):
    """Drafts as `by` does, which draws one chain, and judges guesses as groups; not exact.

    `reach`: neighbours in rank on either side. `gap`: how much less or more probable they may be.
    `distance`: how far their embeddings may lie apart (squared). At temperature 0 a guess is kept
    if the target's likeliest token is in its group. A token that the target calls impossible is
    never kept. Raises ValueError for a drafter that draws no chain.
    """

    gap: float = 0.15
    reach: int = 7
    distance: float = math.inf

    def __post_init__(self) -> None:
        if self.reach < 0 or self.gap < 0 or self.distance < 0:
            raise ValueError(f"a group has a reach, a gap and a distance of 0 or more: {self}")
        super().__post_init__()
        if not self.by.draws or getattr(self.by, "drafts", 1) > 1:
            raise ValueError(
                f"{type(self.by).__name__} draws no chain of guesses that could be judged as "
                "groups: take speculative, parallel-draft or block-draft, with one draft and the "
                "same vocabulary, or tandem-draft; lenient judges others"
            )
        more = (EmbeddedLM,) if self.distance < math.inf else ()
        object.__setattr__(self, "needs", (*self.needs, *more))

    @property
    def judge(self) -> Judge:
        return self._judge

    def looked_at(self, model: Any) -> Float[Tensor, "V C"] | None:
        """The target's embedding, if groups look at it."""
        return model.embedding_VC if self.distance < math.inf else None

    def group(
        self,
        p_BV: Float64[Tensor, "B V"],
        guess_B: Int[Tensor, " B"],
        embedding_VC: Float[Tensor, "V C"] | None = None,
    ) -> Group:
        """The neighbours of each row's guess."""
        tokens_V, guess_B1 = torch.arange(p_BV.shape[1]), guess_B[:, None]
        own_B1, reach = p_BV.gather(1, guess_B1), min(self.reach, p_BV.shape[1])
        before_BV = (p_BV > own_B1) | ((p_BV == own_B1) & (tokens_V < guess_B1))
        behind_BV = ~before_BV & (tokens_V != guess_B1)
        higher = p_BV.masked_fill(~before_BV, math.inf).topk(reach, largest=False).indices
        lower = p_BV.masked_fill(~behind_BV, -1.0).topk(reach).indices
        there = before_BV.gather(1, higher), behind_BV.gather(1, lower)
        tokens_BG = torch.cat([higher, lower], 1)
        others_BG = p_BV.gather(1, tokens_BG)
        real_BG = torch.cat(there, 1) & ((others_BG - own_B1).abs() <= self.gap) & (others_BG > 0)
        if embedding_VC is not None:
            apart_BGC = embedding_VC[tokens_BG].float() - embedding_VC[guess_B1].float()
            real_BG = real_BG & (apart_BGC.square().sum(-1).cpu() <= self.distance)
        itself_B1 = torch.ones_like(guess_B1, dtype=torch.bool)
        return Group(torch.cat([guess_B1, tokens_BG], 1), torch.cat([itself_B1, real_BG], 1))

    def _judge(
        self, decide: Decide, sampler: Sampler, told: Told, drawn: Drawn | None, memory: Judged
    ) -> Decide:
        """What follows a cell: its guess, if the group is good enough, or another token."""

        def after(cell_B: Tensor, said_BP: Tensor) -> Tensor:
            child_BT, at = told.parents_BT == cell_B[:, None], said_BP.shape[1]
            if not bool(child_BT.any()) or (drawn is not None and at == drawn.tokens_BJW.shape[2]):
                return decide(cell_B, said_BP)  # all was kept, and this is the bonus
            cell_B1 = child_BT.long().argmax(-1, keepdim=True)
            guess_B = told.tokens_BT.gather(1, cell_B1)[:, 0]  # of rows without one none is wanted
            past = history(told.canvas, said_BP) if sampler.wants_history else None
            if drawn is None or sampler.greedy:
                p_BV = sampler.logits(told.after(cell_B), past)[:, 0].double().softmax(-1).cpu()
                token_B = decide(cell_B, said_BP)
                odds_B = self.group(p_BV, guess_B, memory.judge).has(token_B)
                odds_B = odds_B & child_BT.any(-1) & (p_BV.gather(1, guess_B[:, None])[:, 0] > 0)
                return guess_B.where(odds_B, token_B)
            p_BV = sampler.probs(told.after(cell_B), past)[:, 0].cpu()
            q_BV, at_B1 = drawn.probs_BJWV[:, 0, at], told.canvas.frontier_B[:, None] + at
            odds_B = kept_share(p_BV, q_BV, guess_B, self.group(p_BV, guess_B, memory.judge))
            other_B1 = draw(residual(p_BV, q_BV)[:, None], sampler.coins.at(at_B1, PICK))
            return guess_B.where(sampler.coins.at(at_B1, ACCEPT)[:, 0] < odds_B, other_B1[:, 0])

        return after


def kept_share(
    p_BV: Float64[Tensor, "B V"],
    q_BV: Float64[Tensor, "B V"],
    guess_B: Int[Tensor, " B"],
    group: Group,
) -> Float64[Tensor, " B"]:
    """Chance that a guess is kept: min(1, p(group) / q(group)); 0 for what p calls impossible."""
    possible_B = p_BV.gather(1, guess_B[:, None])[:, 0] > 0
    share_B = group.mass(p_BV) / group.mass(q_BV).clamp_min(1e-300)
    return share_B.clamp_max(1.0) * possible_B
