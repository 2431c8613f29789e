"""Set Block Decoding: cells of a block are written in any order, as many at once as are sure.

    SetBlock(block=8, gamma=0.5)

A call reads what was written since the last block, left to right, and the next block, whose cells
see one another: masks, and the tokens that are known. Of the cells that are open those are written,
the surest first, whose sum of entropies (nats), without the greatest, is at most `gamma`; so it is
one cell at the least. A full block is final, and its keys and values are those of left to right.
What stands in the first cell while nothing of a block is known, the token before it says: a block
of one is left to right.
Source: Gat et al. 2025 (arXiv:2509.04185), figure 2b; the bound: Ben-Hamu et al. 2025
(arXiv:2505.24857).
Shapes: B rows, K cells of a block, N canvas cells, V vocabulary.
"""

from dataclasses import dataclass, replace
from typing import ClassVar, final

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from anyorder.canvas import DONE, DRAFT, PAD, Canvas
from anyorder.decode.block import read_block
from anyorder.decode.reading import Pending, history, pending, room
from anyorder.decode.sampling import Sampler
from anyorder.models.capability import Cache
from anyorder.models.further import SetBlockLM

ALIKE = 1e-4  # nats by which entropies may differ that rounding alone keeps apart
LONG = 256  # cells of a prompt from which on it is read by itself, as a plain chain


@dataclass(frozen=True)
class Filling:
    """The canvas, on which known cells of an unfinished block are drafts, and the cache."""

    canvas: Canvas
    cache: Cache

    def with_canvas(self, canvas: Canvas) -> "Filling":
        return replace(self, canvas=canvas)


@dataclass(frozen=True)
class Block:
    """The next cells of each row, from its frontier on, and which of them hold a token."""

    cells_BK: Int[Tensor, "B K"]
    inside_BK: Bool[Tensor, "B K"]
    known_BK: Bool[Tensor, "B K"]


@final
@dataclass(frozen=True)
class SetBlock:
    """Blocks of `block` cells, or as many as the model can read; `gamma` nats are put up with.

    `leftmost`: of the open cells those from the left come first, not the surest (not the paper's).
    """

    block: int = 16
    gamma: float = 0.5
    leftmost: bool = False

    exact: ClassVar[bool] = False
    needs: ClassVar[tuple[type, ...]] = (SetBlockLM,)

    def __post_init__(self) -> None:
        if self.block < 1 or self.gamma < 0:
            raise ValueError(f"a block has 1 cell or more, and a gamma of 0 or more: {self}")

    def most_calls(self, canvas: Canvas) -> int:
        """Each call writes a cell at the least, but where it reads a long prompt."""
        return 1 + int(((canvas.status_BN > PAD) & ~canvas.final_BN).sum(-1).max())

    def start(self, model: SetBlockLM, canvas: Canvas, sampler: Sampler) -> Filling:
        return Filling(
            canvas, model.new_cache(len(canvas.tokens_BN), room(canvas) + 2 * self.block)
        )

    def step(self, model: SetBlockLM, state: Filling, sampler: Sampler) -> Filling:
        canvas, read = state.canvas, pending(state.canvas, state.cache)
        if read.width > LONG:
            _read(model, state.cache, read)
            read = pending(canvas, state.cache)
        block = self._block(canvas, model.longest_block)
        logits_BKV = _said(model, state.cache, canvas, read, block)
        past = None
        if sampler.wants_history:
            past = history(canvas, read.tokens_BT[:, :0]).expand(-1, block.cells_BK.shape[1], -1)
        picked_BK = sampler.pick(logits_BKV, block.cells_BK, past)
        logp_BKV = logits_BKV.log_softmax(-1).cpu()
        open_BK = block.inside_BK & ~block.known_BK
        sure_BK = surest(logp_BKV, open_BK, self.gamma, leftmost=self.leftmost)
        logprobs_BK = logp_BKV.gather(-1, picked_BK[..., None])[..., 0].float()
        canvas = _written(canvas, block, sure_BK, picked_BK, logprobs_BK, sampler.eos_ids)
        return replace(state, canvas=canvas)

    def _block(self, canvas: Canvas, longest: int) -> Block:
        """Rows that have ended have none; a text's last block ends with it."""
        N = canvas.tokens_BN.shape[1]
        left_B = (canvas.length_B - canvas.frontier_B) * canvas.live_B
        cells_K = torch.arange(min(self.block, longest, int(left_B.max())))
        cells_BK = (canvas.frontier_B[:, None] + cells_K).clamp_max(N - 1)
        inside_BK = cells_K < left_B[:, None]
        return Block(cells_BK, inside_BK, inside_BK & canvas.held_BN.gather(1, cells_BK))


def surest(
    logp_BKV: Float[Tensor, "B K V"],
    open_BK: Bool[Tensor, "B K"],
    gamma: float,
    *,
    leftmost: bool = False,
) -> Bool[Tensor, "B K"]:
    """Of the open cells, taken from the surest on, or from the left, those whose entropies, but for
    the greatest, sum up to `gamma` at most.

    This bounds what is lost by writing them at once: their joint dependence is no more than the sum
    of all entropies without the greatest. Of cells that are as sure but for rounding the first
    comes first: which one is written must not hang on last bits.
    """
    p_BKV = logp_BKV.double().exp()
    entropy_BK = -(p_BKV * logp_BKV.double().clamp_min(-1e9)).sum(-1)
    rank_BK = torch.zeros_like(entropy_BK) if leftmost else (entropy_BK / ALIKE).round()
    order_BK = rank_BK.masked_fill(~open_BK, torch.inf).argsort(dim=-1, stable=True)
    taken_BK = entropy_BK.gather(1, order_BK)
    greatest_BK = taken_BK.cummax(-1).values.roll(1, -1)
    greatest_BK[:, 0] = 0.0
    spent_BK = taken_BK.minimum(greatest_BK).cumsum(-1)  # without the greatest so far
    return torch.zeros_like(open_BK).scatter(1, order_BK, spent_BK <= gamma) & open_BK


def _read(model: SetBlockLM, cache: Cache, read: Pending) -> None:
    """All but the last token of each row."""
    B, T = read.tokens_BT.shape
    model.extend(read.tokens_BT, cache, score_BS=torch.zeros(B, 0, dtype=torch.long))
    cache.keep(torch.arange(T).expand(B, T), (read.count_B - 1).clamp_min(0))


def _said(
    model: SetBlockLM, cache: Cache, canvas: Canvas, read: Pending, block: Block
) -> Float[Tensor, "B K V"]:
    """What stands in the cells of a block; what was read from the left is kept."""
    tokens_BK = canvas.tokens_BN.gather(1, block.cells_BK).where(block.known_BK, model.hole)
    last_BV, logits_BKV = read_block(model, cache, read, tokens_BK, block.inside_BK)
    if last_BV is None:
        return logits_BKV
    begun_B = (read.count_B > 0) & ~block.known_BK.any(-1)
    first_BV = last_BV.where(begun_B[:, None], logits_BKV[:, 0])
    return torch.cat([first_BV[:, None], logits_BKV[:, 1:]], 1)


def _written(
    canvas: Canvas,
    block: Block,
    sure_BK: Bool[Tensor, "B K"],
    picked_BK: Int[Tensor, "B K"],
    logprobs_BK: Float[Tensor, "B K"],
    eos_ids: tuple[int, ...],
) -> Canvas:
    """With these tokens as drafts; of a block that is full, or ends a text, for good."""
    tokens_BN, status_BN = canvas.tokens_BN.clone(), canvas.status_BN.clone()
    logprobs_BN = canvas.logprobs_BN.clone()
    row, k = sure_BK.nonzero().unbind(-1)
    cell = block.cells_BK[row, k]
    tokens_BN[row, cell], logprobs_BN[row, cell] = picked_BK[row, k], logprobs_BK[row, k]
    status_BN[row, cell] = DRAFT
    known_BK = block.known_BK | sure_BK
    ends_BK = torch.isin(tokens_BN.gather(1, block.cells_BK), torch.tensor(eos_ids).long())
    whole_BK = (known_BK | ~block.inside_BK).long().cumprod(-1).bool()  # nothing before is open
    ended_BK = (ends_BK & whole_BK).flip(-1).long().cumsum(-1).flip(-1) > 0  # up to what ends it
    final_BK = block.inside_BK & (whole_BK[:, -1:] | ended_BK)
    row, k = final_BK.nonzero().unbind(-1)
    cell = block.cells_BK[row, k]
    status_BN[row, cell] = status_BN[row, cell].clamp_min(DONE)
    return Canvas(tokens_BN, status_BN, logprobs_BN)
