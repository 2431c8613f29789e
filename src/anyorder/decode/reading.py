"""What a causal model still has to read: final cells that its cache does not hold yet.

Shapes: B rows, T cells to read (right-padded), N canvas cells, H history, P written cells.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from anyorder.canvas import Canvas
from anyorder.models.capability import Cache

SLICE = 256  # cells of a prompt whose logits are held at once, where somebody looks at them


@dataclass(frozen=True)
class Pending:
    """The first `count_B` tokens of each row are to be read; finished rows have none."""

    tokens_BT: Int[Tensor, "B T"]
    count_B: Int[Tensor, " B"]

    @property
    def width(self) -> int:
        return self.tokens_BT.shape[1]

    @property
    def last_B1(self) -> Int[Tensor, "B 1"]:
        """The cell whose logits say what comes next."""
        return (self.count_B - 1).clamp_min(0)[:, None]

    @property
    def path_BT(self) -> Int[Tensor, "B T"]:
        """The cells one after the other, of which a cache keeps the first `count_B`."""
        return torch.arange(self.width).expand(self.tokens_BT.shape)

    @property
    def real_BT(self) -> Bool[Tensor, "B T"]:
        """Which cells are to be read."""
        return torch.arange(self.width) < self.count_B[:, None]


def pending(canvas: Canvas, cache: Cache) -> Pending:
    """The final cells of each live row beyond the cache's committed length.

    Raises ValueError for a row that begins with an open cell: a causal model must read something.
    """
    frontier_B, live_B = canvas.frontier_B.numpy(), canvas.live_B.numpy()
    if (live_B & (frontier_B == 0)).any():
        raise ValueError("the prompt is empty; a left-to-right model needs at least one token")
    begin_B = cache.length_B.cpu().numpy()
    count_B = (frontier_B - begin_B) * live_B
    B, N = canvas.tokens_BN.shape
    cells_BT = begin_B[:, None] + np.arange(max(1, max(count_B.tolist())))
    cells_BT = np.minimum(cells_BT, N - 1)
    tokens_BT = canvas.tokens_BN.numpy()[np.arange(B)[:, None], cells_BT]
    return Pending(torch.from_numpy(tokens_BT), torch.from_numpy(count_B))


def parts(read: Pending, most: int, *, leave: int = 0) -> Iterator[Pending]:
    """All but each row's last `leave` tokens, `most` cells of a row at a time: so that the logits
    of a long prompt are never held all at once.

    >>> read = Pending(torch.tensor([[4, 5, 6, 7], [8, 9, 0, 0]]), torch.tensor([4, 2]))
    >>> [part.tokens_BT.tolist() for part in parts(read, 2, leave=1)]
    [[[4, 5], [8, 9]], [[6], [0]]]
    >>> [part.count_B.tolist() for part in parts(read, 2, leave=1)]
    [[2, 1], [1, 0]]
    """
    left_B = (read.count_B - leave).clamp_min(0)
    for begin in range(0, int(left_B.max()), most):
        count_B = (left_B - begin).clamp(0, most)
        yield Pending(read.tokens_BT[:, begin : begin + int(count_B.max())], count_B)


def roots(canvas: Canvas) -> list[int]:
    """The token below which each row is drafted: the last before its frontier; -1: it has ended."""
    last_B1 = (canvas.frontier_B - 1).clamp_min(0)[:, None]
    return canvas.tokens_BN.gather(1, last_B1)[:, 0].where(canvas.live_B, -1).tolist()


def room(canvas: Canvas) -> int:
    """Cells that a cache needs to read `canvas`: the longest row, and as many forced cells as
    another row may have to catch up with in one call.
    """
    N = canvas.tokens_BN.shape[1]
    return N + int((canvas.final_BN.sum(-1) - canvas.frontier_B).max())


def open_run(canvas: Canvas) -> Int[Tensor, " B"]:
    """How many cells may be written from the frontier on, up to the next forced cell or the end."""
    N = canvas.tokens_BN.shape[1]
    ahead_BN = torch.arange(N) >= canvas.frontier_B[:, None]
    return (canvas.open_BN | ~ahead_BN).long().cumprod(-1).sum(-1) - canvas.frontier_B


def history(canvas: Canvas, written_BP: Int[Tensor, "B P"]) -> Int[Tensor, "B 1 H"]:
    """The tokens that stand before the next cell: final cells, then `written_BP`; -1 is none."""
    final_BN = torch.arange(canvas.tokens_BN.shape[1]) < canvas.frontier_B[:, None]
    return torch.cat([canvas.tokens_BN.where(final_BN, -1), written_BP], 1)[:, None]


def logprobs(
    logits_BPV: Float[Tensor, "B P V"], tokens_BP: Int[Tensor, "B P"]
) -> Float[Tensor, "B P"]:
    """The model's own log-probability of each token: temperature 1, no filter."""
    tokens_BP1 = tokens_BP.to(logits_BPV.device)[..., None]
    return logits_BPV.log_softmax(-1).gather(-1, tokens_BP1)[..., 0].cpu().float()
