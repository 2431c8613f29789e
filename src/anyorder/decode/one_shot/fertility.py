"""Predict how many cells each source token becomes, then all cells at once.

    FertilityArgmax(), FertilityAverage(), NoisyParallel(samples=10, teacher=translator)

Source: Gu et al. 2018 (arXiv:1711.02281), section 3.4 (argmax, average and noisy parallel
decoding).
Shapes: B rows, S source cells, F fertilities, M cells, K candidates a row, R = B K rows, V
vocabulary, P tokens.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final, final

import torch
from jaxtyping import Float, Int
from torch import Tensor

from anyorder.align.lattice import CellLattice
from anyorder.canvas import Canvas
from anyorder.decode.one_shot.loop import Found, InOneCall, OneShot
from anyorder.decode.sampling import DRAW, Coins, Sampler, draw
from anyorder.meter import beside
from anyorder.models.capability import FertilityModel

COIN_BITS: Final = 53  # of chance in a coin


@final
@dataclass(frozen=True)
class FertilityArgmax(OneShot):
    """The likeliest fertility of every source token, then the likeliest token of every cell."""

    needs: ClassVar[tuple[type, ...]] = (FertilityModel,)

    def find(self, model: FertilityModel) -> Found:
        return _read(model.copies(model.fertilities().argmax(-1)))


@final
@dataclass(frozen=True)
class FertilityAverage(OneShot):
    """The mean fertility of every source token, rounded, then the likeliest token of every cell."""

    needs: ClassVar[tuple[type, ...]] = (FertilityModel,)

    def find(self, model: FertilityModel) -> Found:
        p_BSF = model.fertilities().exp()
        mean_BS = (p_BSF * torch.arange(p_BSF.shape[-1])).sum(-1)
        return _read(model.copies(mean_BS.round().long()))


@final
@dataclass(frozen=True)
class NoisyParallel(InOneCall):
    """The best of `samples` texts: of the likeliest fertilities, and of others that are drawn.

    All are written in one call. The `teacher`, a translator with the same units, reads them all in
    one call more, and takes the text with the highest log p(text) / tokens ** `length_penalty` (its
    end is a token, too); without a teacher it is the model's own log p(fertilities, text).
    """

    samples: int = 10
    teacher: Any = None
    length_penalty: float = 0.0

    needs: ClassVar[tuple[type, ...]] = (FertilityModel,)

    def __post_init__(self) -> None:
        if self.samples < 1:
            raise ValueError(f"one text at least is written, not {self.samples}")

    def search(self, model: FertilityModel, canvas: Canvas, sampler: Sampler) -> Found:
        """Raises ValueError for a teacher that can't read sources and score texts."""
        logp_BSF = model.fertilities()
        fertility_BKS = candidates(logp_BSF, self.samples, sampler.coins)
        B, K, _ = fertility_BKS.shape
        rows_R = torch.arange(B).repeat_interleave(K)
        found = _read(model.select(rows_R).copies(fertility_BKS.flatten(0, 1)))
        if K == 1:
            return found
        if self.teacher is None:
            logp_R = likelihood(logp_BSF[rows_R], fertility_BKS.flatten(0, 1), found)
        else:
            network = getattr(self.teacher, "net", self.teacher)
            read = getattr(network, "read", None)
            if read is None:
                name = type(network).__name__
                raise ValueError(f"a teacher reads sources and scores texts; {name} does not")
            if isinstance(network, torch.nn.Module):
                network.eval()
            logp_R = teacher_scores(
                beside(model, read(model.sources)),
                found,
                rows_R,
                begin_B=canvas.tokens_BN[:, 0],
                eos_ids=getattr(self.teacher, "eos_ids", sampler.eos_ids),
            )
        score_R = logp_R / (1 + found.count_B) ** self.length_penalty
        kept_B = torch.arange(B) * K + score_R.unflatten(0, (B, K)).argmax(-1)
        return Found(found.tokens_BP[kept_B], found.logprobs_BP[kept_B], found.count_B[kept_B])


def candidates(
    logp_BSF: Float[Tensor, "B S F"], samples: int, coins: Coins
) -> Int[Tensor, "B K S"]:
    """The likeliest fertilities first, then `samples` - 1 that are drawn.

    A row's draws follow from its first coin: the canvas has not as many coins as are needed, and
    what is drawn for a source token must not depend on how long other rows are.
    """
    first_B1S = logp_BSF.argmax(-1)[:, None]
    (B, S, _), more = logp_BSF.shape, samples - 1
    seed_B = coins.coins_BNC[:, 0, DRAW] * 2**COIN_BITS
    drawn = Coins.of_seeds(seed_B.long().tolist(), cells=max(1, S * more))
    coin_BX = drawn.coins_BNC[:, : S * more, DRAW]
    p_BXF = logp_BSF.double().exp().repeat_interleave(more, 1)
    drawn_BSK = draw(p_BXF, coin_BX).unflatten(1, (S, more))
    return torch.cat([first_B1S, drawn_BSK.transpose(1, 2)], 1)


def likelihood(
    logp_RSF: Float[Tensor, "R S F"], fertility_RS: Int[Tensor, "R S"], found: Found
) -> Float[Tensor, " R"]:
    """The model's own log p(fertilities) + log p(text given them)."""
    plan_R = logp_RSF.gather(2, fertility_RS[..., None]).double().sum((1, 2))
    return plan_R + found.logprobs_BP.double().sum(1)


def teacher_scores(
    teacher: Any,
    found: Found,
    rows_R: Int[Tensor, " R"],
    *,
    begin_B: Int[Tensor, " B"],
    eos_ids: Sequence[int],
) -> Float[Tensor, " R"]:
    """log p(text, end) of each text, in one call; the texts are those of the sources `rows_R`.

    `teacher` is a causal model that has read the sources, each once; `begin_B` the tokens that
    begin targets. Without `eos_ids` the end has no say. Raises ValueError for another vocabulary.
    """
    tokens_RP, count_R = found.tokens_BP, found.count_B
    if int(tokens_RP.max()) >= teacher.vocab_size:
        raise ValueError(
            f"the teacher knows {teacher.vocab_size} tokens, and not {int(tokens_RP.max())}: "
            "it must have the same units as the model"
        )
    read_RT = torch.cat([begin_B[rows_R][:, None], tokens_RP], 1)
    cache = teacher.new_cache(len(begin_B), read_RT.shape[1]).select(rows_R)
    logp_RTV = teacher.extend(read_RT, cache).log_softmax(-1)
    token_RP = logp_RTV[:, :-1].gather(2, tokens_RP[..., None])[..., 0].double()
    real_RP = torch.arange(tokens_RP.shape[1]) < count_R[:, None]
    score_R = (token_RP * real_RP).sum(1)
    if eos_ids:
        end_RV = logp_RTV[torch.arange(len(count_R)), count_R].double()
        score_R = score_R + end_RV[:, list(eos_ids)].logsumexp(-1)
    return score_R


def _read(lattice: CellLattice) -> Found:
    """The likeliest token of every cell."""
    best = lattice.logp_BMV.max(-1)
    logprobs_BM = best.values.where(lattice.real_BM, 0.0).float()  # as a canvas keeps them
    return Found(best.indices.where(lattice.real_BM, 0), logprobs_BM, lattice.count_B)
