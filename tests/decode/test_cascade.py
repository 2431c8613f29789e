"""Cascaded decoding step by step: drafts, calls, and what each call reads."""

from typing import Any

import pytest
import torch

from anyorder.canvas import DONE, DRAFT, GIVEN, PAD, Canvas
from anyorder.decode.run import run, steps
from anyorder.decode.sampling import Coins, Sampler, Sampling
from anyorder.decode.search.cascade import Cascade
from anyorder.models.tables.lattices import TableMarkov
from anyorder.trace import fold

SOURCES = ((3, 4, 2), (1,), (5, 5))
MODEL = TableMarkov(2, SOURCES, 6, spread=3)


def sampler() -> Sampler:
    return Sampler(Sampling(), Coins.of_seeds([0, 0, 0], cells=20))


def canvas(new: int = 19) -> Canvas:
    return Canvas.of_prompts([[0]] * 3, new_cells=[new] * 3)


def test_each_order_is_one_call_and_a_draft_until_the_last() -> None:
    made = list(steps(Cascade(order=3, states=4), MODEL, canvas(), sampler()))
    assert [len(step.calls) for step, _ in made] == [1, 1, 1, 1]
    cells = 3 + int(MODEL.lengths().argmax(-1).max()) + 1
    spans = [cells, 4 * (cells - 1), 4 * (cells - 2), 4 * (cells - 3)]
    reads = [len(step.calls[0].tokens_BT[0]) for step, _ in made]
    assert reads == [count * (order + 1) for order, count in enumerate(spans)]
    for order, (_, after) in enumerate(made[:-1]):
        assert bool((after.status_BN[:, 1:] <= DRAFT).all())
        end = fold(run(Cascade(order=order, states=4), MODEL, canvas(), sampler()))
        for b in range(3):  # the draft is what a shorter cascade would have written
            draft = after.tokens_BN[b][after.status_BN[b] == DRAFT].tolist()
            assert draft == end.row(b)[1:]
    assert set(made[-1][1].status_BN.unique().tolist()) <= {PAD, DONE, GIVEN}


@pytest.mark.parametrize("order", range(4))
def test_in_parallel_it_writes_the_same(order: int) -> None:
    one, other = (
        fold(run(Cascade(order, 5, parallel=parallel), MODEL, canvas(), sampler()))
        for parallel in (False, True)
    )
    assert torch.equal(one.tokens_BN, other.tokens_BN)
    assert torch.equal(one.status_BN, other.status_BN)


@pytest.mark.parametrize("window", [0, 1, 4])
def test_lengths_lie_in_the_window(window: int) -> None:
    likeliest_B = MODEL.lengths().argmax(-1) + 1
    end = fold(run(Cascade(window=window), MODEL, canvas(), sampler()))
    for b, likeliest in enumerate(likeliest_B.tolist()):
        cells = len(end.row(b))  # the first one is given, and the end is not written
        assert max(likeliest - window, 2) <= cells <= max(likeliest + window, 2)
        assert MODEL.eos not in end.row(b)


def test_a_canvas_that_is_too_small_cuts_the_text() -> None:
    whole = fold(run(Cascade(), MODEL, canvas(), sampler()))
    short = fold(run(Cascade(), MODEL, canvas(2), sampler()))
    for b in range(3):
        assert short.row(b) == whole.row(b)[:3]


@pytest.mark.parametrize("options", [{"order": -1}, {"states": 0}, {"window": -1}])
def test_bad_options(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="an order, a window and some states"):
        Cascade(**options)
