"""Speculative decoding: a small model drafts a chain, the large one checks it in one call.

    Speculative(draft_model, width=4)
    Speculative(draft_model, width=4, drafts=3)       # several drafts at once: SpecTr

Source: Leviathan et al. 2023 (arXiv:2211.17192), algorithm 1; with several drafts Sun et al. 2023
(arXiv:2310.15141), algorithms 2 and 3: see `selection`.
Shapes: B rows, J drafts of a row, X drafts of all rows, W tokens of a draft, V vocabulary, H
history.
"""

from dataclasses import dataclass
from typing import Any, ClassVar, final

import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor

from anyorder.canvas import Canvas
from anyorder.decode.draft_verify.loop import Draft, DraftVerify, Drawn, Seen
from anyorder.decode.draft_verify.small import Small
from anyorder.decode.reading import Pending, history, pending
from anyorder.decode.sampling import DRAFTS, DRAW, Sampler, draw
from anyorder.models.capability import CausalLM


@final
@dataclass(frozen=True)
class Speculative(DraftVerify):
    """`draft_model` writes `width` tokens; the target keeps those it would have written itself.

    Above temperature 0 it writes `drafts` texts, independently; those that begin alike share their
    cells. The draft model must speak the target's vocabulary; a vocabulary that is only padded is
    fine. It sees the same temperature and filters as the target.
    """

    draws: ClassVar[bool] = True
    draft_model: Any
    width: int = 4
    drafts: int = 1

    def __post_init__(self) -> None:
        if self.width < 1:
            raise ValueError(f"speculative decoding needs a width of at least 1, not {self.width}")
        if not 1 <= self.drafts <= DRAFTS:
            raise ValueError(f"speculative decoding writes 1 to {DRAFTS} drafts, not {self.drafts}")

    @property
    def most_drafted(self) -> int:
        return self.width * self.drafts

    def begin(self, model: CausalLM, canvas: Canvas, sampler: Sampler) -> Small:
        return Small.beside(self.draft_model, model, canvas, more=self.width + 1)

    def draft(self, memory: Small, canvas: Canvas, sampler: Sampler) -> Draft | None:
        B, J = len(canvas.tokens_BN), 1 if sampler.greedy else self.drafts
        read = pending(canvas, memory.cache)
        row_X = torch.arange(B).repeat_interleave(J)
        logits_XV = memory.read(read, memory.cache)[row_X]
        # drafts part after the first token; what all have read stays in the model's own cache
        cache = memory.cache if J == 1 else memory.cache.select(row_X)
        said_XW = canvas.tokens_BN[row_X, :0]
        live_X = (read.count_B > 0).long()[row_X]
        probs: list[Tensor] = []
        for at in range(self.width):
            if at:
                logits_XV = memory.read(Pending(said_XW[:, -1:], live_X), cache)
            guess_X, probs_XV = guessed(logits_XV, canvas, said_XW, sampler, drafts=J)
            said_XW = torch.cat([said_XW, guess_X[:, None]], 1)
            probs.append(probs_XV)
        if sampler.greedy:
            return Draft(said_XW, (torch.arange(self.width) - 1).expand(B, -1))
        drawn = Drawn(*(x.unflatten(0, (B, J)) for x in (said_XW, torch.stack(probs, 1))))
        return merged(drawn)

    def observe(self, memory: Small, seen: Seen) -> Small:
        return memory.forget(seen)


def guessed(
    logits_XV: Float[Tensor, "X V"],
    canvas: Canvas,
    said_XW: Int[Tensor, "X W"],
    sampler: Sampler,
    *,
    drafts: int,
) -> tuple[Int[Tensor, " X"], Float64[Tensor, "X V"]]:
    """The next token of every draft, and the distribution that it was drawn from; each draft of a
    row has coins of its own.
    """
    B, W = len(canvas.tokens_BN), said_XW.shape[1]
    past_X1H = None
    if sampler.wants_history:
        past_B1H = history(canvas, canvas.tokens_BN[:, :0])
        past_X1H = torch.cat([past_B1H.repeat_interleave(drafts, 0), said_XW[:, None]], -1)
    at_B1 = canvas.frontier_B[:, None] + W
    if sampler.greedy:
        return sampler.pick(logits_XV[:, None], at_B1, past_X1H)[:, 0], logits_XV.double()
    probs_X1V = sampler.probs(logits_XV[:, None], past_X1H).cpu()
    coins_BJ = torch.cat([sampler.coins.at(at_B1, DRAW + j) for j in range(drafts)], 1)
    return draw(probs_X1V, coins_BJ.flatten()[:, None])[:, 0], probs_X1V[:, 0]


def merged(drawn: Drawn) -> Draft:
    """A tree of chains: those that begin alike share their cells.

    >>> tokens_1JW, probs_1JWV = torch.tensor([[[5, 6], [5, 7]]]), torch.ones(1, 2, 2, 9).double()
    >>> draft = merged(Drawn(tokens_1JW, probs_1JWV))
    >>> draft.tokens_BK.tolist(), draft.parents_BK.tolist()
    ([[5, 6, 7]], [[-1, 0, 0]])
    """
    tokens, parents = [], []
    for chains in drawn.tokens_BJW.tolist():
        cells: dict[tuple[int, ...], int] = {(): -1}
        above: list[int] = []
        for chain in chains:
            for end in range(1, len(chain) + 1):
                said = tuple(chain[:end])
                if said not in cells:
                    cells[said] = len(above)
                    above.append(cells[said[:-1]])
        tokens.append([said[-1] for said in cells if said])
        parents.append(above)
    K = max(map(len, tokens))
    filled = [[*row, *[0] * (K - len(row))] for row in tokens]
    below = [[*row, *[-2] * (K - len(row))] for row in parents]
    return Draft(torch.tensor(filled), torch.tensor(below), drawn)
