"""The canvas: a batch of partly written sequences, and what is known of each cell.

    canvas = Canvas.of_prompts([[5, 6], [7]], new_cells=[3, 3])
    canvas = canvas.write(cells_BP, tokens_BP, count_B, logprobs_BP)

Whether a cell is decided is state, never a token id. The canvas knows nothing of models. It lies on
the CPU and is small, so NumPy works on it: a call of it costs less than one of torch's operators.
Shapes: B rows, N cells, D width of a vector cell, P cells written at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

PAD: Final = 0  # outside of the row: nothing will ever stand here
OPEN: Final = 1  # to be written
DRAFT: Final = 2  # written, may still change
DONE: Final = 3  # written for good
GIVEN: Final = 4  # the user's own: the prompt, or a forced cell; never changed, maybe cut off


@dataclass(frozen=True)
class Canvas:
    """A batch of partly written sequences. Frozen: every act returns a new canvas, and nobody
    writes into its tensors (what is derived from them is computed once).

    `origin_BN` says where each cell stood one step before (-1: it is new); None means that
    every cell stayed where it was. `logprobs_BN` is 0 where the model wrote nothing.
    """

    tokens_BN: Int[Tensor, "B N"]
    status_BN: UInt8[Tensor, "B N"]
    logprobs_BN: Float[Tensor, "B N"]
    values_BND: Float[Tensor, "B N D"] | None = None
    origin_BN: Int[Tensor, "B N"] | None = None

    @staticmethod
    def of_prompts(prompts: Sequence[Sequence[int]], *, new_cells: Sequence[int]) -> "Canvas":
        """A canvas with each prompt GIVEN and `new_cells[b]` OPEN cells after it.

        >>> Canvas.of_prompts([[5, 6], [7]], new_cells=[1, 1]).status_BN.tolist()
        [[4, 4, 1], [4, 1, 0]]
        """
        B = len(prompts)
        N = max((len(p) + n for p, n in zip(prompts, new_cells, strict=True)), default=0)
        tokens_BN = torch.zeros(B, N, dtype=torch.long)
        status_BN = torch.full((B, N), PAD, dtype=torch.uint8)
        for b, (prompt, n) in enumerate(zip(prompts, new_cells, strict=True)):
            P = len(prompt)
            tokens_BN[b, :P] = torch.tensor(prompt, dtype=torch.long)
            status_BN[b, :P] = GIVEN
            status_BN[b, P : P + n] = OPEN
        return Canvas(tokens_BN, status_BN, torch.zeros(B, N))

    @cached_property
    def open_BN(self) -> Bool[Tensor, "B N"]:
        return self.status_BN == OPEN

    @cached_property
    def held_BN(self) -> Bool[Tensor, "B N"]:
        """Cells that hold a token, as a draft or for good."""
        return self.status_BN >= DRAFT

    @cached_property
    def final_BN(self) -> Bool[Tensor, "B N"]:
        """Cells that will not change any more."""
        return self.status_BN >= DONE

    @cached_property
    def live_B(self) -> Bool[Tensor, " B"]:
        """Rows in which something is still to be decided."""
        status_BN = self.status_BN.numpy()
        return torch.from_numpy(((status_BN == OPEN) | (status_BN == DRAFT)).any(1))

    @cached_property
    def frontier_B(self) -> Int[Tensor, " B"]:
        """How many cells, from the left, are final: all that a causal model may read."""
        final_BN = self.final_BN.numpy()
        if not final_BN.size:
            return torch.zeros(len(final_BN), dtype=torch.long)
        first_B = np.where(final_BN.all(1), final_BN.shape[1], final_BN.argmin(1))
        return torch.from_numpy(first_B)

    @cached_property
    def length_B(self) -> Int[Tensor, " B"]:
        """Cells of each row, written or not (PAD cells do not count)."""
        return torch.from_numpy(np.count_nonzero(self.status_BN.numpy(), axis=1))  # PAD is 0

    def write(
        self,
        at_B: Int[Tensor, " B"],
        tokens_BP: Int[Tensor, "B P"],
        count_B: Int[Tensor, " B"],
        logprobs_BP: Float[Tensor, "B P"] | None = None,
    ) -> "Canvas":
        """Write the first `count_B` of `tokens_BP` into OPEN or DRAFT cells from `at_B` on.

        Cells that are final or PAD are left alone: given stays given.
        """
        place_P = np.arange(tokens_BP.shape[1])
        cells_BP = at_B.numpy()[:, None] + place_P
        inside_BP = cells_BP < self.tokens_BN.shape[1]
        row, col = ((place_P < count_B.numpy()[:, None]) & inside_BP).nonzero()
        cell = cells_BP[row, col]
        before = self.status_BN.numpy()[row, cell]
        free = (before == OPEN) | (before == DRAFT)
        row, col, cell = row[free], col[free], cell[free]
        tokens_BN, status_BN = self.tokens_BN.clone(), self.status_BN.clone()
        logprobs_BN = self.logprobs_BN
        tokens_BN.numpy()[row, cell] = tokens_BP.numpy()[row, col]
        status_BN.numpy()[row, cell] = DONE
        if logprobs_BP is not None:
            logprobs_BN = logprobs_BN.clone()
            logprobs_BN.numpy()[row, cell] = logprobs_BP.numpy()[row, col]
        return replace(
            self, tokens_BN=tokens_BN, status_BN=status_BN, logprobs_BN=logprobs_BN, origin_BN=None
        )

    def cut(self, row: int, cell: int) -> "Canvas":
        """End `row` before `cell`: what stood from there on becomes PAD.

        GIVEN cells too: a text that has ended has ended, also before a word that was to come.
        """
        status_BN = self.status_BN.clone()
        status_BN[row, cell:] = PAD
        return replace(self, status_BN=status_BN)

    def row(self, b: int) -> list[int]:
        """The final tokens of row `b`, from its first cell to its frontier."""
        return self.tokens_BN[b, : int(self.frontier_B[b])].tolist()
