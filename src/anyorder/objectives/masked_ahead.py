"""Cross entropy of several tokens ahead, read off mask tokens: training for parallel drafts.

    MaskedAhead(mask=3)                           # eight tokens ahead, the last of few places
    MaskedAhead(mask=3, keep=1.0)                 # from all

    sum over d < offsets, over kept places n of  -log p(y_(n + d + 1) | x, y_1 .. y_n, d masks)

All of it is one sequence. A cell stands at the place that its token will have; it sees the real
text up to place n and the masks of its own chain. So chains know nothing of each other, and what a
cell says is the same whether others are there or not.
Dropping: at depth d a share max(keep^d, least) of the places is learnt from, drawn among all alike,
and none that was dropped at a lesser depth, so that a kept cell has the whole chain that it must
see. The sum's expectation is therefore not that of the sum over all cells, but of one in which
depth d weighs as much as its share; `even` divides by the share, which gives the former.
Source: An et al. 2025 (arXiv:2504.18583) and the authors' code (8 tokens, a share of 0.7, 0.2 at
the least, one mask token for all depths). There the mean is over all kept cells, as it is here
without `even`; chains that run over the end of a text go on at its beginning, where nothing is
learnt, and a share of the places is rounded down; here such cells are left out, and the share is
rounded up. As there, the places are the same for all rows of a batch.
Shapes: B rows, N places (one more than a target has tokens), D depths, T cells, V vocabulary.
"""

import math
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Int
from torch import Generator, Tensor

from anyorder.models.left_to_right.seq2seq import Seq2Seq
from anyorder.objectives.batch import Batch, Loss
from anyorder.objectives.cross_entropy import check_smoothing, shifted


@dataclass(frozen=True)
class Chains:
    """The cells of all chains: behind which place each begins, and how many masks it has."""

    place_T: Int[Tensor, " T"]
    depth_T: Int[Tensor, " T"]

    @property
    def sees_TT(self) -> Bool[Tensor, "T T"]:
        """The real text up to the chain's place, and the masks of the chain, its own included.

        >>> Chains(torch.tensor([0, 1, 0]), torch.tensor([0, 0, 1])).sees_TT.int().tolist()
        [[1, 0, 0], [1, 1, 0], [1, 0, 1]]
        """
        place_T1, depth_T1 = self.place_T[:, None], self.depth_T[:, None]
        real_TT = (self.depth_T == 0) & (self.place_T <= place_T1)
        return real_TT | ((self.place_T == place_T1) & (self.depth_T <= depth_T1))


@dataclass(frozen=True)
class MaskedAhead:
    """`mask`: the token that stands for what is not known yet. `offsets`: how many tokens ahead are
    learnt, the next one included. Held-out pairs are read with nothing dropped. Raises ValueError
    for numbers that make no sense.
    """

    mask: int
    offsets: int = 8
    keep: float = 0.7
    least: float = 0.2
    even: bool = False
    smoothing: float = 0.1

    def __post_init__(self) -> None:
        if self.mask < 0 or self.offsets < 1:
            raise ValueError("a mask is a token id, and at least one token ahead is learnt")
        if not (0 < self.keep <= 1 and 0 <= self.least <= 1):
            raise ValueError(f"shares that are kept are at most 1: {self.keep}, {self.least}")
        check_smoothing(self.smoothing)

    @property
    def plain(self) -> "MaskedAhead":
        """All cells, without smoothing."""
        return replace(self, keep=1.0, smoothing=0.0)

    def counts(self, places: int) -> list[int]:
        """How many places are kept at each depth, those whose chain would run over the end counted.

        >>> MaskedAhead(mask=3, offsets=4, keep=0.5, least=0.2).counts(10)
        [10, 5, 3, 2]
        """
        shares = [max(self.keep**depth, self.least) for depth in range(self.offsets)]
        return [math.ceil(round(share * places, 6)) for share in shares]

    def cells(self, places: int) -> float:
        """How many cells a row reads that has so many places, in expectation."""
        counts = enumerate(self.counts(places))
        return sum(count * max(places - depth, 0) / places for depth, count in counts)

    def __call__(self, model: Seq2Seq, batch: Batch, *, progress: float, rng: Generator) -> Loss:
        read_BN, write_BN, _ = shifted(batch, model.bos, model.eos)
        N = read_BN.shape[1]
        chains = self.chains(torch.randperm(N, generator=rng))
        at_T = chains.place_T + chains.depth_T
        tokens_BT = read_BN[:, chains.place_T].masked_fill(chains.depth_T > 0, self.mask)
        memory = model.encode(batch.source_BS, batch.source_B)
        x_BTC = model.target.placed(
            model.target.vectors(tokens_BT), at_T.expand(len(read_BN), -1), N
        )
        x_BTC = model.decoder(x_BTC, chains.sees_TT[None], memory)
        real_BT = at_T <= batch.target_B[:, None]
        loss_X = F.cross_entropy(
            model.head(x_BTC[real_BT]).float(),
            write_BN[:, at_T][real_BT],
            label_smoothing=self.smoothing,
            reduction="none",
        )
        if not self.even:
            return Loss(loss_X.sum(), len(loss_X))
        weight_D = N / torch.tensor(self.counts(N))
        weight_X = weight_D[chains.depth_T].expand(real_BT.shape)[real_BT]
        every = (batch.target_B[:, None] + 1 - torch.arange(self.offsets)).clamp_min(0)
        return Loss((loss_X * weight_X).sum(), int(every.sum()))

    def chains(self, rank_N: Int[Tensor, " N"]) -> Chains:
        """At each depth, of the places with the lowest ranks those whose chain does not run over
        the end.
        """
        N = len(rank_N)
        count_D1 = torch.tensor(self.counts(N))[:, None]
        ends_DN = torch.arange(self.offsets)[:, None] + torch.arange(N)
        depth_T, place_T = ((rank_N < count_D1) & (ends_DN < N)).nonzero(as_tuple=True)
        return Chains(place_T, depth_T)
