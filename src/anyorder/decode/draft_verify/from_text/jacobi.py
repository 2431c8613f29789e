"""Jacobi decoding: guess a block, let the model correct all of it at once, until it stands still.

    Jacobi(block=16)                      # Gauss-Seidel: block after block
    Jacobi(block=16, horizon=64)          # hybrid: left to right after 64 cells
    Jacobi(block=10_000)                  # plain Jacobi: the whole text at once
    Jacobi(block=16, sliding=True)        # the block is filled up again as it is decided

Each call corrects every guess, given all guesses before it; the prefix that has stood still is
what left-to-right decoding writes.
Source: Santilli et al. 2023 (arXiv:2305.10427), algorithms 1 to 3.
Shapes: B rows, N canvas cells, K guessed cells, S scored cells.
"""

from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Int
from torch import Tensor

from anyorder.canvas import Canvas
from anyorder.decode.draft_verify.draft import Draft, Seen, chains
from anyorder.decode.draft_verify.loop import DraftVerify
from anyorder.decode.reading import open_run
from anyorder.decode.sampling import Sampler
from anyorder.models.capability import CausalLM


@dataclass(frozen=True)
class Guesses:
    """`tokens_BK` are the guesses from the frontier on, the first `left_B` of them in the block."""

    tokens_BK: Int[Tensor, "B K"]
    left_B: Int[Tensor, " B"]
    first_B: Int[Tensor, " B"]  # frontier at the start of the run


@final
@dataclass(frozen=True)
class Jacobi(DraftVerify):
    """Fixed-point iteration over blocks of `block` cells.

    New guesses repeat the last token. From `horizon` cells on (None: never) it writes left to
    right. With `sliding`, cells enter the block as soon as others leave it, which the paper does
    not do and which takes fewer calls.
    """

    block: int = 16
    horizon: int | None = None
    sliding: bool = False

    def __post_init__(self) -> None:
        if self.block < 2 or (self.horizon is not None and self.horizon < 0):
            raise ValueError("Jacobi needs a block of at least 2 cells and a horizon of 0 or more")

    @property
    def most_drafted(self) -> int:
        return self.block - 1

    def begin(self, model: CausalLM, canvas: Canvas, sampler: Sampler) -> Guesses:
        K = min(self.block, canvas.tokens_BN.shape[1])
        tokens_BK = canvas.tokens_BN.new_zeros(len(canvas.tokens_BN), K)
        frontier_B = canvas.frontier_B
        return Guesses(tokens_BK, torch.zeros_like(frontier_B), frontier_B)

    def draft(self, memory: Guesses, canvas: Canvas, sampler: Sampler) -> Draft | None:
        K = memory.tokens_BK.shape[1] - 1
        wanted_B = torch.where(memory.left_B > 0, memory.left_B, K + 1) - 1
        if self.sliding:
            wanted_B = torch.full_like(wanted_B, K)
        if self.horizon is not None:
            ahead_B = canvas.frontier_B - memory.first_B
            wanted_B = wanted_B * (ahead_B < self.horizon)
        wanted_B = wanted_B.minimum(open_run(canvas) - 1)
        return chains(memory.tokens_BK, wanted_B)

    def observe(self, memory: Guesses, seen: Seen) -> Guesses:
        """The model's corrections become the guesses, moved up by what was decided."""
        B, K = memory.tokens_BK.shape
        said_BS = seen.logits_BSV.argmax(-1).cpu()
        if seen.written is None:
            fill_B1 = said_BS.gather(1, seen.last_B[:, None])
            return Guesses(fill_B1.expand(B, K).clone(), memory.left_B * 0, memory.first_B)
        count_B1 = seen.written.count_B[:, None]
        S = said_BS.shape[1]
        cells_BK = count_B1 + torch.arange(K)
        last_B1 = (seen.real_BS.sum(-1, keepdim=True) - 1).clamp_min(0)
        guesses_BK = said_BS.gather(1, cells_BK.minimum(last_B1).clamp_max(S - 1))
        block_B = torch.where(memory.left_B > 0, memory.left_B, K)
        left_B = (block_B - seen.written.count_B).clamp_min(0)
        return Guesses(guesses_BK, left_B, memory.first_B)
