"""Align, then denoise: the likelihood of a target from nothing, and from the model's own draft.

    loss = AlignThenDenoise()(net, batch, progress=0.0, rng=rng)

    - log P_align(y | x)  -  log P_denoise(y | x, draft),    both sums over CTC alignments

The draft is the likeliest token of every cell after the first pass, the blank left out, with some
damage; no gradient goes through it.
Source: Wu et al. 2023 (arXiv:2305.13140), and in detail the authors' code, XLMR4MT; unrolling as in
Savinov et al. 2022 (arXiv:2112.06749), one step.
Shapes: those of `Batch`.
"""

from dataclasses import dataclass, field, replace
from typing import ClassVar

import torch
from torch import Generator

from anyorder.align.ctc import log_likelihood
from anyorder.corrupt.drafts import DraftNoise
from anyorder.models.parallel.semantic_guided import SemanticGuided
from anyorder.objectives.batch import Batch, Loss
from anyorder.objectives.lattices import told


@dataclass(frozen=True)
class AlignThenDenoise:
    """`noise`: the damage to the draft. A token counts once, so that its loss is that of both."""

    noise: DraftNoise = field(default_factory=DraftNoise)

    one_vocabulary: ClassVar[bool] = True  # the same layers and head read and write

    @property
    def plain(self) -> "AlignThenDenoise":
        """The draft as it is."""
        return AlignThenDenoise(replace(self.noise, most=0.0))

    def __call__(
        self, model: SemanticGuided, batch: Batch, *, progress: float, rng: Generator
    ) -> Loss:
        guide = model.begin(batch.source_BS, batch.source_B)
        first = model.lattice(guide)
        blank, vocab = model.sizes.blank, model.sizes.target_vocab
        with torch.no_grad():
            draft_BM = first.token_BM
        draft_BM = self.noise(draft_BM, first.count_B, nothing=blank, vocab=vocab, rng=rng)
        again = told(model.denoised(guide, draft_BM), batch, likelihood=log_likelihood)
        loss = told(first, batch, likelihood=log_likelihood)
        return replace(loss, total=loss.total + again.total)
