"""Speculative decoding: a small model drafts a chain, the large one checks it in one call.

    Speculative(draft_model, width=4)

Source: Leviathan et al. 2023 (arXiv:2211.17192), algorithm 1.
Shapes: B rows, K drafted cells, V vocabulary of the target, U vocabulary of the draft model.
"""

from dataclasses import dataclass
from typing import Any, ClassVar, final

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from anyorder.canvas import DONE, Canvas
from anyorder.decode.draft_verify.loop import Draft, DraftVerify, Seen
from anyorder.decode.reading import history, pending, room
from anyorder.decode.sampling import DRAW, Sampler, draw
from anyorder.meter import beside
from anyorder.models.capability import Cache, CausalLM


@dataclass(frozen=True)
class Small:
    """The draft model, counted beside the target, and what it has read."""

    model: CausalLM
    cache: Cache
    vocab_size: int


@final
@dataclass(frozen=True)
class Speculative(DraftVerify):
    """`draft_model` writes `width` tokens; the target keeps those it would have written itself.

    The draft model must speak the target's vocabulary; a vocabulary that is only padded is fine.
    It sees the same temperature and filters as the target.
    """

    draws: ClassVar[bool] = True
    draft_model: Any
    width: int = 4

    def __post_init__(self) -> None:
        if self.width < 1:
            raise ValueError(f"speculative decoding needs a width of at least 1, not {self.width}")

    @property
    def most_drafted(self) -> int:
        return self.width

    def begin(self, model: CausalLM, canvas: Canvas, sampler: Sampler) -> Small:
        network = self.draft_model  # a network, or what holds one: a loaded language model
        if not isinstance(network, CausalLM):
            network = getattr(network, "model", network)
        if not isinstance(network, CausalLM):
            raise ValueError(
                f"the draft model must be a CausalLM; {type(network).__name__} is none"
            )
        B = len(canvas.tokens_BN)
        small = beside(model, network)
        return Small(small, small.new_cache(B, room(canvas) + self.width + 1), model.vocab_size)

    def draft(self, memory: Small, canvas: Canvas, sampler: Sampler) -> Draft | None:
        cache, B = memory.cache, len(canvas.tokens_BN)
        read = pending(canvas, cache)
        feed_BT, count_B, last_B1 = read.tokens_BT, read.count_B, read.last_B1
        guesses, probs = canvas.tokens_BN[:, :0], []
        known = memory.model.vocab_size
        for k in range(self.width):
            feed_BT = feed_BT.clamp_max(known - 1)  # it may lack a token; then it guesses worse
            logits_B1U = memory.model.extend(feed_BT, cache, score_BS=last_B1)
            cache.keep(torch.arange(feed_BT.shape[1]).expand(B, -1), count_B)
            logits_B1V = spoken(logits_B1U, memory.vocab_size)
            past = history(canvas, guesses) if sampler.wants_history else None
            cells_B1 = canvas.frontier_B[:, None] + k
            if sampler.greedy:
                guess_B1 = sampler.pick(logits_B1V, cells_B1, past)
            else:
                q_B1V = sampler.probs(logits_B1V, past).cpu()
                guess_B1 = draw(q_B1V, sampler.coins.at(cells_B1, DRAW))
                probs.append(q_B1V)
            guesses = torch.cat([guesses, guess_B1], 1)
            feed_BT, last_B1 = guess_B1, torch.zeros_like(last_B1)
            count_B = (read.count_B > 0).long()
        parents_BK = (torch.arange(self.width) - 1).expand(B, -1)
        return Draft(guesses, parents_BK, torch.cat(probs, 1) if probs else None)

    def observe(self, memory: Small, seen: Seen) -> Small:
        """Guesses that were refused are forgotten; the last token written was not read yet.

        The frontier may lie beyond it, behind forced cells: these were guessed, not read.
        """
        written_BN = (seen.canvas.status_BN == DONE) * torch.arange(seen.canvas.tokens_BN.shape[1])
        memory.cache.trim(written_BN.amax(-1))
        return memory


def spoken(logits_BTU: Float[Tensor, "B T U"], vocab_size: int) -> Float[Tensor, "B T V"]:
    """The draft's logits over the target's vocabulary: padding cut off, or added as impossible."""
    U = logits_BTU.shape[-1]
    if vocab_size > U:
        return F.pad(logits_BTU, (0, vocab_size - U), value=-torch.inf)
    return logits_BTU[..., :vocab_size]
