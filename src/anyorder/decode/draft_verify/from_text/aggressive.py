"""Input-guided aggressive decoding: for editing, the text to edit is the draft.

    AggressiveDecoding(width=32)
    AggressiveDecoding(source=True)               # of a model that has read a source

The output is expected to repeat the input. The draft goes on in the input where the output
stands; after a mismatch the place is found again by matching the output's last tokens.
The input is the prompt, or, of an encoder-decoder, the source.
Source: Ge et al. 2022 (arXiv:2205.10350), section 3.1 (Input-guided Aggressive Decoding).
Shapes: B rows, N canvas cells, S input cells, K drafted cells, G cells of an n-gram.
"""

from dataclasses import dataclass, field, replace
from typing import final

import torch
from jaxtyping import Int
from torch import Tensor

from anyorder.canvas import GIVEN, Canvas
from anyorder.decode.draft_verify.draft import Draft, Seen
from anyorder.decode.draft_verify.loop import DraftVerify
from anyorder.decode.sampling import Sampler
from anyorder.models.capability import CausalLM
from anyorder.models.sources import padded


@dataclass(frozen=True)
class Place:
    """The input of each row with its length, and where in it the output stands: the next cell (-1
    if that is lost), and the last one that was known.
    """

    input_BS: Int[Tensor, "B S"]
    length_B: Int[Tensor, " B"]
    next_B: Int[Tensor, " B"]
    known_B: Int[Tensor, " B"]

    @staticmethod
    def of(input_BS: Tensor, length_B: Tensor, begin: int) -> "Place":
        """At the same cell of each input, or its last one."""
        begin_B = (length_B - 1).clamp_max(begin)
        return Place(input_BS, length_B, begin_B, begin_B)

    def at(self, next_B: Int[Tensor, " B"]) -> "Place":
        """Elsewhere."""
        return replace(self, next_B=next_B, known_B=next_B.where(next_B >= 0, self.known_B))


@final
@dataclass(frozen=True)
class AggressiveDecoding(DraftVerify):
    """Copies up to `width` cells of the input at a time.

    `begin_at`: the input cell at which the text to edit begins, if known; the first draft starts
    there. Else, and after every mismatch, the place is found by the last `ngram` or fewer tokens:
    the nearest match at or after the old place, else any match.

    `source`: the input is the source that the model has read, not the prompt, and begins at its
    first cell. Its tokens must be those of the target; else no guess is right, and the text is that
    of the model still. None: the source where a loaded model says that both sides have one
    vocabulary (see `decode.vocabulary`), else the prompt.
    """

    width: int = 32
    ngram: int = 3
    begin_at: int | None = None
    source: bool | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self.width < 1 or self.ngram < 1:
            raise ValueError("aggressive decoding needs a width and an n-gram of at least 1")

    @property
    def most_drafted(self) -> int:
        return self.width

    def begin(self, model: CausalLM, canvas: Canvas, sampler: Sampler) -> Place:
        """Raises ValueError where the source is asked for, and the model has read none."""
        if not self.source:
            prompt_B = (canvas.status_BN == GIVEN).long().cumprod(-1).sum(-1)
            begin = -1 if self.begin_at is None else self.begin_at
            return Place.of(canvas.tokens_BN, prompt_B, begin)
        sources = getattr(model, "sources", None)
        if sources is None:
            raise ValueError(
                "aggressive decoding is to copy from the source, and this model reads none: "
                "leave source out, and it copies from the prompt"
            )
        return Place.of(*padded(sources[: len(canvas.tokens_BN)]), self.begin_at or 0)

    def draft(self, memory: Place, canvas: Canvas, sampler: Sampler) -> Draft | None:
        found_B1 = ((memory.next_B >= 0) & canvas.live_B)[:, None]
        if not bool(found_B1.any()):
            return None
        ahead_K = torch.arange(self.width)
        cells_BK = memory.next_B.clamp_min(0)[:, None] + ahead_K
        inside_BK = found_B1 & (cells_BK < memory.length_B[:, None])
        tokens_BK = memory.input_BS.gather(1, cells_BK.clamp_max(memory.input_BS.shape[1] - 1))
        return Draft(tokens_BK, torch.where(inside_BK, ahead_K - 1, -2))

    def observe(self, memory: Place, seen: Seen) -> Place:
        """On after what was copied; after a mismatch, wherever the last tokens stand."""
        if seen.written is None:
            found_B = self._found(memory, seen.canvas)
            stays_B = (found_B < 0) | (self.begin_at is not None)
            return memory.at(memory.next_B.where(stays_B, found_B))
        copied_B = seen.written.count_B - 1
        moved_B = memory.next_B + copied_B
        own_B1 = seen.written.tokens_BP.gather(1, copied_B.clamp_min(0)[:, None])
        cell_B1 = moved_B.clamp(0, memory.input_BS.shape[1] - 1)[:, None]
        agrees_B = (memory.input_BS.gather(1, cell_B1) == own_B1)[:, 0]
        inside_B = (memory.next_B >= 0) & (moved_B + 1 < memory.length_B) & agrees_B
        memory = memory.at(moved_B.where(memory.next_B >= 0, -1))
        return memory.at(torch.where(inside_B, moved_B + 1, self._found(memory, seen.canvas)))

    def _found(self, memory: Place, canvas: Canvas) -> Int[Tensor, " B"]:
        """The place after the last tokens in the input: nearest ahead first, longest match wins."""
        tokens_BN, frontier_B = canvas.tokens_BN, canvas.frontier_B
        N, S = tokens_BN.shape[1], memory.input_BS.shape[1]
        found_B = torch.full_like(frontier_B, -1)
        for G in range(1, min(self.ngram, N, S) + 1):
            last_BG = (frontier_B[:, None] - G + torch.arange(G)).clamp(0, N - 1)
            suffix_BG = tokens_BN.gather(1, last_BG)
            same_BW = (memory.input_BS.unfold(1, G, 1) == suffix_BG[:, None]).all(-1)
            after_W = torch.arange(same_BW.shape[1]) + G
            same_BW &= (after_W < memory.length_B[:, None]) & (frontier_B >= G)[:, None]
            behind_BW = after_W < memory.known_B[:, None]
            far_BW = after_W + S * behind_BW + 2 * S * (~same_BW)
            nearest_B = far_BW.amin(-1)
            found_B = torch.where(nearest_B < 2 * S, nearest_B % S, found_B)
        return found_B
