"""Dropout with cheap coins: the share that is lost, the mean that is kept, the same coins again."""

import pytest
import torch

from anyorder.nets.dropout import Dropout


@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_as_many_are_lost_as_the_rate_says(rate: float) -> None:
    drop = Dropout(rate).train()
    x = torch.ones(200, 501)
    found = drop(x)
    lost = float((found == 0).float().mean())
    assert abs(lost - drop.lost / 256) < 0.005
    assert abs(drop.lost / 256 - rate) < 1 / 256
    assert abs(float(found.mean()) - 1) < 0.01
    rows = (found == 0).float()
    assert abs(float((rows[:, :-1] * rows[:, 1:]).mean()) - lost**2) < 0.01, "neighbours are free"


def test_coins_are_those_of_the_common_generator() -> None:
    drop, x = Dropout(0.3).train(), torch.randn(3, 5, 7)
    with torch.random.fork_rng():
        torch.manual_seed(4)
        first, second = drop(x), drop(x)
        torch.manual_seed(4)
        again = drop(x)
    assert torch.equal(first, again)
    assert not torch.equal(first, second)


def test_nothing_is_lost_outside_of_training_or_at_no_rate() -> None:
    x = torch.randn(4, 4)
    assert Dropout(0.5).eval()(x) is x
    assert Dropout(0.0).train()(x) is x


def test_gradients_flow_through_what_was_kept() -> None:
    drop, x = Dropout(0.5).train(), torch.ones(64, dtype=torch.float64, requires_grad=True)
    found = drop(x)
    found.sum().backward()
    assert x.grad is not None
    assert torch.equal(x.grad, found.detach())


@pytest.mark.parametrize("rate", [-0.1, 1.0])
def test_a_rate_is_a_share(rate: float) -> None:
    with pytest.raises(ValueError, match="from 0 to below 1"):
        Dropout(rate)
