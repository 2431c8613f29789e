"""Blockwise parallel decoding: the model's own heads guess the next block while it checks this one.

    Blockwise(width=7)
    Lenient(Blockwise(), top=3)                   # the paper's rules that are not exact

What the heads read of the last right cell is there once a block is checked, so that a block costs
one call, not two.
Source: Stern et al. 2018 (arXiv:1811.03115), sections 3 and 4.
Shapes: B rows, K guessed cells.
"""

from dataclasses import dataclass, replace
from typing import Any, ClassVar, final

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from anyorder.canvas import Canvas
from anyorder.decode.draft_verify.draft import Draft, Seen
from anyorder.decode.draft_verify.of_heads import OfHeads
from anyorder.decode.reading import open_run
from anyorder.decode.sampling import Sampler
from anyorder.models.capability import HeadedLM


@dataclass(frozen=True)
class Guessed:
    """What the heads of `model` said behind the newest token of each row, where it has one."""

    model: HeadedLM
    tokens_BK: Int[Tensor, "B K"]
    known_B: Bool[Tensor, " B"]


@final
@dataclass(frozen=True)
class Blockwise(OfHeads):
    """Drafts what each head finds likeliest, up to `width` tokens one after the other."""

    needs: ClassVar[tuple[type, ...]] = (HeadedLM,)

    def begin(self, model: Any, canvas: Canvas, sampler: Sampler) -> Guessed:
        B = len(canvas.tokens_BN)
        tokens_BK = torch.zeros(B, min(self.width, model.heads), dtype=torch.long)
        return Guessed(model, tokens_BK, torch.zeros(B, dtype=torch.bool))

    def draft(self, memory: Guessed, canvas: Canvas, sampler: Sampler) -> Draft | None:
        width_B = memory.known_B * (open_run(canvas) - 1).clamp(0, memory.tokens_BK.shape[1])
        width = int(width_B.max())
        if not width:
            return None
        cells_K = torch.arange(width)
        parents_BK = torch.where(cells_K < width_B[:, None], cells_K - 1, -2)
        return Draft(memory.tokens_BK[:, :width], parents_BK)

    def observe(self, memory: Guessed, seen: Seen) -> Guessed:
        if seen.features_BSC is None:  # a part of a prompt
            return memory
        last_BC = seen.features_BSC[torch.arange(len(seen.last_B)), seen.last_B]
        said_BK = memory.model.ahead(last_BC).argmax(-1).cpu()[:, : memory.tokens_BK.shape[1]]
        return replace(memory, tokens_BK=said_BK, known_B=seen.canvas.live_B)
