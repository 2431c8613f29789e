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
from anyorder.decode.draft_verify.draft import Draft, Seen, chains
from anyorder.decode.draft_verify.from_heads.of_heads import OfHeads
from anyorder.decode.draft_verify.guard import check_said
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
        return chains(memory.tokens_BK, width_B)

    def observe(self, memory: Guessed, seen: Seen) -> Guessed:
        assert seen.features_BSC is not None, "they are asked for"
        last_BC = seen.features_BSC[torch.arange(len(seen.last_B)), seen.last_B]
        logits_BKV = memory.model.ahead(last_BC, memory.tokens_BK.shape[1])
        live_B = seen.canvas.live_B
        check_said(logits_BKV, live_B)
        return replace(memory, tokens_BK=logits_BKV.argmax(-1).cpu(), known_B=live_B)
