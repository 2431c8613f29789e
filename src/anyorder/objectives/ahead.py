"""Cross entropy of tokens further ahead: training for models with more heads than one.

    Ahead()                                       # all weights learn
    Ahead(frozen=True)                            # the heads alone; the next token stays as it was
    Leaps(frozen=True)                            # the same for heads that leap

    sum over cells of  -log p_h(y_(n + s h)),   h drawn anew for every batch; s = 1 but for leaps

The mean over all heads costs the memory of all; one head a batch has the same expectation.
Source: Stern et al. 2018 (arXiv:1811.03115), sections 6.1 and 7.1; leaps: Liu et al. 2025
(arXiv:2505.17505).
Shapes: B rows, N target cells (one more than a target has tokens), V vocabulary, C channels.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Generator, Tensor

from anyorder.models.left_to_right.headed import HeadedSeq2Seq
from anyorder.models.left_to_right.leaping import LeapSeq2Seq
from anyorder.models.left_to_right.seq2seq import Seq2Seq
from anyorder.models.undropped import undropped
from anyorder.objectives.batch import Batch, Loss
from anyorder.objectives.cross_entropy import check_smoothing, shifted

Headed = HeadedSeq2Seq | LeapSeq2Seq


@dataclass(frozen=True)
class Ahead:
    """`frozen`: what the model had before learns nothing, and drops nothing out; the first head has
    no turn. Held-out pairs are read by all heads that learn: `every`.
    """

    frozen: bool = False
    smoothing: float = 0.1
    every: bool = False

    def __post_init__(self) -> None:
        check_smoothing(self.smoothing)

    @property
    def plain(self) -> "Ahead":
        """All heads, without smoothing."""
        return Ahead(frozen=self.frozen, smoothing=0.0, every=True)

    def __call__(
        self, model: HeadedSeq2Seq, batch: Batch, *, progress: float, rng: Generator
    ) -> Loss:
        return _loss(self, model, batch, rng, stride=1)


@dataclass(frozen=True)
class Leaps:
    """As `Ahead`, for heads whose guesses lie the model's stride apart."""

    frozen: bool = False
    smoothing: float = 0.1
    every: bool = False

    def __post_init__(self) -> None:
        check_smoothing(self.smoothing)

    @property
    def plain(self) -> "Leaps":
        """All heads, without smoothing."""
        return Leaps(frozen=self.frozen, smoothing=0.0, every=True)

    def __call__(
        self, model: LeapSeq2Seq, batch: Batch, *, progress: float, rng: Generator
    ) -> Loss:
        return _loss(self, model, batch, rng, stride=model.sizes.stride)


def _loss(by: Ahead | Leaps, model: Headed, batch: Batch, rng: Generator, *, stride: int) -> Loss:
    """Of the head whose turn it is, or of every one."""
    least, most = int(by.frozen), model.sizes.heads
    turn = int(torch.randint(least, most + 1, (1,), generator=rng))
    read_BN, write_BN, _ = shifted(batch, model.bos, model.eos)
    features_BNC = features_of(model, batch, read_BN, frozen=by.frozen)
    turns = range(least, most + 1) if by.every else [turn]
    losses = [
        loss_of_head(
            model,
            turn,
            features_BNC,
            write_BN,
            batch.target_B,
            far=turn * stride,
            smoothing=by.smoothing,
            frozen=by.frozen,
        )
        for turn in turns
    ]
    total = torch.stack([loss.total for loss in losses]).sum()
    return Loss(total, sum(loss.units for loss in losses))


def features_of(
    model: Seq2Seq, batch: Batch, read_BN: Int[Tensor, "B N"], *, frozen: bool
) -> Float[Tensor, "B N C"]:
    """What the first head reads; `frozen`: as constants, with no dropout."""
    if not frozen:
        return model.features(batch.source_BS, batch.source_B, read_BN)
    with undropped(model), torch.no_grad():
        return model.features(batch.source_BS, batch.source_B, read_BN)


def loss_of_head(
    model: Headed,
    turn: int,
    features_BNC: Float[Tensor, "B N C"],
    write_BN: Int[Tensor, "B N"],
    target_B: Int[Tensor, " B"],
    *,
    far: int,
    smoothing: float,
    frozen: bool = False,
) -> Loss:
    """The loss of one head, whose token stands `far` cells behind the next one; the first has the
    turn 0. `frozen`: the embedding learns nothing.
    """
    N = max(write_BN.shape[1] - far, 0)
    real_BN = torch.arange(N) + far <= target_B[:, None]
    x_XC = features_BNC[:, :N][real_BN]
    if turn:
        x_XC = model.heads.one(x_XC, turn - 1)
    # a frozen model's embedding learns nothing, though all heads end in it
    table_VC = model.target.table.weight
    logits_XV = F.linear(x_XC, table_VC.detach() if frozen else table_VC).float()
    total = F.cross_entropy(
        logits_XV, write_BN[:, far:][real_BN], label_smoothing=smoothing, reduction="sum"
    )
    return Loss(total, int(real_BN.sum()))
