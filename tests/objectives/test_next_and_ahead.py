"""The next token in every batch, and one head beside it: what is summed, and what a step does."""

from dataclasses import replace

import pytest
import torch
from torch import Generator

from anyorder.objectives.ahead import Ahead
from anyorder.objectives.cross_entropy import CrossEntropy
from anyorder.objectives.next_and_ahead import NextAndAhead
from tests.models.made_headed import by_hand, headed
from tests.train.made import batch

BATCH = batch()
PLAIN = NextAndAhead(smoothing=0.0)


def test_it_is_the_next_token_and_a_head_by_chance() -> None:
    net = headed()
    every = [by_hand(net, BATCH, head) for head in range(4)]
    own, units = every[0]
    turns = set()
    for seed in range(12):
        rng = Generator().manual_seed(seed)
        loss = PLAIN(net, BATCH, progress=0.0, rng=rng)
        beside = loss.total - own
        head = min(range(1, 4), key=lambda h: float((every[h][0] - beside).detach().abs()))
        torch.testing.assert_close(beside, every[head][0])
        assert loss.units == units
        turns.add(head)
    assert turns == {1, 2, 3}, "the next token has no turn: it is always there"


def test_the_mean_over_turns_is_that_over_heads() -> None:
    """So is their gradient: the heads together count `weight`."""
    net = headed()
    every = [by_hand(net, BATCH, head)[0] for head in range(4)]
    for weight in (1.0, 0.25):
        objective = NextAndAhead(weight=weight)
        found = objective.plain(net, BATCH, progress=0.0, rng=Generator())
        wanted = every[0] + weight * torch.stack(every[1:]).mean()
        torch.testing.assert_close(found.total, wanted)
        assert found.units == int((BATCH.target_B + 1).sum())
        assert objective.plain == objective.plain.plain


def test_beside_nothing_it_is_cross_entropy() -> None:
    net = headed()
    loss = NextAndAhead(weight=1e-12)(net, BATCH, progress=0.0, rng=Generator())
    wanted = CrossEntropy()(net, BATCH, progress=0.0, rng=Generator())
    torch.testing.assert_close(loss.total, wanted.total)
    assert loss.units == wanted.units


def test_every_batch_keeps_the_next_token_good() -> None:
    """What `Ahead` does not: a step that it takes for another head makes the next token worse."""
    after = {}
    for objective in (NextAndAhead(smoothing=0.0), Ahead(smoothing=0.0)):
        net = headed()
        for _ in range(60):  # a base model that knows these pairs
            _step(net, CrossEntropy(smoothing=0.0), seed=0)
        for seed in range(8):
            _step(net, objective, seed=seed)
        with torch.no_grad():
            own = CrossEntropy(smoothing=0.0)(net, BATCH, progress=0.0, rng=Generator())
        after[type(objective)] = float(own.total)
    assert after[NextAndAhead] < after[Ahead]


def _step(net, objective, *, seed: int) -> None:
    loss = objective(net, BATCH, progress=0.0, rng=Generator().manual_seed(seed))
    net.zero_grad()
    (loss.total / loss.units).backward()
    with torch.no_grad():
        for weight in net.parameters():
            if weight.grad is not None:
                weight -= 0.1 * weight.grad


def test_a_text_that_is_too_short_for_a_head() -> None:
    net, short = headed(heads=9), replace(BATCH, target_BN=BATCH.target_BN[:, :1])
    short = replace(short, target_B=torch.ones_like(BATCH.target_B))
    loss = PLAIN.plain(net, short, progress=0.0, rng=Generator())
    assert bool(loss.total.isfinite())
    assert loss.units == 2 * len(BATCH.target_B)


def test_what_it_refuses() -> None:
    for weight in (0.0, -1.0, float("inf")):
        with pytest.raises(ValueError, match="weight is above 0"):
            NextAndAhead(weight=weight)
    with pytest.raises(ValueError, match="label smoothing"):
        NextAndAhead(smoothing=1.0)
