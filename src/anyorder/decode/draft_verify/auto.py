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

from dataclasses import dataclass, field
from typing import final

import torch
from jaxtyping import Int
from torch import Tensor

from anyorder.canvas import Canvas
from anyorder.decode.draft_verify.accept import Written
from anyorder.decode.draft_verify.cost import CostCurve, curve_of
from anyorder.decode.draft_verify.loop import Draft, DraftVerify, Seen
from anyorder.decode.draft_verify.prompt_copy import copied, latest_match
from anyorder.decode.draft_verify.token_recycling import RANK_ODDS, filled, likeliest
from anyorder.decode.draft_verify.tree_shape import best_first
from anyorder.decode.sampling import Sampler
from anyorder.models.capability import CausalLM

CHAINS = (0, 3, 7, 12, 20)  # lengths of copies that are considered
TREES = (0, 1, 3, 5, 7, 11, 15, 23)  # sizes of recycling trees that are considered
NGRAMS = (4, 3, 2, 1)  # a copy is trusted by the length of its match
FADE = 0.98  # weight of what was seen, one written token later


@dataclass
class Odds:
    """A share, counted with fading memory, from a first guess worth `weight` sightings."""

    share: float
    weight: float = 6.0

    def see(self, right: bool) -> None:
        """One more sighting."""
        self.share = (self.share * self.weight + right) / (self.weight + 1)
        self.weight = min(self.weight + 1, 1 / (1 - FADE))


@dataclass
class Experience:
    """What a run has learned: the matrix, and how often each guess is right."""

    matrix_VR: Int[Tensor, "V R"]
    curve: CostCurve
    ranks: list[Odds] = field(default_factory=lambda: [Odds(odds) for odds in RANK_ODDS])
    copies: dict[int, Odds] = field(
        default_factory=lambda: {4: Odds(0.8), 3: Odds(0.7), 2: Odds(0.5), 1: Odds(0.2, 12.0)}
    )
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

    @property
    def reads_prompt(self) -> bool:
        return True

    def begin(self, model: CausalLM, canvas: Canvas, sampler: Sampler) -> Experience:
        ranks = min(len(RANK_ODDS), model.vocab_size)
        matrix_VR = torch.full((model.vocab_size, ranks), -1, dtype=torch.int32)
        curve = CostCurve(self.costs) if self.costs else curve_of(model)
        return Experience(matrix_VR, curve)

    def draft(self, memory: Experience, canvas: Canvas, sampler: Sampler) -> Draft | None:
        chain, size, odds = best_plan(memory, canvas)
        parts = []
        if chain and memory.source_B is not None:
            parts.append(copied(canvas, memory.source_B, chain))
        if size:
            last_B1 = (canvas.frontier_B - 1).clamp_min(0)[:, None]
            root_B = canvas.tokens_BN.gather(1, last_B1)[:, 0]
            parts.append(filled(best_first(size, odds), memory.matrix_VR, root_B))
        return side_by_side([part for part in parts if part is not None])

    def observe(self, memory: Experience, seen: Seen) -> Experience:
        if seen.written is not None:
            count_ranks(memory, seen.tokens_BS[:, 0], seen.written)
            count_copies(memory, seen.canvas, seen.written)
        real = seen.real_BS.reshape(-1)
        ranked = likeliest(seen.logits_BSV.flatten(0, 1), memory.matrix_VR.shape[1]).cpu()[real]
        memory.matrix_VR[seen.tokens_BS.reshape(-1)[real]] = ranked.int()
        find_copies(memory, seen.canvas)
        return memory


def best_plan(memory: Experience, canvas: Canvas) -> tuple[int, int, tuple[float, ...]]:
    """Length of the copy, size of the tree, and the rank odds that shape the tree.

    Expected tokens of a call: 1 + sum over drafted cells of the odds that the path to them is
    right; the tree counts where the copy's first token fails.
    """
    odds = falling([rank.share for rank in memory.ranks[: memory.matrix_VR.shape[1]]])
    gains = {size: expected(size, odds) for size in TREES}
    live = canvas.live_B.tolist()
    matches = [0] * len(live) if memory.match_B is None else memory.match_B.tolist()
    copies = [
        memory.copies[m].share if m else 0.0 for m, on in zip(matches, live, strict=True) if on
    ]
    rows = max(len(live), 1)
    best, plan = 0.0, (0, 0)
    for chain in CHAINS if any(copies) else CHAINS[:1]:
        along = [sum(share**i for i in range(1, chain + 1)) for share in copies]
        for size, gain in gains.items():
            tokens = sum(
                1 + a + (1 - c * (chain > 0)) * gain for a, c in zip(along, copies, strict=True)
            )
            rate = tokens / memory.curve.seconds(rows * (1 + chain + size))
            if rate > best * 1.001:
                best, plan = rate, (chain, size)
    return *plan, odds


def falling(shares: list[float]) -> tuple[float, ...]:
    """Shares as odds that fall with rank and stay inside (0, 1), rounded so that trees recur."""
    odds: list[float] = []
    for share in shares:
        odds.append(min(max(round(share, 2), 0.005), odds[-1] if odds else 0.97))
    return tuple(odds)


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
    """Which rank, if any, each written token had among the remembered followers of the one before.

    Counted before the matrix learns of this call.
    """
    before_BP = torch.cat([root_B[:, None], written.tokens_BP[:, :-1]], 1)
    hit_BPR = memory.matrix_VR[before_BP] == written.tokens_BP[..., None]
    for row, count in zip(hit_BPR.tolist(), written.count_B.tolist(), strict=True):
        for hits in row[:count]:
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
