"""A tree of what the model's own heads guess: several tokens for each place, not the likeliest.

    HeadTree(size=16)                             # of all paths those with the highest odds
    HeadTree(size=16, rank_odds=(0.5, 0.15))      # a tree of one shape

Heads guess each place by itself, so that any guess for a place may follow any for the place before
it. A tree of the likeliest of these paths hangs below the newest token, and one call checks it and
guesses again; `Blockwise` is the chain of each head's first.
Source: Cai et al. 2024 (arXiv:2401.10774): candidates are the Cartesian product of the heads'
guesses, in a tree of one shape; Wu et al. 2024 (arXiv:2404.12022). That the shape may follow from
what the heads say of this text is as in `OptTree`.
Shapes: B rows, H heads, R ranks, K guessed cells.
"""

from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise
from typing import Any, ClassVar, final

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from anyorder.canvas import Canvas
from anyorder.decode.draft_verify.draft import Draft, Seen, of_rows
from anyorder.decode.draft_verify.guard import check_said
from anyorder.decode.draft_verify.loop import DraftVerify
from anyorder.decode.draft_verify.tree_shape import TreeShape, best_of_heads
from anyorder.decode.reading import open_run
from anyorder.decode.sampling import Sampler
from anyorder.models.capability import HeadedLM


@dataclass(frozen=True)
class Ranked:
    """The likeliest tokens of each head of `model` behind the newest token of each row, where it
    has one, and their odds.
    """

    model: HeadedLM
    tokens_BHR: Int[Tensor, "B H R"]
    odds_BHR: Float[Tensor, "B H R"]
    known_B: Bool[Tensor, " B"]


@final
@dataclass(frozen=True)
class HeadTree(DraftVerify):
    """Drafts a tree of up to `size` cells of the heads' likeliest tokens, `depth` deep at the most.

    `rank_odds`: how often a head's guess of each rank is right, for a tree of one shape; None: the
    heads themselves say that, for each text anew, of up to `size` ranks.
    """

    size: int = 16
    rank_odds: tuple[float, ...] | None = None
    depth: int = 8
    needs: ClassVar[tuple[type, ...]] = (HeadedLM,)

    def __post_init__(self) -> None:
        odds = (0.5,) if self.rank_odds is None else self.rank_odds
        falls = all(a >= b > 0 for a, b in pairwise((*odds, 1e-300)))
        if min(self.size, self.depth) < 1 or not odds or not falls or odds[0] >= 1:
            raise ValueError(
                "a tree of heads has a size and a depth of 1 or more, and falling rank odds < 1"
            )

    @property
    def most_drafted(self) -> int:
        return self.size

    def reads_features(self, memory: Any) -> bool:
        return True

    def begin(self, model: Any, canvas: Canvas, sampler: Sampler) -> Ranked:
        B = len(canvas.tokens_BN)
        ranks = self.size if self.rank_odds is None else len(self.rank_odds)
        shape = (B, min(self.depth, model.heads), min(ranks, model.vocab_size))
        tokens_BHR = torch.zeros(shape, dtype=torch.long)
        return Ranked(model, tokens_BHR, torch.zeros(shape), torch.zeros(B, dtype=torch.bool))

    def draft(self, memory: Ranked, canvas: Canvas, sampler: Sampler) -> Draft | None:
        # the last token of a text is the target's own
        most = (memory.known_B * (open_run(canvas) - 1).clamp_min(0)).tolist()
        rows = [self._cells(memory, row, deep) for row, deep in enumerate(most)]
        return of_rows(rows)

    def _cells(self, memory: Ranked, row: int, deep: int) -> list[tuple[int, int]]:
        """Tokens and parents of a row's tree."""
        if not deep:
            return []
        said = memory.tokens_BHR[row, :deep].tolist()
        if self.rank_odds is None:
            shape = best_of_heads(self.size, memory.odds_BHR[row, :deep].tolist())
        else:
            shape = _one_shape(self.size, self.rank_odds[: len(said[0])], len(said))
        cells = zip(shape.depths, shape.ranks, shape.parents, strict=True)
        return [(said[depth][rank], parent) for depth, rank, parent in cells]

    def observe(self, memory: Ranked, seen: Seen) -> Ranked:
        assert seen.features_BSC is not None, "they are asked for"
        H, R = memory.tokens_BHR.shape[1:]
        last_BC = seen.features_BSC[torch.arange(len(seen.last_B)), seen.last_B]
        logits_BHV = memory.model.ahead(last_BC, H)
        check_said(logits_BHV, seen.canvas.live_B)
        best = logits_BHV.softmax(-1).topk(R)
        return replace(
            memory,
            tokens_BHR=best.indices.cpu(),
            odds_BHR=best.values.cpu(),
            known_B=seen.canvas.live_B,
        )


@lru_cache
def _one_shape(size: int, rank_odds: tuple[float, ...], depth: int) -> TreeShape:
    """The best shape where the ranks are right as often at every depth."""
    return best_of_heads(size, (rank_odds,) * depth)
