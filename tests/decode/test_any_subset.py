"""A model that is told any of the cells: its joint distribution, and how many calls it takes."""

from itertools import product
from math import prod
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from anyorder.canvas import GIVEN, OPEN, Canvas
from anyorder.decode.in_order import any_subset
from anyorder.decode.in_order.any_subset import AnySubset, Next, Unchecked
from anyorder.decode.run import run, steps
from anyorder.decode.sampling import Coins, Sampler, Sampling
from anyorder.models.tables.language_model import EMPTY, TableLM
from anyorder.trace import fold
from tests.laws.cases import Case, cases, examples, greedy, warm
from tests.laws.checks import (
    alone_or_in_company,
    goes_on_where_it_was_stopped,
    intervals,
    same,
    written,
)
from tests.train.made import any_subset as network

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


# A network, which makes what it tells of a cell out of others: tokens 0 and 3 of 4, for a text
# begins with 1 and ends with 2, and both are given.

HOLES, RIGHT = [1, 2, 4], 3
NET = network(4, layers=2).double().eval()


def with_holes(rows: int) -> Canvas:
    """1 _ _ 3 _ 2"""
    tokens_BN = torch.tensor([[1, 0, 0, RIGHT, 0, 2]]).repeat(rows, 1)
    status_BN = torch.full_like(tokens_BN, GIVEN, dtype=torch.uint8)
    status_BN[:, HOLES] = OPEN
    return Canvas(tokens_BN, status_BN, torch.zeros(tokens_BN.shape))


@torch.no_grad()
def told(text: tuple[int, ...], hole: int, known: int) -> torch.Tensor:
    """The shares of 0 and 3 in a hole, told the first `known` tokens of this text of the holes."""
    canvas = with_holes(1)
    tokens_BN = canvas.tokens_BN.clone()
    tokens_BN[0, HOLES[:known]] = torch.tensor(text[:known], dtype=torch.long)
    rank_BN = Next.of(canvas, 1).rank_BN
    cell = torch.tensor([[HOLES[hole]]])
    return NET.among(tokens_BN, rank_BN, cell, torch.tensor([[1 + known]]))[0, 0].softmax(-1)[
        [0, 3]
    ]


def shares_of_a_network(decoder: Any) -> torch.Tensor:
    """The share of all coins that leads to each text of the holes, by all thresholds of theirs."""
    inside = []
    texts = list(product((0, RIGHT), repeat=len(HOLES)))
    for hole in range(len(HOLES)):
        by_known = [[told(text, hole, known) for text in texts] for known in range(hole + 1)]
        draws = {round(float(p[0]), 14) for each in by_known for p in each}
        odds = {
            round(float(p[n] / q[n]), 14)
            for each in by_known
            for p, q in zip(by_known[-1], each, strict=True)
            for n in (0, 1)
        }
        inside.append(list(product(intervals(odds), intervals(draws))))  # ACCEPT, DRAW
    runs = list(product(*inside))
    coins = torch.full((len(runs), 6, 3), 0.5, dtype=torch.float64)
    coins[:, HOLES, 1:] = torch.tensor(
        [[[middle for middle, _ in each] for each in one] for one in runs], dtype=torch.float64
    )
    weights = torch.tensor(
        [prod(width for each in one for _, width in each) for one in runs], dtype=torch.float64
    )
    sampler = Sampler(WARM, Coins(coins))
    *_, (_, end) = steps(decoder, NET, with_holes(len(runs)), sampler)
    text_B = sum((end.tokens_BN[:, cell] == RIGHT) * 2**n for n, cell in enumerate(HOLES))
    return torch.zeros(8, dtype=torch.float64).index_add_(0, text_B, weights)


def joint_of_the_network() -> torch.Tensor:
    found = torch.zeros(8, dtype=torch.float64)
    for text in product((0, RIGHT), repeat=len(HOLES)):
        bits = [int(token == RIGHT) for token in text]
        share = prod(float(told(text, hole, hole)[bit]) for hole, bit in enumerate(bits))
        found[sum(bit * 2**n for n, bit in enumerate(bits))] = share
    return found


@pytest.mark.parametrize("width", [1, 2, 3])
def test_texts_of_a_network_follow_its_joint_distribution(width: int) -> None:
    expected = joint_of_the_network()
    assert float(expected.sum()) == pytest.approx(1.0)
    torch.testing.assert_close(shares_of_a_network(AnySubset(width)), expected, rtol=0, atol=1e-9)


def test_what_is_not_checked_follows_another_one() -> None:
    found, expected = shares_of_a_network(Unchecked()), joint_of_the_network()
    apart = torch.tensor([float(told((0, 0, 0), hole, 0)[1]) for hole in range(3)])
    alone = [
        prod(float(p if bits >> n & 1 else 1 - p) for n, p in enumerate(apart)) for bits in range(8)
    ]
    torch.testing.assert_close(found, torch.tensor(alone).double(), rtol=0, atol=1e-6)
    assert float((found - expected).abs().sum()) > 1e-3


def test_so_it_is_seen_if_what_was_written_is_read_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if it had been given: what it means to others changes, and so what they are."""
    right = Next.of

    def anew(canvas: Canvas, width: int) -> Next:
        to = right(canvas, width)
        known_B1 = (canvas.final_BN.sum(-1) - (canvas.status_BN == GIVEN).sum(-1))[:, None]
        return Next((to.rank_BN - known_B1).clamp_min(0), to.cells_BW, to.inside_BW)

    monkeypatch.setattr(Next, "of", staticmethod(anew))
    with pytest.raises(AssertionError, match="not close"):
        test_texts_of_a_network_follow_its_joint_distribution(2)


@given(case=cases(models=st.just(network(6, layers=2).double().eval()), forced=True, least_rows=2))
@examples(8)
def test_a_network_obeys_the_laws_of_company_and_of_going_on(case: Case) -> None:
    for decoder in (AnySubset(width=3), Unchecked(width=2)):
        alone_or_in_company(decoder, case)
    goes_on_where_it_was_stopped(AnySubset(width=1), case, after=1)


def test_all_at_once_is_one_call() -> None:
    sampler = Sampler(WARM, Coins.of_seeds([0], cells=6))
    assert [
        run(Unchecked(width), NET, with_holes(1), sampler).cost.calls for width in (None, 2)
    ] == [1, 2]
    with pytest.raises(ValueError, match="at least 1"):
        Unchecked(width=0)
