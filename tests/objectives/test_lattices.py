"""What objectives promise: nothing shown is plain, and what is shown carries no loss."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Generator

from anyorder.align.lattice import held
from anyorder.align.translations import Translations
from anyorder.corrupt.glancing import Glancing, glanced
from anyorder.models.parallel.length_based import LengthTransformer
from anyorder.models.parallel.one_shot import CTCTransformer, DAGTransformer
from anyorder.objectives.batch import Batch
from anyorder.objectives.cross_entropy import CrossEntropy
from anyorder.objectives.ctc import CTC
from anyorder.objectives.dag import DAG
from anyorder.objectives.early_exit import OffRamps
from anyorder.objectives.fertility import Fertility
from anyorder.objectives.length_based import LengthBased
from anyorder.objectives.lexical_choice import LexicalChoice
from anyorder.objectives.markov import Markov
from anyorder.objectives.next_and_ahead import NextAndAhead
from anyorder.objectives.nmla import NonMonotonic
from anyorder.objectives.tandem import TandemTuning
from anyorder.train.batches import Rows
from tests.train.made import (
    fertile,
    headed,
    length_based,
    markov,
    parallel,
    rows,
    seq2seq,
    tandem,
)

ONES = torch.tensor([[1, 0], [1, 0]])  # one token of each source becomes the target
NEVER = Glancing(1e-9, 1e-9)  # the model looks, and is shown nothing
PRIOR = Translations((torch.arange(10)[:, None] + 1) % 10, torch.ones(10, 1))
KINDS: dict[str, tuple[Any, Any, Any]] = {
    "CTC": (lambda: parallel(CTCTransformer), CTC(), CTC(NEVER)),
    "NMLA": (
        lambda: parallel(CTCTransformer),
        NonMonotonic(matching=1.0, likelihood=1.0),
        NonMonotonic(matching=1.0, likelihood=1.0, glancing=NEVER),
    ),
    "DAG": (lambda: parallel(DAGTransformer), DAG(), DAG(NEVER)),
    "length-based": (length_based, LengthBased(), LengthBased(NEVER)),
    "context-aware": (lambda: length_based(window=1), LengthBased(), LengthBased(NEVER)),
    "lexical choice": (
        length_based,
        LexicalChoice(LengthBased(), prior=PRIOR),
        LexicalChoice(LengthBased(NEVER), prior=PRIOR),
    ),
    "Markov": (markov, Markov(drawn=False), Markov(drawn=False)),  # nor has this
    "off-ramps": (lambda: length_based(decoder_layers=2), OffRamps(), OffRamps()),
    "tandem": (tandem, TandemTuning(longest=1), TandemTuning(longest=1)),  # nor this
    "fertility": (fertile, Fertility(), Fertility()),  # it has no glancing
    "next and ahead": (headed, NextAndAhead(), NextAndAhead()),  # nor has this
}


def loss_of(model: Any, objective: Any, batch: Batch, seed: int = 0) -> Any:
    return objective(model, batch, progress=0.25, rng=Generator().manual_seed(seed))


@pytest.mark.parametrize("name", KINDS)
def test_a_ratio_of_nothing_is_plain(name: str) -> None:
    make, plain, never = KINDS[name]
    batch = rows().batch(range(7))
    one, other = (loss_of(make().eval(), each, batch) for each in (plain, never))
    assert torch.equal(one.total, other.total)
    assert one.units == other.units


@pytest.mark.parametrize("name", KINDS)
def test_a_row_has_the_same_loss_alone_and_in_company(name: str) -> None:
    make, plain, _ = KINDS[name]
    model = make().double().eval()
    together = loss_of(model, plain, rows().batch(range(9)))
    alone = [loss_of(model, plain, rows().batch([i])) for i in range(9)]
    torch.testing.assert_close(together.total, sum(each.total for each in alone))
    assert together.units == sum(each.units for each in alone)


@pytest.mark.parametrize("name", ["CTC", "DAG"])
def test_cells_that_are_shown_carry_no_loss(name: str) -> None:
    """Their logits have no gradient, and the others still do."""
    make, objective, _ = KINDS[name]
    model, batch = make().eval(), rows().batch(range(5))
    lattice = model.lattice(model.begin(batch.source_BS, batch.source_B))
    lattice.logp_BMV.retain_grad()
    token_BM, open_BM = objective.aligned(lattice, batch)
    shown_BM = glanced(open_BM, ratio=0.5, open_BM=open_BM, rng=Generator().manual_seed(0))
    assert bool(shown_BM.any())
    shown = held(lattice, token_BM, shown_BM)
    objective.likelihood(shown, batch.target_BN, batch.target_B).sum().backward()
    gradient_BM = lattice.logp_BMV.grad.abs().sum(-1)
    assert bool((gradient_BM[shown_BM] == 0).all())
    assert bool(gradient_BM.isfinite().all())
    assert float(gradient_BM[~shown_BM].sum()) > 0


def test_glancing_shows_as_many_cells_as_its_ratio_of_wrong_ones_says() -> None:
    wrong_BM = torch.tensor([[True, True, True, True, False, True], [False] * 6])
    open_BM = torch.tensor([[True] * 5 + [False], [True] * 6])
    shown_BM = glanced(wrong_BM, ratio=0.5, open_BM=open_BM, rng=Generator().manual_seed(3))
    assert shown_BM.sum(-1).tolist() == [2, 0]
    assert not bool((shown_BM & ~open_BM).any())
    drawn = [
        glanced(wrong_BM, ratio=0.5, open_BM=open_BM, rng=Generator().manual_seed(n))[0]
        for n in range(300)
    ]
    share_M = torch.stack(drawn).double().mean(0)
    assert share_M[5] == 0
    assert bool(((share_M[:5] - 0.4).abs() < 0.1).all()), "right cells are drawn as wrong ones are"


def test_the_ratio_falls_on_the_way() -> None:
    glancing = Glancing(0.5, 0.3)
    assert [glancing.ratio(progress) for progress in (0.0, 0.5, 1.0)] == [0.5, 0.4, 0.3]
    with pytest.raises(ValueError, match="from 0 to 1"):
        Glancing(1.5, 0.3)


def test_cross_entropy_is_that_of_every_token_and_the_end() -> None:
    model, batch = seq2seq().double().eval(), rows().batch([0, 3])
    loss = loss_of(model, CrossEntropy(smoothing=0.0), batch)
    total = 0.0
    for b in range(2):
        target = batch.target_BN[b, : batch.target_B[b]]
        read_1N = torch.cat([torch.tensor([1]), target])[None]
        logp_NV = model(batch.source_BS[b : b + 1], batch.source_B[b : b + 1], read_1N)[0]
        ended_N = torch.cat([target, torch.tensor([2])])
        total -= float(logp_NV.log_softmax(-1)[torch.arange(len(ended_N)), ended_N].sum().detach())
    assert float(loss.total.detach()) == pytest.approx(total, rel=1e-5)
    assert loss.units == int(batch.target_B.sum()) + 2


def test_the_length_is_learnt_and_targets_beyond_the_longest_are_counted() -> None:
    model: LengthTransformer = length_based().eval()
    batch = rows().batch(range(4))
    bare, weighed = (
        loss_of(model, LengthBased(length_weight=weight), batch) for weight in (0.0, 1.0)
    )
    logp_BL = model.length_logps(model.encode(batch.source_BS, batch.source_B))
    lengths = -logp_BL[torch.arange(4), batch.target_B].sum()
    torch.testing.assert_close(weighed.total - bare.total, lengths)
    long = Batch(
        batch.source_BS, batch.source_B, torch.full((4, 12), 5), torch.tensor([12, 3, 3, 3])
    )
    loss = loss_of(model, LengthBased(), long)
    assert (loss.notes["too long"], loss.units) == (1, 9)


@pytest.mark.parametrize("name", KINDS)
def test_a_target_of_one_token_is_learnt(name: str) -> None:
    make, plain, _ = KINDS[name]
    batch = Rows(([4], [4, 5]), ([6], [7]), origins=([0], [-1])).batch([0, 1])
    batch = replace(batch, fertility_BS=ONES)
    loss = loss_of(make().eval(), plain, batch)
    assert loss.notes.get("too long", 0) == 0
    assert float(loss.total.detach()) > 0


@pytest.mark.parametrize("name", ["CTC", "DAG"])
def test_a_loss_that_is_no_number_is_not_taken_for_a_long_target(name: str) -> None:
    make, plain, _ = KINDS[name]
    model = make()
    with torch.no_grad():
        model.target.table.weight.fill_(float("nan"))
    loss = loss_of(model, plain, rows().batch(range(3)))
    assert loss.notes["too long"] == 0
    assert bool(loss.total.isnan())
