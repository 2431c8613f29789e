"""Fertility: a bound on the likelihood; fine-tuning has the gradient of what it says."""

import itertools
from dataclasses import replace

import pytest
import torch
from torch import Generator, Tensor

from anyorder.align.words import Aligner
from anyorder.models.parallel.fertility import FertilityTransformer
from anyorder.objectives.batch import Batch
from anyorder.objectives.fertility import Aligned, Fertility, chosen
from anyorder.objectives.fertility_tuning import (
    FertilityTuning,
    mean_fertility,
    reinforced,
    reverse,
)
from anyorder.train.batches import Rows
from tests.train.made import fertile, rows, seq2seq

PLAIN = Fertility(smoothing=0.0)
PAIRS = Rows(([4, 5, 6], [7, 8], [5]), ([5, 5, 7], [9], [6, 6]), ([2, 0, 1], [0, 1], [2]))


def batch_of(chosen_: list[int]) -> Batch:
    return PAIRS.batch(chosen_)


def of(objective: object, model: FertilityTransformer, batch: Batch, seed: int = 0) -> Tensor:
    loss = objective(model, batch, progress=0.5, rng=Generator().manual_seed(seed))  # type: ignore[operator]
    return loss.total


@torch.no_grad()
def test_it_is_the_joint_likelihood_of_text_and_fertilities() -> None:
    model = fertile().double().eval()
    total = 0.0
    for source, target, fertility in zip(
        PAIRS.sources, PAIRS.targets, PAIRS.fertilities or (), strict=True
    ):
        lm = model.read([source])
        lattice = lm.copies(torch.tensor([fertility]))
        assert lattice.count_B.tolist() == [len(target)]
        total -= float(lattice.logp_BMV[0, torch.arange(len(target)), target].sum())
        total -= float(lm.fertilities()[0, torch.arange(len(source)), fertility].sum())
    loss = of(PLAIN, model, batch_of([0, 1, 2]))
    assert float(loss) == pytest.approx(total, rel=1e-6)
    assert Fertility().plain == PLAIN


def test_source_tokens_are_copied_in_order_as_often_as_they_are_fertile() -> None:
    model, batch = fertile(), batch_of([0, 1, 2])
    memory = model.encode(batch.source_BS, batch.source_B)
    fertility_BS = torch.tensor([[2, 0, 1], [0, 1, 0], [0, 0, 0]])
    begun = model.begin(batch.source_BS, memory, fertility_BS)
    for row, copied in enumerate(([4, 4, 6], [8])):
        expected = model.source.vectors(torch.tensor([copied]))
        torch.testing.assert_close(begun.x_BMC[row : row + 1, : len(copied)], expected)
    assert begun.count_B.tolist() == [3, 1, 1], "one cell that nobody reads"
    lattice = model.read([[4, 5, 6], [7, 8], [5]]).copies(fertility_BS)
    assert lattice.count_B.tolist() == [3, 1, 0]
    assert bool(lattice.logp_BMV.isfinite().all())


def test_a_model_never_writes_more_cells_than_it_holds() -> None:
    model = fertile()
    model.sizes = replace(model.sizes, max_length=5)
    assert model.read([[4, 5, 6]]).copies(torch.tensor([[4, 4, 4]])).count_B.tolist() == [5]


def test_padding_has_no_fertility() -> None:
    logp_BSF = fertile().read([[4, 5, 6], [7]]).fertilities()
    assert bool((logp_BSF[1, 1:, 0] == 0).all())
    assert bool((logp_BSF[1, 1:, 1:] == -torch.inf).all())
    torch.testing.assert_close(logp_BSF.exp().sum(-1), torch.ones(2, 3))


def test_rows_that_are_too_fertile_are_counted() -> None:
    model, batch = fertile(most=1).eval(), batch_of([0, 1, 2])
    loss = PLAIN(model, batch, progress=0.0, rng=Generator())
    alone = PLAIN(model, batch_of([1]), progress=0.0, rng=Generator())
    assert (loss.notes["too long"], loss.units) == (2, 1)
    torch.testing.assert_close(loss.total, alone.total)
    tuned = FertilityTuning(seq2seq())(model, batch, progress=0.0, rng=Generator().manual_seed(0))
    assert bool(tuned.total.isfinite())


def test_pairs_without_fertilities_and_aligners_without_sources_are_refused() -> None:
    bare = replace(rows(), fertilities=None)
    with pytest.raises(ValueError, match="the pairs have no fertilities"):
        of(Fertility(), fertile(), bare.batch([0]))
    with pytest.raises(ValueError, match="each target token needs a source token"):
        Fertility(aligner=Aligner())


def test_a_teacher_of_no_share_changes_nothing() -> None:
    model, batch = fertile().eval(), batch_of([0, 1, 2])
    one = of(FertilityTuning(seq2seq(), share=0.0), model, batch)
    torch.testing.assert_close(one, of(Fertility(), model, batch))
    assert FertilityTuning(seq2seq()).plain == PLAIN
    with pytest.raises(ValueError, match="from 0 to 1"):
        FertilityTuning(seq2seq(), share=1.5)


def test_reverse_is_the_teachers_word_on_what_the_model_writes() -> None:
    model, teacher, batch = fertile().double().eval(), seq2seq().double().eval(), batch_of([0])
    aligned = Aligned.of(model, batch)
    cost_M = reverse(model, teacher, batch, aligned.features_BMC)[0]
    logp_MV = model.logps(aligned.features_BMC)[0]
    for m in range(3):
        read = torch.tensor([[1, *logp_MV[:m].argmax(-1).tolist()]])
        liked_V = teacher(batch.source_BS, batch.source_B, read)[0, -1].log_softmax(-1)
        torch.testing.assert_close(
            cost_M[m], -(logp_MV[m].exp() * liked_V).sum(), atol=1e-6, rtol=0
        )


def test_the_teacher_is_not_trained_and_must_have_the_same_units() -> None:
    model, teacher, batch = fertile(), seq2seq(), batch_of([0, 1, 2])
    of(FertilityTuning(teacher), model, batch).backward()
    assert all(p.grad is None for p in teacher.parameters())
    assert all(p.grad is not None and bool(p.grad.isfinite().all()) for p in model.parameters())
    other = seq2seq()
    other.sizes = replace(other.sizes, target_vocab=11)
    with pytest.raises(ValueError, match="train both on the same units"):
        of(FertilityTuning(other), model, batch)


def test_the_reward_has_the_gradient_of_the_expected_cost() -> None:
    """Summed over all fertilities with their probabilities, against the cost of each."""
    model, teacher, batch = (
        fertile(most=2).double().eval(),
        seq2seq().double().eval(),
        batch_of([1]),
    )
    logp_BSF = Aligned.of(model, batch).fertility_BSF.detach().requires_grad_()
    with torch.no_grad():
        memory = model.encode(batch.source_BS, batch.source_B)
    expected, surrogate = torch.zeros(()).double(), torch.zeros(()).double()
    for fertility in itertools.product(range(3), repeat=2):
        drawn_BS = torch.tensor([fertility])
        p = chosen(logp_BSF, drawn_BS).sum().exp()
        with torch.no_grad():
            begun = model.begin(batch.source_BS, memory, drawn_BS)
            cost = reverse(model, teacher, batch, model.features(begun)).mean()
        expected = expected + p * cost
        part_B = reinforced(model, teacher, batch, logp_BSF, drawn_BS)
        surrogate = surrogate + p.detach() * part_B.sum()
    wanted, found = (torch.autograd.grad(x, logp_BSF)[0] for x in (expected, surrogate))
    # alike but for what softmax takes away: a constant for each source token
    p_BSF = logp_BSF.detach().exp()
    for gradient in (wanted, found):
        gradient -= p_BSF * gradient.sum(-1, keepdim=True)
    torch.testing.assert_close(found, wanted, atol=1e-6, rtol=1e-5)
    assert float(wanted.abs().max()) > 1e-4


def test_mean_fertilities_are_rounded_and_padding_has_none() -> None:
    mean_BS = mean_fertility(fertile().read([[4, 5, 6], [7]]).fertilities())
    assert mean_BS[1, 1:].tolist() == [0, 0]
    assert bool((mean_BS >= 0).all() & (mean_BS <= 4).all())
