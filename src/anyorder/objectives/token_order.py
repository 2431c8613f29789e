"""Token order prediction: which tokens come next, and in which order, learnt beside the next one.

    TokenOrder(window=16)

    sum over cells of  -log p(y_n)  -  sum_v t_n(v) log r_n(v)
    t_n = softmax over the vocabulary of  W - d_n(v),  and -inf beyond the window

d_n(v): how far ahead of cell n the token v stands for the first time (1: it is the next one). r:
the softmax of a head of its own (`TokenOrderSeq2Seq`), which nothing reads when the model writes.
The second sum is ListNet. A target has W numbers a cell, not V. They fall by e a token: a wider
window than 16 would change no share by more than 2e-7. Both sums weigh the same.
Source: Zuhri et al. 2025 (arXiv:2508.19228) and the authors' code, which has target and loss;
ListNet: Cao et al. 2007.
Shapes: B rows, N target cells (one more than a target has tokens), W window, X cells that are no
padding, V vocabulary.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Generator, Tensor

from anyorder.models.left_to_right.token_order import TokenOrderSeq2Seq
from anyorder.objectives.batch import Batch, Loss
from anyorder.objectives.cross_entropy import CrossEntropy, check_smoothing, shifted


@dataclass(frozen=True)
class TokenOrder:
    """`window`: how many tokens are ordered; `smoothing`: of the next token's labels alone."""

    window: int = 16
    smoothing: float = 0.1

    def __post_init__(self) -> None:
        if self.window < 1:
            raise ValueError(f"a window has 1 token or more, not {self.window}")
        check_smoothing(self.smoothing)

    @property
    def plain(self) -> CrossEntropy:
        """The next token alone: the order is for training."""
        return CrossEntropy(smoothing=0.0)

    def __call__(
        self, model: TokenOrderSeq2Seq, batch: Batch, *, progress: float, rng: Generator
    ) -> Loss:
        read_BN, write_BN, real_BN = shifted(batch, model.bos, model.eos)
        x_XC = model.features(batch.source_BS, batch.source_B, read_BN)[real_BN]
        following = F.cross_entropy(
            model.head(x_XC).float(),
            write_BN[real_BN],
            label_smoothing=self.smoothing,
            reduction="sum",
        )
        tokens_BNW, share_BNW = upcoming(write_BN, batch.target_B + 1, self.window)
        order = list_net(model.ranks(x_XC), tokens_BNW[real_BN], share_BNW[real_BN])
        return Loss(following + order, len(x_XC))


def upcoming(
    write_BN: Int[Tensor, "B N"], count_B: Int[Tensor, " B"], window: int
) -> tuple[Int[Tensor, "B N W"], Float[Tensor, "B N W"]]:
    """The tokens from each cell on, and the share of each: 0 for those that came before in the
    window, and those behind the `count_B` cells of the row.

    >>> tokens, share = upcoming(torch.tensor([[5, 5, 7]]), torch.tensor([3]), 3)
    >>> share[0, 0].gt(0).tolist()  # the 7 stands third, the second 5 counts no more
    [True, False, True]
    """
    N = write_BN.shape[1]
    here_N1 = torch.arange(N)[:, None]
    at_NW = here_N1 + torch.arange(min(window, N))
    score_NW = (here_N1 - at_NW).float()  # W - d, but for a number that is the same for all
    inside_BNW = at_NW < count_B[:, None, None]
    at_NW = at_NW.clamp_max(N - 1)
    first_BNW = _stood_before(write_BN)[:, at_NW] < here_N1
    counts_BNW = inside_BNW & first_BNW
    share_BNW = score_NW.where(counts_BNW, -torch.inf).softmax(-1)
    return write_BN[:, at_NW], share_BNW.where(counts_BNW, 0.0)


def list_net(
    scores_XV: Float[Tensor, "X V"], tokens_XW: Int[Tensor, "X W"], share_XW: Float[Tensor, "X W"]
) -> Float[Tensor, ""]:
    """The sum over cells of the cross entropy between the shares and the softmax of the scores."""
    scores_XV = scores_XV.float()
    logp_XW = scores_XV.gather(1, tokens_XW) - scores_XV.logsumexp(-1, keepdim=True)
    return -(share_XW * logp_XW).sum()


def _stood_before(write_BN: Int[Tensor, "B N"]) -> Int[Tensor, "B N"]:
    """Where the token of each cell stood last before it; -1: nowhere."""
    sorted_BN, at_BN = write_BN.sort(dim=1, stable=True)  # like tokens stand in order of place
    same_BN = sorted_BN[:, 1:] == sorted_BN[:, :-1]
    last_BN = F.pad(at_BN[:, :-1].where(same_BN, -1), (1, 0), value=-1)
    return torch.empty_like(at_BN).scatter_(1, at_BN, last_BN)
