"""SPACE: masks behind every guess foretell the next draft in the call that checks this one.

    Space(width=5)
    Space(width=5, fused=False)                   # drafts in a call of its own, then checks it

A call reads the newest token, the guesses behind it, and behind each of these a chain of masks that
sees no guess further on. Whichever guess turns out to be the last right one, what was said behind
its masks is the next draft. So a round costs one call, the first one included.
Source: Yi et al. 2024 (arXiv:2402.11809), figures 1 and 2.
Shapes: B rows, G guesses, K masks of a group (and guesses of a draft).
"""

from dataclasses import dataclass, replace
from typing import Any, ClassVar, final

import torch
from jaxtyping import Int
from torch import Tensor

from anyorder.canvas import Canvas
from anyorder.decode.draft_verify.draft import Draft, Seen
from anyorder.decode.draft_verify.loop import DraftVerify
from anyorder.decode.reading import open_run
from anyorder.decode.sampling import Sampler
from anyorder.models.further import SemiAutoregressiveLM


@dataclass(frozen=True)
class Said:
    """What was said behind the masks after each row's newest token: the first `count_B` of them."""

    mask: int
    tokens_BK: Int[Tensor, "B K"]
    count_B: Int[Tensor, " B"]


@final
@dataclass(frozen=True)
class Space(DraftVerify):
    """Masks behind each of `width` guesses foretell the next ones; not `fused`: in another call."""

    width: int = 5
    fused: bool = True
    needs: ClassVar[tuple[type, ...]] = (SemiAutoregressiveLM,)

    def __post_init__(self) -> None:
        if self.width < 1:
            raise ValueError(f"a draft has 1 guess or more, not {self.width}")

    @property
    def most_drafted(self) -> int:
        """Guesses, and masks."""
        return self.width * (self.width + 2 if self.fused else 2)

    @property
    def probes_prompt(self) -> bool:
        return True

    def begin(self, model: Any, canvas: Canvas, sampler: Sampler) -> Said:
        B = len(canvas.tokens_BN)
        nothing_BK = torch.zeros(B, self.width, dtype=torch.long)
        return Said(model.mask, nothing_BK, torch.zeros(B, dtype=torch.long))

    def draft(self, memory: Said, canvas: Canvas, sampler: Sampler) -> Draft | None:
        run_B = open_run(canvas)
        guesses_B = memory.count_B.minimum((run_B - 1).clamp_min(0))
        return self._laid(memory, guesses_B, run_B)

    def probe(self, memory: Said, canvas: Canvas) -> Draft | None:
        return self._laid(memory, torch.zeros_like(memory.count_B), open_run(canvas))

    def observe(self, memory: Said, seen: Seen) -> Said:
        """A row's newest token stands behind the last cell that was right: its masks speak."""
        S = seen.tokens_BS.shape[1]
        groups = S - seen.probes
        at_BK = groups + seen.last_B[:, None] * self.width + torch.arange(self.width)
        there_BK, at_BK = (at_BK < S) & bool(seen.probes), at_BK.clamp_max(S - 1)
        there_BK = there_BK & seen.real_BS.gather(1, at_BK) & seen.canvas.live_B[:, None]
        rows_B1 = torch.arange(len(at_BK))[:, None]
        said_BK = seen.logits_BSV[rows_B1, at_BK].argmax(-1).cpu()
        return replace(memory, tokens_BK=said_BK, count_B=there_BK.long().cumprod(1).sum(1))

    def _laid(
        self, memory: Said, guesses_B: Int[Tensor, " B"], run_B: Int[Tensor, " B"]
    ) -> Draft | None:
        """A chain of guesses, then the masks, one group behind the other; None: there is nothing.

        `run_B`: cells that may be written. A mask that foretells what stands beyond is none.
        """
        K, G = self.width, int(guesses_B.max())
        cells_G = torch.arange(G)
        parents_BG = torch.where(cells_G < guesses_B[:, None], cells_G - 1, -2)
        above_g1 = torch.arange(G + 1 if self.fused else 1)[:, None]  # cells up to the root
        step_K = torch.arange(K)
        chain_gK = torch.where(step_K == 0, above_g1 - 1, G + above_g1 * K + step_K - 1)
        stands_BgK = above_g1 + step_K + 2 < run_B[:, None, None]
        stands_BgK = stands_BgK & (above_g1 <= guesses_B[:, None, None])
        if not self.fused:
            stands_BgK = stands_BgK & (guesses_B == 0)[:, None, None]
        probes_BP = torch.where(stands_BgK, chain_gK, -2).flatten(1)
        if not bool(stands_BgK.any()):
            probes_BP = probes_BP[:, :0]
        masks_BP = torch.full_like(probes_BP, memory.mask)
        tokens_BK = torch.cat([memory.tokens_BK[:, :G], masks_BP], 1)
        if not tokens_BK.shape[1]:
            return None
        return Draft(tokens_BK, torch.cat([parents_BG, probes_BP], 1), probes=masks_BP.shape[1])
