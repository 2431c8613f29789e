"""One head drafts a chain: it reads its own guess, and what it knew when it made it, and goes on.

    RecursiveHead(width=3)
    RecursiveHead(width=3, frequent=False)        # guesses among all tokens, not the frequent ones
    RecursiveHead(width=6, sure=0.3)              # goes on while it is that sure of all its guesses

Each right cell that the target has read is read by the head, too, as soon as the token behind it is
written; its guesses are read to make the next one, and forgotten. Of a prompt, and of forced cells,
the head reads the last cell alone.
What the head costs is in the seconds of a run; its calls are no calls of a model, and not counted.
Source: Cai et al. 2025 (arXiv:2509.18362). What the head says is checked as a chain. To end a
draft where the head is unsure is from Kangaroo (Liu et al. 2024, arXiv:2404.18911), which looks at
the last guess; here it is all of them together.
Shapes: B rows, K guessed cells, P cells of a path, C channels, U tokens among which is guessed.
"""

from dataclasses import dataclass, replace
from typing import Any, ClassVar, final

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from anyorder.canvas import Canvas
from anyorder.decode.draft_verify.draft import Draft, Seen, chains
from anyorder.decode.draft_verify.from_heads.of_heads import OfHeads
from anyorder.decode.draft_verify.guard import check_said
from anyorder.decode.reading import open_run, room
from anyorder.decode.sampling import Sampler
from anyorder.models.capability import Cache
from anyorder.models.further import RecursiveLM


@dataclass(frozen=True)
class Onward:
    """The head's cache, and its features behind the newest token of each row, where it has some.

    `length_B`: right cells in the cache; beyond them are guesses. `frontier_B`: where rows end.
    """

    model: RecursiveLM
    cache: Cache
    length_B: Int[Tensor, " B"]
    frontier_B: Int[Tensor, " B"]
    known_B: Bool[Tensor, " B"]
    features_BC: Float[Tensor, "B C"] | None = None


@final
@dataclass(frozen=True)
class RecursiveHead(OfHeads):
    """Drafts what one head finds likeliest, up to `width` times in a row, each time after its own
    guess; `frequent`: among the tokens alone that are frequent. The target checks with all tokens.
    A draft ends where the odds of all its guesses, as the head has them, come to less than `sure`.
    """

    width: int = 3
    frequent: bool = True
    sure: float = 0.0
    needs: ClassVar[tuple[type, ...]] = (RecursiveLM,)

    def begin(self, model: Any, canvas: Canvas, sampler: Sampler) -> Onward:
        B = len(canvas.tokens_BN)
        cache = model.new_head_cache(B, room(canvas) + 2 * self.width + 1)
        none_B = torch.zeros(B, dtype=torch.long)
        return Onward(model, cache, none_B, canvas.frontier_B, none_B.bool())

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.sure < 1:
            raise ValueError(f"sure is 0 or more, and less than 1, not {self.sure}")

    def draft(self, memory: Onward, canvas: Canvas, sampler: Sampler) -> Draft | None:
        found = self.chain(memory, canvas)
        return found and found[0]

    def chain(self, memory: Onward, canvas: Canvas) -> tuple[Draft, float] | None:
        """The draft, and how many of its guesses are right, as the head expects (all, where it does
        not ask how sure it is).
        """
        width_B = memory.known_B * (open_run(canvas) - 1).clamp(0, self.width)
        width, features_BC = int(width_B.max()), memory.features_BC
        if not width or features_BC is None:
            return None
        model, among_U = memory.model, memory.model.frequent_U if self.frequent else None
        memory.cache.trim(memory.length_B)
        guesses: list[Tensor] = []
        length_B, odds_B, hoped = torch.zeros_like(width_B), torch.ones(len(width_B)), 0.0
        while True:
            logits_BU = model.said(features_BC, among_U)
            check_said(logits_BU[:, None], width_B > len(guesses))
            best_B1 = logits_BU.argmax(-1, keepdim=True)
            goes_B = width_B > len(guesses)
            if self.sure:
                odds_B = odds_B * logits_BU.softmax(-1).gather(1, best_B1)[:, 0].cpu()
                goes_B &= (odds_B >= self.sure) & (length_B == len(guesses))
                if not goes_B.any():
                    break
            length_B, hoped = length_B + goes_B, hoped + float((odds_B * goes_B).sum())
            guesses.append((best_B1 if among_U is None else among_U[best_B1]).cpu())
            if len(guesses) == width:
                break
            place_B1 = canvas.frontier_B[:, None] + len(guesses) - 1
            features_BC = model.onward(features_BC[:, None], guesses[-1], place_B1, memory.cache)[
                :, 0
            ]
            memory.cache.keep(torch.zeros_like(best_B1), goes_B.long())
        if not guesses:
            return None
        draft = chains(torch.cat(guesses, 1), length_B)
        return draft and (draft, hoped)

    def observe(self, memory: Onward, seen: Seen) -> Onward:
        assert seen.features_BSC is not None, "they are asked for"
        (path_BP, count_B), canvas = seen.stands, seen.canvas
        B, P = path_BP.shape
        rows_B1 = torch.arange(B)[:, None]
        # the path begins with the cell before the frontier; each cell is read with the token behind
        place_BP = memory.frontier_B[:, None] + torch.arange(P)
        place_BP = place_BP.clamp_max(canvas.tokens_BN.shape[1] - 1)
        memory.cache.trim(memory.length_B)
        features_BPC = memory.model.onward(
            seen.features_BSC[rows_B1, path_BP],
            canvas.tokens_BN[rows_B1, place_BP],
            place_BP,
            memory.cache,
        )
        memory.cache.keep(torch.arange(P).expand(B, P), count_B)
        jumps_B = canvas.frontier_B != memory.frontier_B + count_B  # over forced cells
        return replace(
            memory,
            length_B=memory.cache.length_B,
            frontier_B=canvas.frontier_B,
            known_B=canvas.live_B & (count_B > 0) & ~jumps_B,
            features_BC=features_BPC[torch.arange(B), (count_B - 1).clamp_min(0)],
        )
