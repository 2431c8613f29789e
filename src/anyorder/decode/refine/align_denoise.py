"""Align, then denoise: write all cells of a CTC lattice, then again over what they held.

    AlignDenoise(steps=4)

The first call writes from nothing. Each further one reads the likeliest token of every cell, the
blank left out, so that a cell without a token says which one it had nearly got; the cells have no
memory beside that. A text is ready when a call leaves it as it was, or after the last one.
Source: Wu et al. 2023 (arXiv:2305.13140); that blanks give way to tokens, the authors' code for
training, XLMR4MT. How many steps are made at the most it does not say; by the speeds in table 1 two
or three are made, if each takes as long as reading the source.
Shapes: B rows, M cells of the lattice.
"""

from dataclasses import dataclass, replace
from typing import ClassVar, final

import torch
from jaxtyping import Int
from torch import Tensor

from anyorder.canvas import Canvas
from anyorder.decode.one_shot.ctc import likeliest
from anyorder.decode.one_shot.loop import parallel_only, shown
from anyorder.decode.sampling import Sampler
from anyorder.models.capability import CTCDenoiser


@dataclass(frozen=True)
class Denoising:
    """The canvas, and after a call what each cell and each text was."""

    canvas: Canvas
    draft_BM: Int[Tensor, "B M"] | None = None
    texts: tuple[tuple[int, ...], ...] = ()
    calls: int = 0

    def with_canvas(self, canvas: Canvas) -> "Denoising":
        return replace(self, canvas=canvas)


@final
@dataclass(frozen=True)
class AlignDenoise:
    """One call that aligns, and `steps` calls that denoise at the most.

    Without steps it writes what `CTCGreedy` writes.
    """

    steps: int = 4

    exact: ClassVar[bool] = False
    needs: ClassVar[tuple[type, ...]] = (CTCDenoiser,)

    def __post_init__(self) -> None:
        if self.steps < 0:
            raise ValueError(f"a text is denoised in 0 steps or more, not in {self.steps}")

    def most_calls(self, canvas: Canvas) -> int:
        return 1 + self.steps

    def start(self, model: CTCDenoiser, canvas: Canvas, sampler: Sampler) -> Denoising:
        """Raises ValueError as `parallel_only` does."""
        parallel_only(type(self).__name__, canvas, sampler)
        return Denoising(canvas)

    def step(self, model: CTCDenoiser, state: Denoising, sampler: Sampler) -> Denoising:
        draft_BM = state.draft_BM
        lattice = model.ctc() if draft_BM is None else model.denoised(draft_BM)
        found = likeliest(lattice)
        cells = zip(found.tokens_BP.tolist(), found.count_B.tolist(), strict=True)
        texts = tuple(tuple(row[:count]) for row, count in cells)
        last = state.calls == self.steps
        old = state.texts or (None,) * len(texts)
        ready = [last or text == before for text, before in zip(texts, old, strict=True)]
        # what a text that was ready before has become since is not shown: its cells are final
        canvas = shown(state.canvas, found, torch.tensor(ready))
        return Denoising(canvas, lattice.token_BM, texts, state.calls + 1)
