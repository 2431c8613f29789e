"""Fine-tuning with a teacher: cells are drawn to what it likes, fertilities to cells it likes.

    loss = FertilityTuning(teacher)(model, batch, progress=0.0, rng=rng)

    R(f) = -sum_m sum_v p(v | m, f, x) log p_teacher(v | y^_1 .. y^_(m-1), x),    y^: likeliest
    share * (E_f [R(f) - R(mean f)] + R(f of the alignment)) + (1 - share) * Fertility()

R is a reverse cross entropy, which favours peaks over covering everything. The middle term has a
gradient; fertilities are whole numbers, and learn by REINFORCE, with the mean fertilities as
baseline: (R(f) - R(mean f)) grad log p(f), f drawn from the model.
R is compared a cell, as in the authors' program, times the cells of the target: a sum over cells,
as the paper writes it, would reward short texts for being short.
Source: Gu et al. 2018 (arXiv:1711.02281), section 4.2.
Shapes: B rows, S source cells, M decoder cells, F fertilities, V vocabulary, C channels.
"""

from dataclasses import dataclass, field
from typing import Final

import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor

from anyorder.align.words import Aligner
from anyorder.models.left_to_right.seq2seq import Seq2Seq
from anyorder.models.parallel.fertility import FertilityTransformer
from anyorder.objectives.batch import Batch, Loss
from anyorder.objectives.fertility import Aligned, Fertility, chosen

BASE: Final = Fertility()


@dataclass(frozen=True)
class FertilityTuning:
    """`share` of the teacher's terms beside the `base`; `reward` weighs the fertilities' part.

    The teacher has the units of the model, and is not changed. Raises ValueError for a share that
    is none.
    """

    teacher: Seq2Seq = field(repr=False)
    share: float = 0.25
    reward: float = 1.0
    base: Fertility = BASE

    def __post_init__(self) -> None:
        if not 0 <= self.share <= 1:
            raise ValueError(f"a share is from 0 to 1, not {self.share}")

    @property
    def plain(self) -> Fertility:
        """What is learnt without the teacher."""
        return self.base.plain

    @property
    def aligner(self) -> Aligner:
        """What finds the fertilities."""
        return self.base.aligner

    def __call__(
        self, model: FertilityTransformer, batch: Batch, *, progress: float, rng: Generator
    ) -> Loss:
        aligned = Aligned.of(model, batch)
        base = self.base.of(model, batch, aligned)
        disliked_BM = reverse(model, self.teacher, batch, aligned.features_BMC)
        learnt = disliked_BM[aligned.open_BM].sum()
        with torch.no_grad():
            p_BSF = aligned.fertility_BSF.exp()
            drawn_BS = torch.multinomial(p_BSF.flatten(0, 1), 1, generator=rng)
            drawn_BS = drawn_BS.view(p_BSF.shape[:2])
        drawn_B = reinforced(model, self.teacher, batch, aligned.fertility_BSF, drawn_BS)
        rewarded = (drawn_B * batch.target_B)[aligned.fits_B].sum()
        total = self.share * (learnt + self.reward * rewarded) + (1 - self.share) * base.total
        return Loss(total, base.units, base.notes)


def reinforced(
    model: FertilityTransformer,
    teacher: Seq2Seq,
    batch: Batch,
    fertility_BSF: Float[Tensor, "B S F"],
    drawn_BS: Int[Tensor, "B S"],
) -> Float[Tensor, " B"]:
    """(R(f) - R(mean f)) log p(f) for each row: in expectation over f its gradient, in what
    fertilities depend on, is that of E[R(f)]. R is the mean over the cells.
    """
    with torch.no_grad():
        memory = model.encode(batch.source_BS, batch.source_B)
        costs: list[Tensor] = []
        for fertility_BS in (drawn_BS, mean_fertility(fertility_BSF)):
            begun = model.begin(batch.source_BS, memory, fertility_BS)
            cost_BM = reverse(model, teacher, batch, model.features(begun))
            real_BM = torch.arange(cost_BM.shape[1]) < begun.count_B[:, None]
            costs.append((cost_BM * real_BM).sum(1) / begun.count_B)
    return (costs[0] - costs[1]) * chosen(fertility_BSF, drawn_BS).sum(1)


def reverse(
    model: FertilityTransformer,
    teacher: Seq2Seq,
    batch: Batch,
    features_BMC: Float[Tensor, "B M C"],
) -> Float[Tensor, "B M"]:
    """-sum_v p(v) log p_teacher(v | the likeliest tokens before): what the teacher dislikes.

    Raises ValueError for a teacher of another vocabulary.
    """
    logp_BMV = model.logps(features_BMC)
    if teacher.sizes.target_vocab != logp_BMV.shape[-1]:
        raise ValueError(
            f"the teacher writes {teacher.sizes.target_vocab} tokens, the model "
            f"{logp_BMV.shape[-1]}: train both on the same units"
        )
    begin_B1 = torch.full((len(logp_BMV), 1), teacher.bos)
    read_BM = torch.cat([begin_B1, logp_BMV.detach().argmax(-1)[:, :-1]], 1)
    teacher.eval()
    with torch.no_grad():
        liked_BMV = teacher(batch.source_BS, batch.source_B, read_BM).float().log_softmax(-1)
    return -(logp_BMV.exp() * liked_BMV).sum(-1)


def mean_fertility(fertility_BSF: Float[Tensor, "B S F"]) -> Int[Tensor, "B S"]:
    """sum_f f p(f), rounded.

    >>> mean_fertility(torch.tensor([[[0.1, 0.1, 0.8]]]).log()).tolist()
    [[2]]
    """
    each_F = torch.arange(fertility_BSF.shape[-1])
    return (fertility_BSF.exp() * each_F).sum(-1).round().long()
