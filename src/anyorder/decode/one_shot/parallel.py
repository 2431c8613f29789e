"""Predict the length, then all cells at once.

    Parallel(), Parallel(candidates=5)

Of several lengths the text with the best mean log-probability of its tokens is kept (the length's
own counts as one token).
Source: Gu et al. 2018 (arXiv:1711.02281), section 3; several lengths as in Ghazvininejad et al.
2019 (arXiv:1904.09324), section 4.1.
Shapes: B rows, K candidates, N cells, V vocabulary.
"""

from dataclasses import dataclass
from typing import ClassVar, final

import torch

from anyorder.canvas import Canvas
from anyorder.decode.one_shot.loop import Found, OneShot, ragged
from anyorder.models.capability import ParallelModel


@final
@dataclass(frozen=True)
class Parallel(OneShot):
    """Tries the `candidates` likeliest lengths, all in one call."""

    candidates: int = 1

    needs: ClassVar[tuple[type, ...]] = (ParallelModel,)

    def __post_init__(self) -> None:
        if self.candidates < 1:
            raise ValueError(f"one length at least is tried, not {self.candidates}")

    def find(self, model: ParallelModel) -> Found:
        logp_BL = model.lengths()
        best = logp_BL.topk(min(self.candidates, logp_BL.shape[1]), -1)
        B, K = best.indices.shape
        rows_R = torch.arange(B).repeat_interleave(K)
        canvas = Canvas.of_prompts(
            [[model.bos]] * (B * K), new_cells=best.indices.flatten().tolist()
        )
        token = model.select(rows_R).fill(canvas).max(-1)
        inside_RN = canvas.open_BN
        score_R = (token.values * inside_RN).sum(-1) + best.values.flatten()
        score_BK = (score_R / (1 + inside_RN.sum(-1))).unflatten(0, (B, K))
        kept_B = torch.arange(B) * K + score_BK.argmax(-1)
        rows = [token.indices[r][inside_RN[r]].tolist() for r in kept_B]
        return ragged(rows, [token.values[r][inside_RN[r]].tolist() for r in kept_B])
