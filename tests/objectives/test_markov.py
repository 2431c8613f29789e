"""Training with barriers: which contexts are learnt, how often, and what the loss is."""

import pytest
import torch
import torch.nn.functional as F
from torch import Generator

from anyorder.objectives.batch import Batch
from anyorder.objectives.cross_entropy import CrossEntropy
from anyorder.objectives.markov import Markov, barriers
from tests.train.made import markov, rows, seq2seq


def test_each_cell_is_learnt_with_each_context_as_often() -> None:
    barriers_BN = barriers(torch.arange(4), 12, order=3)
    for n in range(12):
        before = [int(barriers_BN[b, : n + 1].flip(0).long().argmax()) for b in range(4)]
        assert sorted(before) == sorted(min(context, n) for context in range(4))


def test_without_context_a_cell_is_scored_by_its_place_alone() -> None:
    model, batch = markov(order=0).double().eval(), rows().batch(range(5))
    loss = Markov()(model, batch, progress=0.0, rng=Generator())
    with torch.no_grad():
        memory = model.encode(batch.source_BS, batch.source_B)
        read_BN = F.pad(batch.target_BN.flip(0), (1, 0), value=1)  # of others
        every_BN = torch.ones_like(read_BN, dtype=torch.bool)
        logp_BNV = model(memory, read_BN, every_BN).log_softmax(-1)
        length_BL = model.length_logps(memory)
    total = 0.0
    for b, count in enumerate(batch.target_B.tolist()):
        for n, token in enumerate([*batch.target_BN[b, :count].tolist(), 2]):
            total -= 0.9 * float(logp_BNV[b, n, token]) + 0.1 * float(logp_BNV[b, n].mean())
        total -= 0.1 * float(length_BL[b, count])
    assert float(loss.total.detach()) == pytest.approx(total, rel=1e-5)
    assert loss.units == int(batch.target_B.sum()) + 5


def test_with_all_context_it_is_left_to_right() -> None:
    """Law 8: a barrier at the first cell alone is none."""
    model, batch = markov(order=20).double().eval(), rows().batch(range(7))
    causal = seq2seq().double().eval()
    causal.load_state_dict({k: x for k, x in model.state_dict().items() if "length" not in k})
    one = Markov(length_weight=0.0).plain(model, batch, progress=0.0, rng=Generator())
    other = CrossEntropy().plain(causal, batch, progress=0.0, rng=Generator())
    torch.testing.assert_close(one.total, other.total)
    assert one.units == other.units


def test_the_place_of_the_barriers_is_drawn() -> None:
    model, batch = markov().eval(), rows().batch(range(7))
    losses = {
        float(
            objective(model, batch, progress=0.0, rng=Generator().manual_seed(seed)).total.detach()
        )
        for objective in (Markov(), Markov().plain)
        for seed in range(5)
    }
    assert len(losses) == 6  # five that are drawn, one that stays


def test_targets_that_are_too_long_are_counted_and_left_out() -> None:
    model, batch = markov().eval(), rows().batch(range(3))
    target_BN, target_B = torch.full((3, 30), 5), torch.tensor([30, 11, 12])
    long = Batch(batch.source_BS, batch.source_B, target_BN, target_B)
    loss = Markov()(model, long, progress=0.0, rng=Generator())
    assert loss.notes["too long"] == 2
    assert loss.units == 12
    assert bool(loss.total.isfinite())


def test_bad_smoothing() -> None:
    with pytest.raises(ValueError, match="from 0 to below 1"):
        Markov(smoothing=1.0)
