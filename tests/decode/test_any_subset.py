"""A model that is told any of the cells: its joint distribution, and how many calls it takes."""

from itertools import product
from math import prod
from typing import Any

import pytest
import torch
from hypothesis import given

from anyorder.canvas import GIVEN, Canvas
from anyorder.decode.in_order import any_subset
from anyorder.decode.in_order.any_subset import AnySubset, Next
from anyorder.decode.run import run, steps
from anyorder.decode.sampling import Coins, Sampler, Sampling
from anyorder.models.table import EMPTY, TableLM
from anyorder.trace import fold
from tests.laws.cases import Case, cases, examples, greedy, warm
from tests.laws.checks import intervals, same, written

V, WARM = 2, Sampling(temperature=1.0)
CONTEXTS = 7


def canvas_of(rows: int, cells: int, known: dict[int, int]) -> Canvas:
    """A prompt of one cell, open ones, and some that are given behind them."""
    canvas = Canvas.of_prompts([[0]] * rows, new_cells=[cells] * rows)
    for cell, token in known.items():
        canvas.tokens_BN[:, cell], canvas.status_BN[:, cell] = token, GIVEN
    return canvas


def distribution(decoder: Any, lm: TableLM, cells: int, known: dict[int, int]) -> torch.Tensor:
    """The share of all coins that leads to each text."""
    probs_HV = lm.logits_HV.double().softmax(-1)
    draws = {float(p) for p in probs_HV[:, 0]}
    odds = {float(p / q) for p, q in product(probs_HV.flatten(), probs_HV.flatten())}
    inside = list(
        product(intervals(draws), intervals(odds), intervals(draws))
    )  # PICK, ACCEPT, DRAW
    runs = list(product(inside, repeat=cells - len(known)))
    coins = torch.rand(len(runs), 1 + cells, 3, dtype=torch.float64)
    free = [cell for cell in range(1, 1 + cells) if cell not in known]
    coins[:, free] = torch.tensor(
        [[[middle for middle, _ in each] for each in one] for one in runs], dtype=torch.float64
    )
    weights = [prod(width for each in one for _, width in each) for one in runs]
    *_, (_, end) = steps(
        decoder, lm, canvas_of(len(runs), cells, known), Sampler(WARM, Coins(coins))
    )
    text_B = sum(end.tokens_BN[:, 1 + n] * V**n for n in range(cells))
    found = torch.zeros(V**cells, dtype=torch.float64)
    return found.index_add_(0, text_B, torch.tensor(weights, dtype=torch.float64))


def joint(lm: TableLM, cells: int, known: dict[int, int]) -> torch.Tensor:
    """The product of the conditionals, cell after cell, each told all before it and all given."""
    found = torch.zeros(V**cells, dtype=torch.float64)
    for text in product(range(V), repeat=cells):
        if any(text[cell - 1] != token for cell, token in known.items()):
            continue
        tokens, share, told = torch.tensor([[0, *text]]), 1.0, dict(known)
        for cell in [n for n in range(1, 1 + cells) if n not in known]:
            canvas = canvas_of(1, cells, told)
            rank, at = Next.of(canvas, 1).rank_BN, torch.tensor([[cell]])
            logits_V = lm.among(tokens, rank, at, rank.gather(1, at))[0, 0]
            share *= float(logits_V.double().softmax(-1)[text[cell - 1]])
            told[cell] = text[cell - 1]
        found[sum(token * V**n for n, token in enumerate(text))] = share
    return found


def table() -> TableLM:
    """Each context has one of two distributions: so few that all thresholds can be tried."""
    two_2V = torch.tensor([[0.3, -0.4], [-0.9, 0.6]], dtype=torch.float64)
    return TableLM(two_2V[torch.arange(CONTEXTS) % 2])


@pytest.mark.parametrize("known", [{}, {2: 1}, {1: 1}], ids=str)
@pytest.mark.parametrize("width", [1, 2, 3])
def test_texts_follow_the_joint_distribution(width: int, known: dict[int, int]) -> None:
    lm, cells = table(), 2 if not known else 3
    found = distribution(AnySubset(width), lm, cells, known)
    torch.testing.assert_close(found, joint(lm, cells, known), rtol=0, atol=1e-9)


def test_so_it_is_seen_if_drafts_are_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(any_subset, "accept_probability", lambda p, q: torch.ones_like(p))
    with pytest.raises(AssertionError, match="not close"):
        test_texts_follow_the_joint_distribution(2, {})


def test_so_it_is_seen_if_what_is_redrawn_comes_from_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(any_subset, "residual", lambda p, q: p)
    with pytest.raises(AssertionError, match="not close"):
        test_texts_follow_the_joint_distribution(2, {})


@given(case=cases(sampling=greedy, forced=True))
@examples(20)
def test_at_temperature_0_drafts_change_nothing(case: Case) -> None:
    same(written(AnySubset(width=5), case), written(AnySubset(width=1), case))


@given(case=cases(sampling=warm | greedy, forced=True))
@examples(20)
def test_calls_are_at_most_the_tokens(case: Case) -> None:
    for width in (1, 2, 6):
        cost = run(AnySubset(width), case.model, case.canvas(), case.sampler()).cost
        most = max((len(row.forced), row.new) and row.new - len(row.forced) for row in case.rows)
        assert cost.calls <= most == AnySubset(width).most_calls(case.canvas())
        assert width > 1 or cost.calls == most


def test_where_nothing_depends_on_anything_all_drafts_are_right() -> None:
    lm = TableLM(
        torch.randn(1, 6, generator=torch.Generator().manual_seed(0)).expand(7, -1).clone()
    )
    canvas = Canvas.of_prompts([[1]], new_cells=[12])
    sampler = Sampler(WARM, Coins.of_seeds([0], cells=13))
    assert run(AnySubset(width=4), lm, canvas, sampler).cost.calls == 2 * 3


def test_what_is_given_ahead_is_known() -> None:
    """The table says 1 wherever a 1 was seen, and 0 elsewhere."""
    logits_HV = torch.tensor([[9.0, 0.0], [9.0, 0.0], [9.0, 0.0], [0.0, 9.0]])
    assert EMPTY == 1
    sampler = Sampler(Sampling(), Coins.of_seeds([0], cells=4))
    ends = [
        fold(run(AnySubset(), TableLM(logits_HV), canvas_of(1, 3, known), sampler)).row(0)
        for known in ({}, {3: 1})
    ]
    assert ends[0] != ends[1]
    assert ends[1][3] == 1


def test_cells_are_written_in_their_order() -> None:
    to = Next.of(canvas_of(1, 4, {2: 1}), 2)
    assert to.rank_BN.tolist() == [[0, 1, 0, 2, 3]]
    assert to.cells_BW.tolist() == [[1, 3]]
    with pytest.raises(ValueError, match="at least 1"):
        AnySubset(width=0)
