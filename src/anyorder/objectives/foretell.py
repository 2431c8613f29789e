"""Self-distillation ahead: a frozen model's guesses learn what it will say itself.

    loss = Foretell()(model, batch, progress=0.0, rng=rng)

    sum over cells n and k = 1, 2, ...  of  KL(p(. | y_1 ... y_(n + k)) || p_k(. | y_1 ... y_n))

p is the model's own distribution, where the target is known up to the token before; p_k is what is
foretold for the same place, k tokens too early. A target is read as it is, so let it be one that
the model wrote itself.
The abstract of Wu et al. 2024 (arXiv:2404.12022) does not say how transfers are trained; this loss
is ours, and heads of a frozen model learn by it just as well. All depths count alike.
Shapes: B rows, S source cells, N target cells (one more than a target has tokens), X cells that are
no padding, V vocabulary, C channels.
"""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Generator, Tensor

from anyorder.nets.heads import Foretold
from anyorder.nets.layers import Embedding
from anyorder.objectives.batch import Batch, Loss
from anyorder.objectives.cross_entropy import shifted


@runtime_checkable
class Foretells(Protocol):
    """A model that also foretells what stands further ahead; all ends in the embedding."""

    bos: int
    eos: int
    target: Embedding

    def foretold(
        self,
        source_BS: Int[Tensor, "B S"],
        source_B: Int[Tensor, " B"],
        target_BN: Int[Tensor, "B N"],
    ) -> Foretold:
        """What the head reads of every cell of targets that are known, without gradients; and of
        what is foretold there, with gradients for that alone.
        """
        ...


@dataclass(frozen=True)
class Foretell:
    """See the module. The model itself learns nothing, and drops nothing out."""

    @property
    def plain(self) -> "Foretell":
        """The same: nothing in it is for training alone."""
        return self

    def __call__(self, model: Foretells, batch: Batch, *, progress: float, rng: Generator) -> Loss:
        read_BN, _, real_BN = shifted(batch, model.bos, model.eos)
        found = model.foretold(batch.source_BS, batch.source_B, read_BN)
        table_VC = model.target.table.weight.detach()
        totals, units = [], 0
        for k in range(1, found.ahead_BNHC.shape[2] + 1):
            real_BX = real_BN[:, k:]  # the place that is foretold is one of the target's
            own_XC = found.own_BNC[:, k:][real_BX]
            ahead_XC = found.ahead_BNHC[:, : real_BX.shape[1], k - 1][real_BX]
            totals.append(divergence(own_XC, ahead_XC, table_VC))
            units += int(real_BX.sum())
        return Loss(torch.stack(totals).sum(), units)


def divergence(
    own_XC: Float[Tensor, "X C"], ahead_XC: Float[Tensor, "X C"], table_VC: Float[Tensor, "V C"]
) -> Float[Tensor, ""]:
    """Sum of KL(own || ahead), of distributions over the embedding's tokens."""
    with torch.no_grad():
        own_XV = F.linear(own_XC, table_VC).float().log_softmax(-1)
    ahead_XV = F.linear(ahead_XC, table_VC).float().log_softmax(-1)
    return F.kl_div(ahead_XV, own_XV, reduction="sum", log_target=True)
