"""Auto: drafts as much as pays, on this machine, with this text.

    Auto()

Two drafters offer guesses: a copy of what followed the last tokens earlier on, and the followers
that token recycling remembers. How often each is right is counted on every token that is written,
whether or not it was drafted; what a call costs is measured once. Each step drafts the tree with
the most expected tokens a second; where none beats plain decoding, none is drafted.
Source of the two drafters: `prompt_copy` and `token_recycling`. Cost against acceptance: Leviathan
et al. 2023 (arXiv:2211.17192), section 3.3.
Shapes: B rows, K drafted cells, V vocabulary, R ranks, P written cells.
"""

import time
from dataclasses import dataclass, field
from functools import lru_cache
from typing import final

import torch
from jaxtyping import Int
from torch import Tensor

from anyorder.canvas import Canvas
from anyorder.decode.draft_verify.accept import Written
from anyorder.decode.draft_verify.cost import CostCurve, curve_of
from anyorder.decode.draft_verify.loop import Draft, DraftVerify, Seen
from anyorder.decode.draft_verify.prompt_copy import copied, latest_match
from anyorder.decode.draft_verify.token_recycling import filled, likeliest
from anyorder.decode.draft_verify.tree_shape import best_first
from anyorder.decode.sampling import Sampler
from anyorder.models.capability import CausalLM

CHAINS = (0, 3, 7, 12, 20)  # lengths of copies that are considered
TREES = (0, 1, 3, 5, 7, 11, 15)  # sizes of recycling trees that are considered
FIRST_RANKS = (0.25, 0.08, 0.05, 0.03, 0.02, 0.02, 0.01, 0.01)  # odds before anything was seen,
FIRST_COPIES = {4: 0.75, 3: 0.6, 2: 0.4, 1: 0.12}  # on the careful side
MARGIN = 1.03  # a draft must promise this much more than plain decoding
NGRAMS = (4, 3, 2, 1)  # a copy is trusted by the length of its match
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
class Experience:
    """What a run has learned: the matrix, and how often each guess is right."""

    matrix_VR: Int[Tensor, "V R"]
    curve: CostCurve
    ranks: list[Odds] = field(default_factory=lambda: [Odds(odds) for odds in FIRST_RANKS])
    copies: dict[int, Odds] = field(
        default_factory=lambda: {match: Odds(odds) for match, odds in FIRST_COPIES.items()}
    )
    drafting: float = 0.0005  # seconds that it takes to make a draft, fading mean
    source_B: Int[Tensor, " B"] | None = None  # where a copy would start, and
    match_B: Int[Tensor, " B"] | None = None  # the length of its match (0: none)


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
        ranks = min(len(FIRST_RANKS), model.vocab_size)
        matrix_VR = torch.full((model.vocab_size, ranks), -1, dtype=torch.int32)
        curve = CostCurve(self.costs) if self.costs else curve_of(model)
        return Experience(matrix_VR, curve)

    def draft(self, memory: Experience, canvas: Canvas, sampler: Sampler) -> Draft | None:
        begun = time.perf_counter()
        last_B1 = (canvas.frontier_B - 1).clamp_min(0)[:, None]
        root_B = canvas.tokens_BN.gather(1, last_B1)[:, 0]
        chain, size, odds = best_plan(memory, canvas, root_B)
        if not chain and not size:
            return None
        parts = []
        if chain and memory.source_B is not None:
            parts.append(copied(canvas, memory.source_B, chain))
        if size:
            parts.append(filled(best_first(size, odds), memory.matrix_VR, root_B))
        draft = side_by_side([part for part in parts if part is not None])
        memory.drafting += 0.1 * (time.perf_counter() - begun - memory.drafting)
        return draft

    def observe(self, memory: Experience, seen: Seen) -> Experience:
        if seen.written is not None:
            count_ranks(memory, seen.tokens_BS[:, 0], seen.written)
            count_copies(memory, seen.canvas, seen.written)
        real = seen.real_BS.reshape(-1)
        ranked = likeliest(seen.logits_BSV.flatten(0, 1), memory.matrix_VR.shape[1]).cpu()[real]
        memory.matrix_VR[seen.tokens_BS.reshape(-1)[real]] = ranked.int()
        find_copies(memory, seen.canvas)
        return memory


def best_plan(
    memory: Experience, canvas: Canvas, root_B: Int[Tensor, " B"]
) -> tuple[int, int, tuple[float, ...]]:
    """Length of the copy, size of the tree, and the rank odds that shape the tree.

    Expected tokens of a call: 1 + sum over drafted cells of the odds that the path to them is
    right; the tree counts where the copy's first token fails, and where the root is known.
    """
    odds = falling([rank.share for rank in memory.ranks[: memory.matrix_VR.shape[1]]])
    live = canvas.live_B.tolist()
    known = (memory.matrix_VR[root_B, 0] >= 0).tolist()
    matches = [0] * len(live) if memory.match_B is None else memory.match_B.tolist()
    rows = [  # how far to trust the row's copy, and whether a tree can grow there
        (memory.copies[match].share if match else 0.0, on_tree)
        for match, on_tree, on in zip(matches, known, live, strict=True)
        if on
    ]
    best = MARGIN * len(rows) / memory.curve.seconds(len(live))
    plan = (0, 0)
    for chain in CHAINS if any(copy for copy, _ in rows) else CHAINS[:1]:
        for size in TREES if any(tree for _, tree in rows) else TREES[:1]:
            if not chain and not size:
                continue
            gain = expected(size, odds)
            tokens = sum(
                1 + run_of(copy, chain) + (1 - copy * (chain > 0)) * tree * gain
                for copy, tree in rows
            )
            cost = memory.curve.seconds(len(live) * (1 + chain + size)) + memory.drafting
            if tokens / cost > best:
                best, plan = tokens / cost, (chain, size)
    return plan[0], plan[1], odds


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
def expected(size: int, odds: tuple[float, ...]) -> float:
    """Expected number of right cells in the best tree of `size` cells."""
    if not size:
        return 0.0
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


def count_ranks(memory: Experience, root_B: Int[Tensor, " B"], written: Written) -> None:
    """Which rank each written token had among the remembered followers of the one before, if any.

    Counted before the matrix learns of this call.
    """
    before_BP = torch.cat([root_B[:, None], written.tokens_BP[:, :-1]], 1)
    remembered_BPR = memory.matrix_VR[before_BP]
    hit_BPR = (remembered_BPR == written.tokens_BP[..., None]).tolist()
    known_BP = (remembered_BPR[..., 0] >= 0).tolist()
    for row, known, count in zip(hit_BPR, known_BP, written.count_B.tolist(), strict=True):
        for hits in (hits for hits, is_known in zip(row[:count], known, strict=False) if is_known):
            for odds, hit in zip(memory.ranks, hits, strict=False):
                odds.see(hit)


def count_copies(memory: Experience, canvas: Canvas, written: Written) -> None:
    """How far the copy that offered itself before this call was right, drafted or not."""
    if memory.source_B is None or memory.match_B is None:
        return
    begin_B = canvas.frontier_B - written.count_B
    rows = zip(memory.source_B.tolist(), memory.match_B.tolist(), begin_B.tolist(), strict=True)
    for row, (source, match, begin) in enumerate(rows):
        count = int(written.count_B[row])
        if not match or not count:
            continue
        text = canvas.tokens_BN[row, : begin + count].tolist()
        for i in range(count):
            right = text[source + i % max(begin - source, 1)] == text[begin + i]
            memory.copies[match].see(right)
            if not right:
                break


def find_copies(memory: Experience, canvas: Canvas) -> None:
    """Where each row's last tokens stood before: the longest match of at most `NGRAMS[0]`."""
    source_B = torch.full_like(canvas.frontier_B, -1)
    match_B = torch.zeros_like(source_B)
    for ngram in NGRAMS:
        found_B = latest_match(canvas, ngram=ngram, shortest=ngram)
        new_B = (found_B >= 0) & (source_B < 0)
        source_B, match_B = torch.where(new_B, found_B, source_B), match_B.where(~new_B, ngram)
    memory.source_B, memory.match_B = source_B, match_B
