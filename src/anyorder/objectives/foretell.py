"""Self-distillation ahead: a frozen model's guesses learn what it will say itself.

    loss = Foretell()(model, batch, progress=0.0, rng=rng)

    sum over cells n and k = 1, 2, ...  of  KL(p(. | y_1 ... y_(n + k)) || p_k(. | y_1 ... y_n))

p is the model's own distribution, where the target is known up to the token before; p_k is what is
foretold for the same place, k tokens too early. A target is read as it is, so let it be one that
the model wrote itself.
The abstract of Wu et al. 2024 (arXiv:2404.12022) does not say how transfers are trained: this loss
is ours. All depths count alike; heads of a model that stays as it is learn by it, too.
Shapes: B rows, N target cells (one more than a target has tokens), X cells that are no padding, V
vocabulary, C channels.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Generator, Tensor

from anyorder.models.foretold import Foretells
from anyorder.objectives.batch import Batch, Loss
from anyorder.objectives.cross_entropy import shifted


@dataclass(frozen=True)
class Foretell:
    """See the module. The model itself learns nothing, and drops nothing out."""

    @property
    def frozen(self) -> bool:
        """Always: without a model that was trained before there is nothing to foretell."""
        return True

    @property
    def plain(self) -> "Foretell":
        """The same: nothing in it is for training alone."""
        return self

    def __call__(self, model: Foretells, batch: Batch, *, progress: float, rng: Generator) -> Loss:
        read_BN, _, real_BN = shifted(batch, model.bos, model.eos)
        found = model.foretold(batch.source_BS, batch.source_B, read_BN)
        totals, units = [], 0
        for k in range(1, found.ahead_BNHC.shape[2] + 1):
            real_BX = real_BN[:, k:]  # the place that is foretold is one of the target's
            own_XC = found.own_BNC[:, k:][real_BX]
            ahead_XC = found.ahead_BNHC[:, : real_BX.shape[1], k - 1][real_BX]
            totals.append(divergence(own_XC, ahead_XC, found.head_VC))
            units += int(real_BX.sum())
        return Loss(torch.stack(totals).sum(), units)


def divergence(
    own_XC: Float[Tensor, "X C"], ahead_XC: Float[Tensor, "X C"], head_VC: Float[Tensor, "V C"]
) -> Float[Tensor, ""]:
    """Sum of KL(own || ahead), of distributions over the head's tokens."""
    with torch.no_grad():
        own_XV = F.linear(own_XC, head_VC).float().log_softmax(-1)
    ahead_XV = F.linear(ahead_XC, head_VC).float().log_softmax(-1)
    return F.kl_div(ahead_XV, own_XV, reduction="sum", log_target=True)
