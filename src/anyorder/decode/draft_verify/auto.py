"""Auto: drafts as much as pays, on this machine, with this text.

    Auto()

Two drafters offer guesses: a copy of what followed the last tokens earlier on, and the followers
that token recycling remembers. How often each is right is counted on every token that is written,
whether or not it was drafted; what a call costs is measured once, and corrected by what the run's
own steps take, from the draft to the last entry in the books. Each step drafts the tree with the
most expected tokens a second; where none beats plain decoding, none is drafted.
Source of the two drafters: `prompt_copy` and `token_recycling`. Cost against acceptance: Leviathan
et al. 2023 (arXiv:2211.17192), section 3.3.
Shapes: B rows, K drafted cells, P written cells.
"""

import time
from dataclasses import dataclass, field
from functools import lru_cache
from typing import final

import torch

from anyorder.canvas import Canvas
from anyorder.decode.draft_verify.accept import Written
from anyorder.decode.draft_verify.cost import CostCurve, curve_of
from anyorder.decode.draft_verify.followers import Followers
from anyorder.decode.draft_verify.loop import Draft, DraftVerify, Seen
from anyorder.decode.draft_verify.ngrams import NGrams
from anyorder.decode.draft_verify.prompt_copy import copied
from anyorder.decode.draft_verify.tree_shape import best_first
from anyorder.decode.sampling import Sampler
from anyorder.models.capability import CausalLM

CHAINS = (3, 7, 12, 20)  # lengths of copies that are considered
TREES = (1, 3, 5, 7, 11, 15)  # sizes of recycling trees that are considered
FIRST_RANKS = (0.2, 0.08, 0.05, 0.03, 0.02, 0.02, 0.01, 0.01)  # odds before anything was seen,
FIRST_COPIES = {4: 0.6, 3: 0.4, 2: 0.25, 1: 0.08}  # on the careful side
LONGEST = max(FIRST_COPIES)  # a copy is trusted by the length of its match
MARGIN = 1.03  # a draft must promise this much more than plain decoding
FADE = 0.98  # weight of what was seen, one written token later


@dataclass
class Odds:
    """A share, counted with fading memory, from a first guess worth `weight` sightings."""

    share: float
    weight: float = 4.0

    def see(self, right: bool) -> None:
        """One more sighting."""
        self.share = (self.share * self.weight + right) / (self.weight + 1)
        self.weight = min(self.weight + 1, 1 / (1 - FADE))


@dataclass
class Pace:
    """Seconds of a step by the cells of its call: the model's curve, times what steps really take.

    Plain and drafted steps have a factor each, for what they do beside the call. While nothing is
    drafted, the factor of drafted steps comes back to that of plain ones: it may be tried again.
    """

    curve: CostCurve
    plain: float = 1.0
    drafted: float = 1.0
    known: dict[int, float] = field(default_factory=dict)

    def seconds(self, cells: int, *, drafted: bool) -> float:
        """What a step is expected to take."""
        if cells not in self.known:
            self.known[cells] = self.curve.seconds(cells)
        return self.known[cells] * (self.drafted if drafted else self.plain)

    def see(self, cells: int, seconds: float, *, drafted: bool) -> None:
        """What one took. A pause of the machine counts no more than a step of double length."""
        expected = self.seconds(cells, drafted=drafted)
        factor = 1 + 0.1 * (min(seconds / expected, 2.0) - 1)
        if drafted:
            self.drafted *= factor
        else:
            self.plain *= factor
            self.drafted += 0.02 * (self.plain - self.drafted)


@dataclass
class Experience:
    """What a run has learned: followers, n-grams, how often guesses are right, what steps take."""

    followers: Followers
    grams: NGrams
    pace: Pace
    sources: list[int]  # where a copy would start in each row, and
    matches: list[int]  # the length of its match (0: none)
    ranks: list[Odds] = field(default_factory=lambda: [Odds(odds) for odds in FIRST_RANKS])
    copies: dict[int, Odds] = field(
        default_factory=lambda: {match: Odds(odds) for match, odds in FIRST_COPIES.items()}
    )
    begun: float | None = None  # when the present step began; None: it reads a prompt
    drafted: bool = False

    @staticmethod
    def of(canvas: Canvas, curve: CostCurve, vocab_size: int) -> "Experience":
        """Before anything was read."""
        B = len(canvas.tokens_BN)
        followers = Followers(vocab_size=vocab_size, ranks=len(FIRST_RANKS))
        grams = NGrams(batch=B, longest=LONGEST)
        return Experience(followers, grams, Pace(curve), [-1] * B, [0] * B)


@final
@dataclass(frozen=True)
class Auto(DraftVerify):
    """Chooses drafter and draft size at every step, from measured cost and counted acceptance.

    `costs`: pairs of cells and seconds instead of the measured curve.
    """

    costs: tuple[tuple[int, float], ...] | None = None

    @property
    def most_drafted(self) -> int:
        return CHAINS[-1] + TREES[-1]

    def begin(self, model: CausalLM, canvas: Canvas, sampler: Sampler) -> Experience:
        curve = CostCurve(self.costs) if self.costs else curve_of(model)
        return Experience.of(canvas, curve, model.vocab_size)

    def draft(self, memory: Experience, canvas: Canvas, sampler: Sampler) -> Draft | None:
        memory.begun = time.perf_counter()
        roots = canvas.last_B.tolist()
        chain, size, odds = best_plan(memory, canvas, roots)
        parts = [
            copied(canvas, torch.tensor(memory.sources), chain) if chain else None,
            memory.followers.filled(best_first(size, odds), roots) if size else None,
        ]
        draft = side_by_side([part for part in parts if part is not None])
        memory.drafted = draft is not None
        return draft

    def observe(self, memory: Experience, seen: Seen) -> Experience:
        if seen.written is not None:
            count_ranks(memory, seen.tokens_BS[:, 0].tolist(), seen.written)
            count_copies(memory, seen.written)
        memory.followers.learn(seen)
        memory.sources, memory.matches = memory.grams.latest(seen.canvas)
        if memory.begun is not None and self.costs is None:
            cells = int(seen.real_BS.sum())
            memory.pace.see(cells, time.perf_counter() - memory.begun, drafted=memory.drafted)
        memory.begun = None
        return memory


def best_plan(
    memory: Experience, canvas: Canvas, roots: list[int]
) -> tuple[int, int, tuple[float, ...]]:
    """Length of the copy, size of the tree, and the rank odds that shape the tree.

    Expected tokens of a call: 1 + sum over drafted cells of the odds that the path to them is
    right; the tree counts where the copy's first token fails, and where the root is known.
    """
    odds = falling([rank.share for rank in memory.ranks[: memory.followers.ranks]])
    rows = [  # how far to trust the row's copy, and whether a tree can grow there
        (memory.copies[match].share if match else 0.0, memory.followers.knows(root))
        for match, root, on in zip(memory.matches, roots, canvas.live_B.tolist(), strict=True)
        if on
    ]
    live = len(rows)
    best, plan = MARGIN * live / memory.pace.seconds(live, drafted=False), (0, 0)
    chains = (0, *CHAINS) if any(copy for copy, _ in rows) else (0,)
    trees = ((0, 0.0), *gains(odds)) if any(tree for _, tree in rows) else ((0, 0.0),)
    for chain in chains:
        copied_ = sum(1 + run_of(copy, chain) for copy, _ in rows)
        missed = sum(1 - copy * (chain > 0) for copy, tree in rows if tree)
        for size, gain in trees:
            if chain or size:
                cost = memory.pace.seconds(live * (1 + chain + size), drafted=True)
                rate = (copied_ + missed * gain) / cost
                if rate > best:
                    best, plan = rate, (chain, size)
    return *plan, odds


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


def count_ranks(memory: Experience, roots: list[int], written: Written) -> None:
    """Which rank each written token had among the remembered followers of the one before, if any.

    Counted before anything is learned of this call.
    """
    rows = zip(roots, written.tokens_BP.tolist(), written.count_B.tolist(), strict=True)
    for root, tokens, count in rows:
        for before, token in zip([root, *tokens], tokens[:count], strict=False):
            for odds, guess in zip(memory.ranks, memory.followers.after(before), strict=False):
                odds.see(guess == token)


def count_copies(memory: Experience, written: Written) -> None:
    """How far the copy that offered itself before this call was right, drafted or not."""
    rows = zip(
        memory.sources, memory.matches, memory.grams.texts, written.tokens_BP.tolist(), strict=True
    )
    for (source, match, text, tokens), count in zip(rows, written.count_B.tolist(), strict=True):
        for i, token in enumerate(tokens[:count] if match else ()):
            right = text[source + i % (len(text) - source)] == token
            memory.copies[match].see(right)
            if not right:
                break
