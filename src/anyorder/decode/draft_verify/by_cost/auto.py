"""Auto: drafts as much as pays, on this machine, with this text.

    Auto()

Two drafters offer guesses: a copy of what followed the last tokens earlier on, and the followers
that token recycling remembers; and the model's own head, if it has one (see `own_head`). How often
each is right is counted on every token that is written, whether or not it was drafted (of a copy:
up to its first wrong token), and so is what came of the drafts; what a call costs is measured once,
and corrected by what the run's own steps take, from the draft to the last entry in the books. Each
step drafts what promises the most tokens a second; where nothing beats plain decoding, nothing is
drafted. Where other texts are computed in the same calls (the model's `crowd`), they are taken to
draft as much: a full call has less room for guesses.
Source of the two drafters: `prompt_copy` and `token_recycling`. Cost against acceptance: Leviathan
et al. 2023 (arXiv:2211.17192), section 3.3.
Shapes: B rows, K drafted cells.
"""

import time
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, final

import torch

from anyorder.canvas import Canvas
from anyorder.decode.draft_verify.by_cost.cost import CostCurve, curve_of
from anyorder.decode.draft_verify.by_cost.experience import Experience, count_copies, count_ranks
from anyorder.decode.draft_verify.by_cost.own_head import OwnHead
from anyorder.decode.draft_verify.draft import Draft, Seen
from anyorder.decode.draft_verify.from_text.prompt_copy import copied
from anyorder.decode.draft_verify.loop import DraftVerify
from anyorder.decode.draft_verify.tree_shape import best_first
from anyorder.decode.sampling import Sampler
from anyorder.models.capability import CausalLM

CHAINS = (3, 7, 12, 20)  # lengths of copies that are considered
TREES = (1, 3, 5, 7, 11, 15)  # sizes of recycling trees that are considered
LONG_COPY = 3.0  # tokens that a copy promises, with which no head is asked
MARGIN = 1.1  # a draft must promise this much more than plain decoding


@final
@dataclass(frozen=True)
class Auto(DraftVerify):
    """Chooses drafter and draft size at every step, from measured cost and counted acceptance.

    `costs`: pairs of cells and seconds instead of the measured curve.
    """

    costs: tuple[tuple[int, float], ...] | None = None
    of_the_row: ClassVar[bool] = False  # it looks at the clock
    sparing: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.costs is not None:
            CostCurve(self.costs)  # raises ValueError for what is none

    @property
    def most_drafted(self) -> int:
        return CHAINS[-1] + TREES[-1]

    def begin(self, model: CausalLM, canvas: Canvas, sampler: Sampler) -> Experience:
        curve = CostCurve(self.costs) if self.costs else curve_of(model)
        memory = Experience.of(
            canvas, curve, model.vocab_size, crowd=lambda: getattr(model, "crowd", 1)
        )
        memory.own = OwnHead.of(model, canvas, sampler, self.most_drafted)
        return memory

    def reads_features(self, memory: Experience) -> bool:
        return memory.own is not None

    def draft(self, memory: Experience, canvas: Canvas, sampler: Sampler) -> Draft | None:
        memory.begun = time.perf_counter()
        texts = zip(memory.grams.texts, canvas.live_B.tolist(), strict=True)
        tokens = [text[-1] if live else -1 for text, live in texts]
        plan = best_plan(memory, tokens)
        memory.hoped, memory.by_head = plan.hoped, False
        if (found := better_by_head(memory, plan, canvas)) is not None:
            memory.hoped, memory.by_head = found[1], True
            return found[0]
        if not plan.hoped:
            return None
        parts = [
            copied(canvas, torch.tensor(memory.sources), plan.chain) if plan.chain else None,
            memory.followers.filled(best_first(plan.size, plan.odds), tokens)
            if plan.size
            else None,
        ]
        return side_by_side([part for part in parts if part is not None])

    def observe(self, memory: Experience, seen: Seen) -> Experience:
        if seen.written is not None:  # before anything is learned of this call
            count_ranks(memory, seen.tokens_BS[:, 0].tolist(), seen.written)
            count_copies(memory, seen.written)
        if memory.own is not None:
            memory.own = memory.own.observe(seen) if memory.own.pays else None
        memory.followers.learn(seen)
        memory.sources, memory.matches = memory.grams.latest(seen.canvas)
        if seen.written is not None:
            count_promises(memory, seen.written.count_B.tolist())
            if self.costs is None:
                seconds = time.perf_counter() - memory.begun
                cells = sum(map(sum, seen.real_BS.tolist()))
                memory.pace.see(cells * memory.crowd(), seconds, drafted=memory.hoped > 0)
        return memory


def count_promises(memory: Experience, counts: list[int]) -> None:
    """What came of this step's draft, for whoever made it; `counts`: tokens that rows wrote."""
    beyond, live = float(sum(max(count - 1, 0) for count in counts)), sum(map(bool, counts))
    memory.trust.see(*((0.0, 0.0) if memory.by_head else (memory.hoped, beyond)))
    if memory.own is None:
        return
    if memory.by_head:
        call = memory.pace.seconds(live * memory.crowd(), drafted=False)
        memory.own.see(memory.hoped, beyond, live, call)
    else:
        memory.own.trust.see(0.0, 0.0)


@dataclass(frozen=True)
class Plan:
    """Length of the copy, size of the tree, the rank odds that shape it, and what is hoped for:
    tokens beyond each row's first, and tokens a second (those of plain decoding, with the margin,
    where nothing is better).
    """

    chain: int
    size: int
    odds: tuple[float, ...]
    hoped: float
    speed: float


def best_plan(memory: Experience, tokens: list[int]) -> Plan:
    """The draft below `tokens` (-1: a row that has ended) with the most expected tokens a second;
    none, if none beats plain decoding.

    Expected tokens of a call: 1 + sum over drafted cells of the odds that the path to them is
    right; the tree counts where the copy's first token fails, and where the root is known.
    """
    odds = falling([rank.share for rank in memory.ranks[: memory.followers.ranks]])
    rows = [  # how far to trust the row's copy, and whether a tree can grow there
        (memory.copies[match].share if match else 0.0, memory.followers.knows(root))
        for match, root in zip(memory.matches, tokens, strict=True)
        if root >= 0
    ]
    live, trust = len(rows), memory.trust.share
    crowd = live * memory.crowd()
    best = MARGIN * live / memory.pace.seconds(crowd, drafted=False)
    best *= memory.pace.drafted  # tokens a second, if drafted steps took what `costs` say
    plan = Plan(0, 0, odds, 0.0, best)
    costs = memory.pace.costs(crowd, CHAINS[-1] + TREES[-1])
    chains = (0, *CHAINS) if any(copy for copy, _ in rows) else (0,)
    trees = ((0, 0.0), *gains(odds)) if any(tree for _, tree in rows) else ((0, 0.0),)
    most = sum(run_of(copy, chains[-1]) + trees[-1][1] for copy, _ in rows)
    if (live + trust * most) / costs[1] <= best:
        return plan  # not even the best of all drafts, at the least of all costs
    for chain in chains:
        right = sum(run_of(copy, chain) for copy, _ in rows)
        missed = sum(1 - copy * (chain > 0) for copy, tree in rows if tree)
        for size, gain in trees:
            hoped = right + missed * gain
            if hoped:
                speed = (live + trust * hoped) / costs[chain + size]
                if speed > best:
                    best, plan = speed, Plan(chain, size, odds, hoped, speed)
    return plan


def better_by_head(memory: Experience, plan: Plan, canvas: Canvas) -> tuple[Draft, float] | None:
    """What the model's own head drafts, where that promises more tokens a second than the plan."""
    live = int(canvas.live_B.sum())
    if memory.own is None or plan.hoped >= live * LONG_COPY:
        return None
    costs = memory.pace.costs(live * memory.crowd(), CHAINS[-1] + TREES[-1])
    found = memory.own.guess(canvas, costs)
    if found is None:
        return None
    draft, hoped = found
    enough = plan.speed if plan.hoped else plan.speed / MARGIN  # its time is spent already
    speed = (live + memory.own.trust.share * hoped) / costs[draft.tokens_BK.shape[1]]
    return found if speed > enough else None


def run_of(share: float, chain: int) -> float:
    """Expected length of the right beginning of a copy: share + share^2 + ... + share^chain.

    >>> run_of(0.5, 2)
    0.75
    """
    return share * (1 - share**chain) / (1 - share) if share < 1 else float(chain)


def falling(shares: list[float]) -> tuple[float, ...]:
    """Shares as odds that fall with rank and stay inside (0, 1); coarse, so that trees recur."""
    odds: list[float] = []
    for share in shares:
        coarse = round(20 * share) / 20 if share > 0.1 else round(50 * share) / 50
        odds.append(min(max(coarse, 0.005), odds[-1] if odds else 0.95))
    return tuple(odds)


@lru_cache(maxsize=4096)
def gains(odds: tuple[float, ...]) -> tuple[tuple[int, float], ...]:
    """Each of `TREES`, with the expected number of right cells in the best tree of its size."""
    return tuple((size, expected(size, odds)) for size in TREES)


def expected(size: int, odds: tuple[float, ...]) -> float:
    """Expected number of right cells in the best tree of `size` cells."""
    shape, right = best_first(size, odds), []
    for parent, rank in zip(shape.parents, shape.ranks, strict=True):
        right.append(odds[rank] * (1.0 if parent < 0 else right[parent]))
    return sum(right)


def side_by_side(parts: list[Draft]) -> Draft | None:
    """Several drafts below the same root."""
    if not parts:
        return None
    shifts = [sum(part.tokens_BK.shape[1] for part in parts[:i]) for i in range(len(parts))]
    moved = [
        torch.where(part.parents_BK >= 0, part.parents_BK + shift, part.parents_BK)
        for part, shift in zip(parts, shifts, strict=True)
    ]
    return Draft(torch.cat([part.tokens_BK for part in parts], 1), torch.cat(moved, 1))
