"""Heads that leap, and a block without gaps: what they left out was guessed from earlier cells.

    LookingBackward(width=14)                     # seven heads with a stride of two

With a stride s the heads of the last right cell guess the tokens s, 2 s, ... behind the newest one;
those of the cell before guess s - 1, 2 s - 1, ...; and so on. So s cells together guess a block of
s tokens a head, and none of them is asked more than once.

The cells before a prompt's last one are unknown, and those before a forced one: there s tokens are
written one by one before the first guess.
Source: Liu et al. 2025 (arXiv:2505.17505); the rule is that of `backward_decode` in the authors'
code for s = 2, which guesses a tree of it, while this is a chain.
Shapes: B rows, K guessed cells, W cells looked back at (the stride), H heads, P cells of a path, X
cells old and new, C channels.
"""

from dataclasses import dataclass
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
from anyorder.models.further import LeapLM


@dataclass(frozen=True)
class Said:
    """What the heads of `model` said at the last cells of each row, the newest last.

    `count_B`: how many of these cells are known, one after the other. `frontier_B`: where rows end.
    """

    model: LeapLM
    said_BWH: Int[Tensor, "B W H"]
    count_B: Int[Tensor, " B"]
    frontier_B: Int[Tensor, " B"]

    @property
    def whole_B(self) -> Bool[Tensor, " B"]:
        """Whether nothing is missing."""
        return self.count_B == self.said_BWH.shape[1]

    @property
    def block_BK(self) -> Int[Tensor, "B K"]:
        """The tokens behind the newest one: head j, counted from 1, i cells back, says s j - i.

        >>> from anyorder.models.tables.language_model import TableLM
        >>> said_BWH = torch.tensor([[[1, 3, 5], [2, 4, 6]]])
        >>> none_B = torch.zeros(1, dtype=torch.long)
        >>> Said(TableLM(torch.zeros(2, 2)), said_BWH, none_B, none_B).block_BK.tolist()
        [[1, 2, 3, 4, 5, 6]]
        """
        return self.said_BWH.transpose(1, 2).flatten(1)


@final
@dataclass(frozen=True)
class LookingBackward(OfHeads):
    """Drafts what heads that leap said at the last cells, up to `width` tokens without a gap."""

    width: int = 16
    needs: ClassVar[tuple[type, ...]] = (LeapLM,)

    def begin(self, model: Any, canvas: Canvas, sampler: Sampler) -> Said:
        B = len(canvas.tokens_BN)
        said_BWH = torch.zeros(B, model.stride, model.leaps, dtype=torch.long)
        return Said(model, said_BWH, torch.zeros(B, dtype=torch.long), canvas.frontier_B)

    def draft(self, memory: Said, canvas: Canvas, sampler: Sampler) -> Draft | None:
        tokens_BK = memory.block_BK[:, : self.width]
        width_B = memory.whole_B * (open_run(canvas) - 1).clamp(0, tokens_BK.shape[1])
        return chains(tokens_BK, width_B)

    def observe(self, memory: Said, seen: Seen) -> Said:
        assert seen.features_BSC is not None, "they are asked for"
        path_BP, count_B = seen.stands
        B, W, _ = memory.said_BWH.shape
        P = min(W, int(count_B.max()))
        at_BP = (count_B[:, None] - P + torch.arange(P)).clamp_min(0)
        rows_B1 = torch.arange(B)[:, None]
        features_BPC = seen.features_BSC[rows_B1, path_BP.gather(1, at_BP)]
        logits_BPHV = memory.model.leaping(features_BPC.flatten(0, 1)).unflatten(0, (B, P))
        check_said(logits_BPHV, count_B > 0)
        both_BXH = torch.cat([memory.said_BWH, logits_BPHV.argmax(-1).cpu()], 1)
        # a row with fewer new cells than another keeps more of its old ones, and skips padding
        new_B1 = count_B.clamp_max(P)[:, None]
        newest_BW = torch.arange(W) + new_B1
        newest_BW = newest_BW + (P - new_B1) * (newest_BW >= W)
        frontier_B = seen.canvas.frontier_B
        jumps_B = frontier_B != memory.frontier_B + count_B  # over forced cells
        known_B = (memory.count_B + count_B).clamp_max(W).masked_fill(jumps_B, 0)
        return Said(memory.model, both_BXH[rows_B1, newest_BW], known_B, frontier_B)
