"""The test of draws: exact when nothing is wrong, and as powerful as it says."""

import numpy as np
import pytest

from anyorder.measure.verify.draws import ALPHA, noticed, p_value, transformed
from anyorder.measure.verify.places import place_among, places_in
from anyorder.measure.verify.subject import Place


def places(seed: int, cells: int, greedy: float = 0.0) -> list[Place]:
    import torch

    coins = np.random.default_rng(seed)
    found = []
    for _ in range(cells):
        shares = coins.dirichlet(np.full(12, 0.5))
        token = int(coins.choice(12, p=shares))
        if coins.random() < greedy:
            token = int(shares.argmax())
        found += places_in(torch.tensor(shares)[None], [token])
    return found


def test_numbers_are_uniform_when_draws_are_right():
    values = []
    for seed in range(60):
        coins = np.random.default_rng(1000 + seed)
        values.append(p_value(transformed(places(seed, 150), coins), coins))
    share = np.mean(np.array(values) < 0.2)
    assert 0.05 < share < 0.4  # of 60 right samplers, about a fifth


def test_a_fault_as_great_as_promised_is_noticed():
    coins = np.random.default_rng(0)
    told = noticed(np.array([place.top for place in places(0, 3000)]), coins)
    share = float(told.split(" in ")[1].split("%")[0]) / 100
    found = [
        p_value(transformed(places(seed, 3000, greedy=share), coins), coins) for seed in range(8)
    ]
    assert np.mean(np.array(found) < ALPHA) >= 0.7


def test_too_few_tokens_show_nothing():
    assert "draw more" in noticed(np.array([0.99, 0.99]), np.random.default_rng(0))


def test_tokens_that_are_not_told_are_one():
    top = {"a": 0.4, "b": 0.4, "c": 0.1}
    assert place_among(top, "b").above == pytest.approx(0.4)
    assert place_among(top, "a").above == 0
    rest = place_among(top, "z")
    assert (rest.above, rest.own) == (pytest.approx(0.9), pytest.approx(0.1))
