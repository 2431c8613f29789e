"""What requests may ask of the next token besides filters: less repetition, no early end.

    Repetition(frequency=0.5, presence=0.0, prompt=12)
    NoEnd(eos_ids=(2,), before=40)

Both read what stands before a cell, so drafted texts are judged as written ones are.
Shapes: B rows, S scored cells, V vocabulary, H history.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor


@dataclass(frozen=True)
class Repetition:
    """OpenAI's penalties, counted over what was written after a prompt of `prompt` cells.

    logit -= frequency * count + presence * (count > 0). Satisfies `decode.sampling.Rule`.
    """

    frequency: float
    presence: float
    prompt: int

    def __call__(
        self, logits_BSV: Float[Tensor, "B S V"], history_BSH: Int[Tensor, "B S H"]
    ) -> Float[Tensor, "B S V"]:
        written_BSH = history_BSH[..., self.prompt :].to(logits_BSV.device)
        there_BSH = (written_BSH >= 0).to(logits_BSV.dtype)
        shape = (*history_BSH.shape[:2], logits_BSV.shape[-1])
        counts_BSV = torch.zeros(shape, dtype=logits_BSV.dtype, device=logits_BSV.device)
        counts_BSV.scatter_add_(-1, written_BSH.clamp_min(0), there_BSH)
        fined_BSV = self.frequency * counts_BSV + self.presence * (counts_BSV > 0)
        return logits_BSV - fined_BSV


@dataclass(frozen=True)
class NoEnd:
    """No text ends before its cell `before`: something is locked there. Satisfies `Rule`."""

    eos_ids: tuple[int, ...]
    before: int

    def __call__(
        self, logits_BSV: Float[Tensor, "B S V"], history_BSH: Int[Tensor, "B S H"]
    ) -> Float[Tensor, "B S V"]:
        early_BS1 = (history_BSH >= 0).sum(-1, keepdim=True).to(logits_BSV.device) < self.before
        ends_V = torch.zeros(logits_BSV.shape[-1], dtype=torch.bool, device=logits_BSV.device)
        ends_V[list(self.eos_ids)] = True
        return logits_BSV.masked_fill(early_BS1 & ends_V, -torch.inf)
