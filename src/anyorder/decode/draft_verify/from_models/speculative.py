"""Speculative decoding: a small model drafts a chain, the large one checks it in one call.

    Speculative(draft_model, width=4)
    Speculative(draft_model, width=None)              # as many tokens as pay, row by row
    Speculative(draft_model, width=4, drafts=3)       # several drafts at once: SpecTr

Source: Leviathan et al. 2023 (arXiv:2211.17192), algorithm 1, and for the width section 3.5 (see
`draft_length`); with several drafts Sun et al. 2023 (arXiv:2310.15141), algorithms 2 and 3: see
`selection`.
Shapes: B rows, J drafts of a row, W tokens of a draft, K cells of a tree, S newest cells, V
vocabulary, H history.
"""

from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, final

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from anyorder.canvas import Canvas
from anyorder.decode.draft_verify.by_cost.draft_length import MOST, Costs, Lengths
from anyorder.decode.draft_verify.draft import Draft, Drawn, Seen, chains
from anyorder.decode.draft_verify.from_models.small import Small
from anyorder.decode.draft_verify.loop import DraftVerify
from anyorder.decode.reading import Pending, history, open_run, pending
from anyorder.decode.sampling import DRAFTS, DRAW, Sampler, draw
from anyorder.masks import Tree
from anyorder.models.capability import CausalLM


@dataclass
class Drafter:
    """The draft model; where the width is chosen, what each row knows of its guesses, and how many
    of them were drafted last.
    """

    small: Small
    lengths: list[Lengths] | None = None
    drafted: list[int] = field(default_factory=list)


@final
@dataclass(frozen=True)
class Speculative(DraftVerify):
    """`draft_model` writes `width` tokens; the target keeps those it would have written itself.

    Above temperature 0 it writes `drafts` texts, independently; those that begin alike share their
    cells. The draft model must speak the target's vocabulary; a vocabulary that is only padded is
    fine. It sees the same temperature and filters as the target.

    `width` None: the width that is quickest by the cost formula, for a row as its guesses were
    accepted so far; above temperature 0, where the width counts for what a seed writes, that of the
    beginning throughout. `cost`: seconds of a call of the draft model over those of the target
    (None: measured, so that above temperature 0 a seed's text is that of one machine). No judge
    takes guesses of such a width: what is guessed would count for the text.
    """

    draws: ClassVar[bool] = True
    draft_model: Any
    width: int | None = 4
    drafts: int = 1
    cost: float | None = None

    def __post_init__(self) -> None:
        if self.width is not None and self.width < 1:
            raise ValueError(f"speculative decoding needs a width of at least 1, not {self.width}")
        if self.width is None and self.drafts > 1:
            raise ValueError("several drafts have a fixed width: give one, such as 4")
        if self.cost is not None and not 0 < self.cost < float("inf"):
            raise ValueError(f"the cost of a draft's call is above 0, not {self.cost}")
        if not 1 <= self.drafts <= DRAFTS:
            raise ValueError(f"speculative decoding writes 1 to {DRAFTS} drafts, not {self.drafts}")
        # a width of its own choice follows from what was accepted before, and from the clock
        object.__setattr__(self, "of_the_row", self.width is not None)

    @property
    def most_drafted(self) -> int:
        return (self.width or MOST) * self.drafts

    def begin(self, model: CausalLM, canvas: Canvas, sampler: Sampler) -> Drafter:
        small = Small.beside(self.draft_model, model, canvas, more=self.most_drafted + 1)
        if self.width is not None:
            return Drafter(small)
        costs = Costs.of(small.model, model) if self.cost is None else Costs(self.cost)
        return Drafter(small, [Lengths(costs) for _ in canvas.tokens_BN])

    def draft(self, memory: Drafter, canvas: Canvas, sampler: Sampler) -> Draft | None:
        small = memory.small
        if self.drafts > 1 and not sampler.greedy:
            logits_BV = small.read(pending(canvas, small.cache))
            return self._several(small, logits_BV, canvas, sampler)
        if memory.lengths is None:
            return one_by_one(small, canvas, sampler, width=self.width or MOST)
        if not sampler.greedy:
            return one_by_one(small, canvas, sampler, width=memory.lengths[0].best)
        best_B = torch.tensor([lengths.best for lengths in memory.lengths])
        width_B = canvas.live_B * best_B.minimum(open_run(canvas) - 1)  # the last is the target's
        memory.drafted = width_B.tolist()
        if not any(memory.drafted):
            return None
        said = one_by_one(small, canvas, sampler, width=max(memory.drafted))
        return chains(said.tokens_BK, width_B)

    def _several(
        self, memory: Small, logits_BV: Float[Tensor, "B V"], canvas: Canvas, sampler: Sampler
    ) -> Draft | None:
        """Chains that grow together, as a tree that the draft model reads anew for every level."""
        B, J = len(canvas.tokens_BN), self.drafts
        said_BJW = canvas.tokens_BN[:, None, :0].expand(B, J, 0)
        logits_BSV, probs = logits_BV[:, None], []
        while True:
            at, S = said_BJW.shape[2], logits_BSV.shape[1]
            past_BSH = None
            if sampler.wants_history:
                past_B1H = history(canvas, canvas.tokens_BN[:, :0]).expand(B, S, -1)
                past_BSH = torch.cat([past_B1H, said_BJW[:, :S]], -1)
            probs_BSV = sampler.probs(logits_BSV, past_BSH).cpu()
            probs.append(probs_BSV.expand(B, J, -1))
            cells_B1 = canvas.frontier_B[:, None] + at
            coins_BJ = torch.cat([sampler.coins.at(cells_B1, DRAW + j) for j in range(J)], 1)
            guess_BJ = draw(probs[-1], coins_BJ)
            said_BJW = torch.cat([said_BJW, guess_BJ[..., None]], 2)
            tree = merged(said_BJW, canvas.live_B)
            if tree is None or at + 1 == self.width:
                break
            logits_BSV = memory.peek(tree.tokens_BK, Tree(tree.parents_BK), tree.last_BJ)
        if tree is None:
            return None
        return Draft(tree.tokens_BK, tree.parents_BK, Drawn(said_BJW, torch.stack(probs, 2)))

    def observe(self, memory: Drafter, seen: Seen) -> Drafter:
        if memory.lengths and memory.drafted and seen.written is not None:
            counts = seen.written.count_B.tolist()
            for lengths, drafted, count in zip(memory.lengths, memory.drafted, counts, strict=True):
                if count:
                    lengths.see(count - 1, drafted)
        return replace(memory, small=memory.small.forget(seen), drafted=[])


def one_by_one(memory: Small, canvas: Canvas, sampler: Sampler, *, width: int) -> Draft:
    """A chain of guesses, each made after the one before was read."""
    read = pending(canvas, memory.cache)
    live_B = (read.count_B > 0).long()
    said_BW, probs = canvas.tokens_BN[:, :0], ()
    for _ in range(width):
        logits_BV = memory.read(read)
        said_BW, probs = guessed(logits_BV[:, None], said_BW, probs, canvas, sampler)
        read = Pending(said_BW[:, -1:], live_B)
    return chain(said_BW, probs)


def guessed(
    logits_B1V: Float[Tensor, "B 1 V"],
    said_BW: Int[Tensor, "B W"],
    probs: tuple[Tensor, ...],
    canvas: Canvas,
    sampler: Sampler,
) -> tuple[Int[Tensor, "B W+1"], tuple[Tensor, ...]]:
    """What was said, and what each token was drawn from, with one guess more: the likeliest token,
    which is not drawn, or above temperature 0 one that is.
    """
    past_B1H = history(canvas, said_BW) if sampler.wants_history else None
    cells_B1 = canvas.frontier_B[:, None] + said_BW.shape[1]
    if sampler.greedy:
        return torch.cat([said_BW, sampler.pick(logits_B1V, cells_B1, past_B1H)], 1), probs
    probs = (*probs, sampler.probs(logits_B1V, past_B1H).cpu())
    guess_B1 = draw(probs[-1], sampler.coins.at(cells_B1, DRAW))
    return torch.cat([said_BW, guess_B1], 1), probs


def at_once(logits_BWV: Float[Tensor, "B W V"], canvas: Canvas, sampler: Sampler) -> Draft:
    """A chain of guesses of which each was told whatever the others are."""
    W = logits_BWV.shape[1]
    if sampler.wants_history:  # what was guessed counts for what comes behind it
        said_BW, probs = canvas.tokens_BN[:, :0], ()
        for at in range(W):
            logits_B1V = logits_BWV[:, at : at + 1]
            said_BW, probs = guessed(logits_B1V, said_BW, probs, canvas, sampler)
        return chain(said_BW, probs)
    cells_BW = canvas.frontier_B[:, None] + torch.arange(W)
    if sampler.greedy:
        return chain(sampler.pick(logits_BWV, cells_BW).cpu())
    probs_BWV = sampler.probs(logits_BWV, None).cpu()
    return chain(draw(probs_BWV, sampler.coins.at(cells_BW, DRAW)), (probs_BWV,))


def chain(said_BW: Int[Tensor, "B W"], probs: tuple[Tensor, ...] = ()) -> Draft:
    """Guesses one behind the other; `probs`: what each was drawn from, if they were."""
    parents_BK = (torch.arange(said_BW.shape[1]) - 1).expand(len(said_BW), -1)
    drawn = Drawn(said_BW[:, None], torch.cat(probs, 1)[:, None]) if probs else None
    return Draft(said_BW, parents_BK, drawn)


@dataclass(frozen=True)
class Merged:
    """Chains as a tree; `last_BJ`: the cell of each chain's last token."""

    tokens_BK: Int[Tensor, "B K"]
    parents_BK: Int[Tensor, "B K"]
    last_BJ: Int[Tensor, "B J"]


def merged(said_BJW: Int[Tensor, "B J W"], live_B: Bool[Tensor, " B"]) -> Merged | None:
    """A tree of chains: those that begin alike share their cells. Rows that are not live have
    none; None where no row has any.

    >>> tree = merged(torch.tensor([[[5, 6], [5, 7]]]), torch.tensor([True]))
    >>> tree.tokens_BK.tolist(), tree.parents_BK.tolist(), tree.last_BJ.tolist()
    ([[5, 6, 7]], [[-1, 0, 0]], [[1, 2]])
    """
    tokens, parents, last = [], [], []
    for drafts, live in zip(said_BJW.tolist(), live_B.tolist(), strict=True):
        cells: dict[tuple[int, ...], int] = {}
        above: list[int] = []
        for chain in drafts if live else ():
            for end in range(1, len(chain) + 1):
                said = tuple(chain[:end])
                if said not in cells:
                    cells[said] = len(above)
                    above.append(cells.get(said[:-1], -1))
        tokens.append([said[-1] for said in cells])
        parents.append(above)
        last.append([cells.get(tuple(chain), 0) for chain in drafts])
    K = max(map(len, tokens))
    if not K:
        return None
    filled = torch.tensor([[*row, *[0] * (K - len(row))] for row in tokens])
    below = torch.tensor([[*row, *[-2] * (K - len(row))] for row in parents])
    return Merged(filled, below, torch.tensor(last))
