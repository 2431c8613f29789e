"""Fertility decoders: lengths are sums, one sample is argmax, and a teacher counts what it says."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from anyorder.canvas import Canvas
from anyorder.decode.one_shot.fertility import (
    FertilityArgmax,
    FertilityAverage,
    NoisyParallel,
    candidates,
    likelihood,
    teacher_scores,
)
from anyorder.decode.one_shot.loop import Found
from anyorder.decode.run import run
from anyorder.decode.sampling import Coins, Sampler, Sampling
from anyorder.models.left_to_right.seq2seq import Seq2Seq
from anyorder.models.parallel.fertility import SourceFertilities
from anyorder.models.tables.lattices import TableFertility
from anyorder.trace import fold
from tests.laws.cases import examples
from tests.laws.parallel import SourceCase, source_cases
from tests.train.made import fertile, length_based, seq2seq

SOURCES = [[4, 5, 6], [7], [8, 4]]
cases = source_cases(TableFertility)


def found(decoder: object, case: SourceCase) -> Found:
    return decoder.search(case.model, case.canvas(), case.sampler())  # type: ignore[attr-defined]


def sampler(rows: int, seed: int = 0, eos: tuple[int, ...] = ()) -> Sampler:
    return Sampler(Sampling(), Coins.of_seeds([seed + b for b in range(rows)], cells=9), eos)


def ready(seed: int = 1) -> tuple[SourceFertilities, Canvas]:
    torch.manual_seed(seed)
    canvas = Canvas.of_prompts([[1]] * len(SOURCES), new_cells=[40] * len(SOURCES))
    return fertile().eval().read(SOURCES), canvas


@given(case=cases)
@examples(20)
def test_a_text_is_as_long_as_its_fertilities_sum_to(case: SourceCase) -> None:
    logp_BSF = case.model.fertilities()
    means = (logp_BSF.exp() * torch.arange(logp_BSF.shape[-1])).sum(-1).round().long()
    for decoder, fertility_BS in (
        (FertilityArgmax(), logp_BSF.argmax(-1)),
        (FertilityAverage(), means),
    ):
        text = found(decoder, case)
        assert text.count_B.tolist() == fertility_BS.sum(1).tolist()
        for b, source in enumerate(case.model.sources):
            alone = case.model.select(torch.tensor([b])).copies(
                fertility_BS[b : b + 1, : len(source)]
            )
            expected = alone.logp_BMV[0, : alone.count_B[0]].argmax(-1)
            assert text.tokens_BP[b, : text.count_B[b]].tolist() == expected.tolist()


@given(case=cases)
@examples(20)
def test_one_sample_is_argmax(case: SourceCase) -> None:
    one, other = found(NoisyParallel(samples=1), case), found(FertilityArgmax(), case)
    assert torch.equal(one.tokens_BP, other.tokens_BP)
    assert torch.equal(one.count_B, other.count_B)


@given(case=cases, samples=st.integers(1, 6))
@examples(20)
def test_what_is_kept_is_the_likeliest_of_what_was_drawn(case: SourceCase, samples: int) -> None:
    logp_BSF = case.model.fertilities()
    fertility_BKS = candidates(logp_BSF, samples, case.sampler().coins)
    kept = found(NoisyParallel(samples=samples), case)
    for b, source in enumerate(case.model.sources):
        alone, best = case.model.select(torch.tensor([b])), (-torch.inf, [0])
        for fertility_S in fertility_BKS[b, :, : len(source)]:
            lattice = alone.copies(fertility_S[None])
            top = lattice.logp_BMV[0, : lattice.count_B[0]].max(-1)
            own = logp_BSF[b, torch.arange(len(source)), fertility_S].sum() + top.values.sum()
            if float(own) > best[0] + 1e-9:
                best = (float(own), top.indices.tolist())
        assert kept.tokens_BP[b, : kept.count_B[b]].tolist() == best[1]


def test_draws_follow_the_fertilities() -> None:
    """Of many rows with seeds of their own, and within a row."""
    p_F = torch.tensor([0.5, 0.2, 0.3])
    coins = Coins.of_seeds(range(400), cells=2)
    drawn = candidates(p_F.log().expand(400, 3, 3), 6, coins)[:, 1:]
    shares_F = torch.bincount(drawn.flatten(), minlength=3) / drawn.numel()
    torch.testing.assert_close(shares_F, p_F, atol=0.02, rtol=0)
    rows = {tuple(row) for row in drawn.flatten(1).tolist()}
    assert len(rows) > 390, "rows draw apart"


def test_the_teacher_scores_a_text_as_it_would_write_it() -> None:
    """Token by token, each after those before it, with the end; in one call for all."""
    model, canvas = ready()
    teacher = seq2seq().double().eval()
    rows_R = torch.arange(3).repeat_interleave(2)
    texts = [[5, 6], [7], [9, 9, 4], [], [5, 5, 5, 5], [8]]
    tokens_RP = torch.tensor([[*text, *[0] * (4 - len(text))] for text in texts])
    given_ = Found(tokens_RP, torch.zeros(6, 4), torch.tensor([len(text) for text in texts]))
    with torch.inference_mode():
        for eos_ids in ((), (2,), (2, 3)):
            score_R = teacher_scores(
                teacher.read(model.sources),
                given_,
                rows_R,
                begin_B=canvas.tokens_BN[:, 0],
                eos_ids=eos_ids,
            )
            for r, text in enumerate(texts):
                source = torch.tensor([SOURCES[r // 2]])
                logp_NV = teacher(
                    source, torch.tensor([source.shape[1]]), torch.tensor([[1, *text]])
                )[0]
                logp_NV = logp_NV.log_softmax(-1)
                score = float(logp_NV[torch.arange(len(text)), text].sum())
                if eos_ids:
                    score += float(logp_NV[-1, list(eos_ids)].logsumexp(-1))
                assert float(score_R[r]) == pytest.approx(score, abs=1e-4)


@pytest.mark.parametrize("penalty", [0.0, 1.0])
def test_the_teacher_decides(penalty: float) -> None:
    model, canvas = ready()
    teacher = seq2seq()
    coins = sampler(3, eos=(2,))
    decoder = NoisyParallel(samples=8, teacher=teacher, length_penalty=penalty)
    trace = run(decoder, model, canvas, coins)
    assert (trace.cost.calls, trace.cost.draft_calls) == (1, 1)
    written = fold(trace)
    with torch.inference_mode():
        logp_BSF = model.fertilities()
        fertility_BKS = candidates(logp_BSF, 8, coins.coins)
        for b in range(3):
            alone = model.select(torch.full((8,), b))
            lattice = alone.copies(fertility_BKS[b])
            texts = Found(lattice.logp_BMV.argmax(-1), lattice.logp_BMV.amax(-1), lattice.count_B)
            score_K = (
                teacher_scores(
                    teacher.read([SOURCES[b]]),
                    texts,
                    torch.zeros(8, dtype=torch.long),
                    begin_B=torch.tensor([1]),
                    eos_ids=(2,),
                )
                / (1 + texts.count_B) ** penalty
            )
            best = int(score_K.argmax())
            expected = texts.tokens_BP[best, : texts.count_B[best]].tolist()
            assert written.row(b)[1:] == expected
            assert not teacher.training


@torch.no_grad()
def test_without_a_teacher_it_is_the_joint_likelihood() -> None:
    model, _ = ready()
    fertility_BS = torch.tensor([[1, 2, 0], [1, 0, 0], [0, 0, 0]])
    lattice = model.copies(fertility_BS)
    best = lattice.logp_BMV.max(-1)
    real_BM = lattice.real_BM
    texts = Found(best.indices, best.values.where(real_BM, 0.0), lattice.count_B)
    logp_B = likelihood(model.fertilities(), fertility_BS, texts)
    logp_BSF = model.fertilities()
    for b, source in enumerate(SOURCES):
        own = sum(float(logp_BSF[b, s, fertility_BS[b, s]]) for s in range(len(source)))
        own += float(best.values[b][real_BM[b]].sum())
        assert float(logp_B[b]) == pytest.approx(own, abs=1e-4)


def test_teachers_that_can_not_be() -> None:
    model, canvas = ready()
    with pytest.raises(ValueError, match="a teacher reads sources and scores texts; dict does not"):
        run(NoisyParallel(samples=2, teacher={}), model, canvas, sampler(3))
    small = Seq2Seq(replace(seq2seq().sizes, target_vocab=3))
    with pytest.raises(ValueError, match="the teacher knows 3 tokens"):
        run(NoisyParallel(samples=4, teacher=small), model, canvas, sampler(3))
    with pytest.raises(ValueError, match="one text at least"):
        NoisyParallel(samples=0)
    with pytest.raises(ValueError, match="needs a FertilityModel"):
        run(FertilityArgmax(), length_based().eval().read(SOURCES), canvas, sampler(3))
