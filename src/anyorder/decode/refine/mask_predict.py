"""Mask-predict: write all cells, then again those that are least sure, fewer each time.

    MaskPredict(iterations=10, candidates=5)

After call t of T, the n (T - t) / T least likely of n cells are opened again, and the next call
fills them, seeing the others. Several lengths are tried side by side in the same calls; the text
with the best mean log-probability is kept (the length's own counts as one token).
Source: Ghazvininejad et al. 2019 (arXiv:1904.09324), sections 3.1 to 3.3 and 4.1.
Shapes: B rows, K lengths, R = B K rows that are tried, N cells.
"""

from dataclasses import dataclass, replace
from typing import ClassVar, final

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from anyorder.canvas import DONE, DRAFT, OPEN, PAD, Canvas
from anyorder.decode.one_shot.loop import parallel_only
from anyorder.decode.sampling import Sampler
from anyorder.models.capability import ParallelModel


@dataclass(frozen=True)
class Trying:
    """The canvas that is seen, the ones that are tried, and the log-probability of each length."""

    canvas: Canvas
    tried: Canvas
    length_R: Float[Tensor, " R"]
    model: ParallelModel
    calls: int = 0

    def with_canvas(self, canvas: Canvas) -> "Trying":
        return replace(self, canvas=canvas)


@final
@dataclass(frozen=True)
class MaskPredict:
    """`iterations` calls at the most, each over the `candidates` likeliest lengths.

    With one iteration it writes what `Parallel` writes.
    """

    iterations: int = 10
    candidates: int = 1

    exact: ClassVar[bool] = False
    needs: ClassVar[tuple[type, ...]] = (ParallelModel,)

    def __post_init__(self) -> None:
        if self.iterations < 1 or self.candidates < 1:
            raise ValueError(f"mask-predict needs 1 iteration and 1 length or more: {self}")

    def most_calls(self, canvas: Canvas) -> int:
        return self.iterations

    def start(self, model: ParallelModel, canvas: Canvas, sampler: Sampler) -> Trying:
        """Raises ValueError above temperature 0, and for words that are given in the text."""
        parallel_only(type(self).__name__, canvas, sampler)
        logp_BL = model.lengths()
        best = logp_BL.topk(min(self.candidates, logp_BL.shape[1]), -1)
        B, K = best.indices.shape
        rows_R = torch.arange(B).repeat_interleave(K)
        lengths = best.indices.flatten().tolist()
        tried = Canvas.of_prompts([[model.bos]] * (B * K), new_cells=lengths)
        return Trying(canvas, tried, best.values.flatten(), model.select(rows_R))

    def step(self, model: ParallelModel, state: Trying, sampler: Sampler) -> Trying:
        tried, calls = state.tried, state.calls + 1
        said = state.model.fill(tried).max(-1)
        open_RN = tried.open_BN
        tokens_RN = said.indices.where(open_RN, tried.tokens_BN)
        logprobs_RN = said.values.float().where(open_RN, tried.logprobs_BN)
        inside_RN = open_RN | (tried.status_BN == DRAFT)
        again_RN = self._least(logprobs_RN, inside_RN, calls)
        status_RN = tried.status_BN.masked_fill(inside_RN, DRAFT).masked_fill(again_RN, OPEN)
        tried = Canvas(tokens_RN, status_RN, logprobs_RN)
        state = replace(state, tried=tried, calls=calls)
        ended = calls == self.iterations or not bool(again_RN.any())
        return replace(state, canvas=self._shown(state, inside_RN, ended=ended))

    def _least(
        self, logprobs_RN: Float[Tensor, "R N"], inside_RN: Bool[Tensor, "R N"], calls: int
    ) -> Bool[Tensor, "R N"]:
        """The cells that are opened again: the least likely ones of each row."""
        count_R = inside_RN.sum(-1)
        again_R = count_R * (self.iterations - calls) // self.iterations
        place_RN = logprobs_RN.masked_fill(~inside_RN, torch.inf).argsort(dim=-1, stable=True)
        rank_RN = place_RN.argsort(-1)
        return (rank_RN < again_R[:, None]) & inside_RN

    def _shown(self, state: Trying, inside_RN: Bool[Tensor, "R N"], *, ended: bool) -> Canvas:
        """The best text of each row: as a draft, or, at the end, for good."""
        canvas, tried = state.canvas, state.tried
        score_R = (tried.logprobs_BN * inside_RN).sum(-1) + state.length_R
        score_R = score_R / (1 + inside_RN.sum(-1))
        B = len(canvas.tokens_BN)
        K = len(score_R) // B
        kept_B = torch.arange(B) * K + score_R.unflatten(0, (B, K)).argmax(-1)
        return _written(canvas, tried, kept_B, inside_RN, ended=ended)


def _written(
    canvas: Canvas,
    tried: Canvas,
    kept_B: Int[Tensor, " B"],
    inside_RN: Bool[Tensor, "R N"],
    *,
    ended: bool,
) -> Canvas:
    """The chosen texts after what is given; what lies behind them is open still, or cut off."""
    tokens_BN, status_BN = canvas.tokens_BN.clone(), canvas.status_BN.clone()
    logprobs_BN = canvas.logprobs_BN.clone()
    begins, rooms = canvas.frontier_B.tolist(), canvas.length_B.tolist()
    for row, (begin, room, kept) in enumerate(zip(begins, rooms, kept_B.tolist(), strict=True)):
        cells = inside_RN[kept].nonzero()[:, 0][: room - begin]
        end = begin + len(cells)
        tokens_BN[row, begin:end] = tried.tokens_BN[kept, cells]
        logprobs_BN[row, begin:end] = tried.logprobs_BN[kept, cells]
        status_BN[row, begin:end] = DONE if ended else tried.status_BN[kept, cells]
        status_BN[row, end:room] = PAD if ended else OPEN
    return Canvas(tokens_BN, status_BN, logprobs_BN)
