"""Input-guided aggressive decoding: for editing, the text to edit is the draft.

    AggressiveDecoding(width=32)

The output is expected to repeat the input. The draft goes on in the input where the output
stands; after a mismatch the place is found again by matching the output's last tokens.
Source: Ge et al. 2022 (arXiv:2205.10350), section 3.1 (Input-guided Aggressive Decoding).
Shapes: B rows, N canvas cells, K drafted cells, G cells of an n-gram.
"""

from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Int
from torch import Tensor

from anyorder.canvas import GIVEN, Canvas
from anyorder.decode.draft_verify.draft import Draft, Seen
from anyorder.decode.draft_verify.loop import DraftVerify
from anyorder.decode.draft_verify.prompt_copy import copied
from anyorder.decode.sampling import Sampler
from anyorder.models.capability import CausalLM


@dataclass(frozen=True)
class Place:
    """Where in the input the output stands: the next input cell of each row, -1 if lost."""

    source_B: Int[Tensor, " B"]
    prompt_B: Int[Tensor, " B"]


@final
@dataclass(frozen=True)
class AggressiveDecoding(DraftVerify):
    """Copies up to `width` cells of the input at a time.

    `begin_at`: the input cell at which the text to edit begins, if known; the first draft starts
    there. Else, and after every mismatch, the place is found by the last `ngram` or fewer tokens:
    the nearest match at or after the old place, else any match.
    """

    width: int = 32
    ngram: int = 3
    begin_at: int | None = None

    def __post_init__(self) -> None:
        if self.width < 1 or self.ngram < 1:
            raise ValueError("aggressive decoding needs a width and an n-gram of at least 1")

    @property
    def most_drafted(self) -> int:
        return self.width

    def begin(self, model: CausalLM, canvas: Canvas, sampler: Sampler) -> Place:
        prompt_B = (canvas.status_BN == GIVEN).long().cumprod(-1).sum(-1)
        begin = -1 if self.begin_at is None else self.begin_at
        return Place(torch.full_like(prompt_B, begin).minimum(prompt_B - 1), prompt_B)

    def draft(self, memory: Place, canvas: Canvas, sampler: Sampler) -> Draft | None:
        draft = copied(canvas, memory.source_B, self.width)
        if draft is None:
            return None
        beyond_BK = memory.source_B[:, None] + torch.arange(self.width) >= memory.prompt_B[:, None]
        return Draft(draft.tokens_BK, draft.parents_BK.masked_fill(beyond_BK, -2))

    def observe(self, memory: Place, seen: Seen) -> Place:
        """On after what was copied; after a mismatch, wherever the last tokens stand."""
        if seen.written is None:
            return memory if self.begin_at is not None else self._found(memory, seen.canvas)
        copied_B = seen.written.count_B - 1
        moved_B = memory.source_B + copied_B
        next_B = moved_B.clamp(0, seen.canvas.tokens_BN.shape[1] - 1)[:, None]
        own_B = seen.written.tokens_BP.gather(1, copied_B.clamp_min(0)[:, None])
        agrees_B = (seen.canvas.tokens_BN.gather(1, next_B) == own_B)[:, 0]
        inside_B = (memory.source_B >= 0) & (moved_B + 1 < memory.prompt_B) & agrees_B
        found = self._found(Place(moved_B, memory.prompt_B), seen.canvas)
        return Place(torch.where(inside_B, moved_B + 1, found.source_B), memory.prompt_B)

    def _found(self, memory: Place, canvas: Canvas) -> Place:
        """The place after the last tokens in the input: nearest ahead first, longest match wins."""
        tokens_BN, frontier_B = canvas.tokens_BN, canvas.frontier_B
        N = tokens_BN.shape[1]
        source_B = torch.full_like(frontier_B, -1)
        for G in range(1, min(self.ngram, N) + 1):
            last_BG = (frontier_B[:, None] - G + torch.arange(G)).clamp(0, N - 1)
            suffix_BG = tokens_BN.gather(1, last_BG)
            same_BW = (tokens_BN.unfold(1, G, 1) == suffix_BG[:, None]).all(-1)
            after_W = torch.arange(same_BW.shape[1]) + G
            same_BW &= after_W < memory.prompt_B[:, None]
            behind_BW = after_W < memory.source_B[:, None]
            far_BW = after_W + N * behind_BW + 2 * N * (~same_BW)
            nearest_B = far_BW.amin(-1)
            source_B = torch.where(nearest_B < 2 * N, nearest_B % N, source_B)
        return Place(source_B, memory.prompt_B)
