"""Cross entropy of the next token with barriers in the target, and of the length.

    loss = Markov()(model, batch, progress=0.0, rng=rng)

Every (order + 1)th cell has a barrier, from a place that is drawn for each row. So each cell is
learnt with 0, 1, ..., order tokens of context, as often with each; near the beginning of a target
a context may be the whole of it.
Source: Deng & Rush 2020 (arXiv:2006.01112), section 4; the length as in `objectives.length_based`.
Shapes: B rows, N target cells with the one that ends them.
"""

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Int
from torch import Generator, Tensor

from anyorder.models.left_to_right.markov import MarkovTransformer
from anyorder.objectives.batch import Batch, Loss
from anyorder.objectives.cross_entropy import check_smoothing, shifted


@dataclass(frozen=True)
class Markov:
    """`length_weight`: of the length's cross entropy beside that of one token; `drawn`: whether
    the barriers of a row begin at a place that is drawn, rather than at its first cell.
    """

    smoothing: float = 0.1
    length_weight: float = 0.1
    drawn: bool = True

    def __post_init__(self) -> None:
        check_smoothing(self.smoothing)

    @property
    def plain(self) -> "Markov":
        """Without smoothing, and with barriers that stay where they are."""
        return replace(self, smoothing=0.0, drawn=False)

    def __call__(
        self, model: MarkovTransformer, batch: Batch, *, progress: float, rng: Generator
    ) -> Loss:
        """Rows that are longer than the model's longest are left out, and counted."""
        s, count_B = model.sizes, batch.target_B + 1
        read_BN, write_BN, real_BN = shifted(batch, s.bos, s.eos)
        fits_B = count_B <= s.longest
        real_BN = real_BN & fits_B[:, None]
        begin_B = torch.zeros_like(count_B)
        if self.drawn:
            begin_B = torch.randint(0, s.order + 1, count_B.shape, generator=rng)
        memory = model.encode(batch.source_BS, batch.source_B)
        logits_BNV = model(memory, read_BN, barriers(begin_B, read_BN.shape[1], order=s.order))
        total = F.cross_entropy(
            logits_BNV[real_BN].float(),
            write_BN[real_BN],
            label_smoothing=self.smoothing,
            reduction="sum",
        )
        length_logp = model.length_logps(memory)[fits_B]
        lengths = F.nll_loss(length_logp, count_B[fits_B] - 1, reduction="sum")
        notes = {"too long": float((~fits_B).sum())}
        return Loss(total + self.length_weight * lengths, int(real_BN.sum()), notes)


def barriers(begin_B: Int[Tensor, " B"], cells: int, *, order: int) -> Bool[Tensor, "B N"]:
    """A barrier at the first cell, and at every (order + 1)th from `begin_B` on.

    >>> barriers(torch.tensor([0, 2]), 6, order=2).int().tolist()
    [[1, 0, 0, 1, 0, 0], [1, 0, 1, 0, 0, 1]]
    """
    place_N = torch.arange(cells)
    barriers_BN = (place_N - begin_B[:, None]) % (order + 1) == 0
    return barriers_BN | (place_N == 0)
