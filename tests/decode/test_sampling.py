"""Filters against those of `transformers`, coins that never change, and draws without bias."""

import re
import warnings
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from anyorder.decode import sampling
from anyorder.decode.sampling import (
    ACCEPT,
    DRAW,
    PICK,
    Coins,
    Sampler,
    Sampling,
    draw,
    filtered,
    penalise,
)

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from transformers import LogitsProcessorList
    from transformers.generation import logits_process as theirs

V = 12
seeds = st.integers(0, 2**31 - 1)


def logits_of(seed: int, *shape: int) -> torch.Tensor:
    rng = torch.Generator().manual_seed(seed)
    return 3 * torch.randn(*shape, generator=rng, dtype=torch.float64)


def sampler(seed: int = 0, **options: Any) -> Sampler:
    return Sampler(Sampling(**options), Coins.of_seeds([seed], cells=8))


def their_probs(
    options: Sampling, history_BH: torch.Tensor, logits_BV: torch.Tensor
) -> torch.Tensor:
    """The processors that `generate` would build, in its order."""
    chain = LogitsProcessorList()
    if options.logit_bias:
        bias = [[[token], extra] for token, extra in options.logit_bias.items()]
        chain.append(theirs.SequenceBiasLogitsProcessor(bias))
    if options.repetition_penalty != 1:
        chain.append(theirs.RepetitionPenaltyLogitsProcessor(options.repetition_penalty))
    if options.temperature != 1:
        chain.append(theirs.TemperatureLogitsWarper(options.temperature))
    if options.top_k:
        chain.append(theirs.TopKLogitsWarper(options.top_k))
    if options.top_p < 1:
        chain.append(theirs.TopPLogitsWarper(options.top_p))
    if options.min_p:
        chain.append(theirs.MinPLogitsWarper(options.min_p))
    return chain(history_BH, logits_BV).softmax(-1)


choices = st.fixed_dictionaries(
    {
        "temperature": st.sampled_from([0.2, 0.7, 1.0, 3.0]),
        "top_k": st.sampled_from([0, 1, 3, 12, 50]),
        "top_p": st.sampled_from([1.0, 0.9, 0.5, 0.05]),
        "min_p": st.sampled_from([0.0, 0.02, 0.3, 0.99]),
        "repetition_penalty": st.sampled_from([1.0, 0.8, 1.3, 5.0]),
        "logit_bias": st.sampled_from([{}, {0: 4.0}, {3: -100.0, 5: 1.0}]),
    }
)


@given(seed=seeds, choice=choices, history=st.lists(st.integers(0, V - 1), min_size=1, max_size=6))
def test_filters_are_those_of_transformers(
    seed: int, choice: dict[str, Any], history: list[int]
) -> None:
    logits_BV, history_BH = logits_of(seed, 1, V), torch.tensor([history])
    expected_BV = their_probs(Sampling(**choice), history_BH, logits_BV)
    found_BSV = sampler(**choice).probs(logits_BV[:, None], history_BH[:, None])
    torch.testing.assert_close(found_BSV[:, 0], expected_BV, rtol=0, atol=1e-12)


@given(seed=seeds, choice=choices)
def test_each_cell_is_filtered_by_itself(seed: int, choice: dict[str, Any]) -> None:
    logits_BSV = logits_of(seed, 2, 3, V)
    together = sampler(**choice).probs(logits_BSV)
    for b in range(2):
        for s in range(3):
            alone = sampler(**choice).probs(logits_BSV[b : b + 1, s : s + 1])
            torch.testing.assert_close(together[b, s], alone[0, 0])


@given(
    seed=seeds,
    history=st.lists(st.integers(-1, V - 1), min_size=1, max_size=8),
    penalty=st.sampled_from([0.5, 1.3, 4.0]),
)
def test_a_token_is_penalised_once_however_often_it_stands_there(
    seed: int, history: list[int], penalty: float
) -> None:
    """-1 is no token, wherever it stands."""
    logits_V = logits_of(seed, V)
    expected_V = logits_V.clone()
    for token in set(history) - {-1}:
        expected_V[token] *= 1 / penalty if logits_V[token] > 0 else penalty
    found = penalise(logits_V[None, None], torch.tensor([[history]]), penalty)
    torch.testing.assert_close(found[0, 0], expected_V)


def test_filters_keep_at_least_one_token_and_all_that_tie_at_the_border() -> None:
    logits = torch.tensor([[[2.0, 2.0, 1.0, 2.0]]]).double()
    assert (filtered(logits, Sampling(top_k=2)) > 0).tolist() == [[[True, True, False, True]]]
    strict = Sampling(top_p=1e-9, min_p=0.999)
    assert (filtered(logits + torch.arange(4), strict) > 0).sum() == 1
    impossible = torch.tensor([[[-torch.inf, 0.0, -torch.inf]]]).double()
    assert filtered(impossible, Sampling(top_k=2, top_p=0.9)).tolist() == [[[0, 1, 0]]]


def plainly(logits_BSV: torch.Tensor, options: Sampling) -> torch.Tensor:
    """Top-k and top-p as they are defined: all tokens sorted, ties by their ids."""
    V = logits_BSV.shape[-1]
    if options.top_k:
        kth = logits_BSV.sort(-1).values[..., V - options.top_k, None]
        logits_BSV = logits_BSV.masked_fill(logits_BSV < kth, -torch.inf)
    values, order = torch.sort(logits_BSV, dim=-1, descending=True, stable=True)
    above = values.softmax(-1).cumsum(-1).roll(1, -1)
    above[..., 0] = 0.0
    dropped = torch.zeros_like(above, dtype=torch.bool).scatter(-1, order, above >= options.top_p)
    return logits_BSV.masked_fill(dropped, -torch.inf).softmax(-1)


@pytest.mark.parametrize("spread", [0.0, 0.1, 2.0, 6.0], ids="flat dull lively sharp".split())
@pytest.mark.parametrize("top_p", [0.05, 0.5, 0.9, 1 - 1e-12])
@pytest.mark.parametrize("top_k", [0, 40])
def test_a_large_vocabulary_is_filtered_to_the_same_bits(
    spread: float, top_p: float, top_k: int
) -> None:
    """Also where many tokens tie, and where the nucleus is larger than what is looked at first."""
    options = Sampling(top_p=top_p, top_k=top_k)
    for whole in (False, True):
        logits = spread * logits_of(3, 2, 2, 4096)
        logits = logits.round() if whole else logits
        assert torch.equal(filtered(logits, options), plainly(logits, options))


def test_a_nucleus_whose_mass_is_all_but_reached_is_settled_by_sorting() -> None:
    """Two tokens of a half each, and a sum that rounds: the first alone has the mass."""
    logits = torch.full((1, 1, 4096), -torch.inf).double()
    logits[..., [7, 9]] = torch.tensor([0.0, -1e-12]).double()
    assert sampling._nucleus_floor(logits, 0.5) is None
    assert torch.equal(filtered(logits, Sampling(top_p=0.5)), plainly(logits, Sampling(top_p=0.5)))
    floor = sampling._nucleus_floor(logits, 0.4)
    assert floor is not None
    assert floor.item() == 0


def test_at_temperature_zero_the_distribution_is_the_greedy_token() -> None:
    logits = logits_of(1, 2, 3, V)
    greedy = sampler(logit_bias={4: 100.0})
    assert greedy.probs(logits).argmax(-1).tolist() == [[4] * 3] * 2
    assert greedy.probs(logits).sum(-1).tolist() == [[1.0] * 3] * 2
    assert greedy.pick(logits, torch.zeros(2, 3, dtype=torch.long)).tolist() == [[4] * 3] * 2


@pytest.mark.parametrize("token", [-1, V])
def test_a_bias_for_a_token_that_does_not_exist_is_refused(token: int) -> None:
    with pytest.raises(ValueError, match="outside 0 to 11"):
        sampler(logit_bias={token: 1.0}).logits(logits_of(0, 1, 1, V))


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("temperature", -0.1),
        ("temperature", float("inf")),
        ("temperature", float("nan")),
        ("top_k", -1),
        ("top_p", 0.0),
        ("top_p", 1.1),
        ("min_p", -0.1),
        ("min_p", 1.0),
        ("repetition_penalty", 0.0),
        ("logit_bias", {5: float("nan")}),
        ("logit_bias", {4: 1.0, 5: float("inf")}),
    ],
)
def test_an_option_out_of_range_is_named(option: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"^{option} is {value}; it must be"):
        Sampling(**{option: value})


@pytest.mark.parametrize(
    ("option", "value", "kind"),
    [
        ("temperature", "x", "a number, 0 or more"),
        ("temperature", None, "a number"),
        ("top_k", "5", "a whole number, 0"),
        ("top_k", 1.5, "a whole number"),
        ("top_p", "x", "a number, above 0"),
        ("min_p", [0.1], "a number"),
        ("repetition_penalty", "x", "a number"),
        ("logit_bias", {5: "x"}, "a number for each token"),
        ("logit_bias", {1.5: 2.0}, "a number for each token"),
        ("logit_bias", 5, "a number for each token"),
    ],
)
def test_an_option_of_another_kind_is_named(option: str, value: Any, kind: str) -> None:
    said = re.escape(f"{option} is {value!r}; it must be {kind}")
    with pytest.raises(ValueError, match=f"^{said}"):
        Sampling(**{option: value})


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_a_token_can_be_forbidden_but_not_all(temperature: float) -> None:
    """Here and elsewhere the model's own words count: what it calls impossible is left out."""
    barred = dict.fromkeys(range(V - 1), -float("inf"))
    logits_BSV, cells_BS = logits_of(0, 1, 3, V), torch.arange(3)[None]
    strict = sampler(temperature=temperature, logit_bias=barred)
    assert strict.pick(logits_BSV, cells_BS).tolist() == [[V - 1] * 3]
    logits_BSV[0, 1, V - 1] = -torch.inf
    strict.pick(logits_BSV, cells_BS)  # a cell that does not count, say
    logits_BSV[..., V - 1] = -torch.inf
    with pytest.raises(ValueError, match="forbids every token that is possible"):
        strict.pick(logits_BSV, cells_BS)


# Coins


@given(seed=st.integers(0, 2**63 - 1), cells=st.integers(1, 20), more=st.integers(1, 20))
def test_more_cells_do_not_change_the_coins_before_them(seed: int, cells: int, more: int) -> None:
    short, long = (Coins.of_seeds([seed], cells=n).coins_BNC for n in (cells, cells + more))
    assert torch.equal(long[:, :cells], short)


def test_a_row_s_coins_are_its_seed_s_alone() -> None:
    together = Coins.of_seeds([3, 4, 3], cells=5).coins_BNC
    assert torch.equal(together[0], together[2])
    assert torch.equal(together[1], Coins.of_seeds([4], cells=5).coins_BNC[0])
    assert not torch.equal(together[0], together[1])


def test_a_coin_is_found_by_cell_and_purpose() -> None:
    coins = Coins(torch.arange(12).view(1, 4, 3).double() / 12)
    cells = torch.tensor([[0, 3, 9]])  # 9 lies beyond the canvas
    found = [(12 * coins.at(cells, kind)).round().tolist() for kind in (PICK, ACCEPT, DRAW)]
    assert found == [[[0, 9, 9]], [[1, 10, 10]], [[2, 11, 11]]]


def test_coins_are_uniform_and_those_of_a_cell_are_independent() -> None:
    coins = Coins.of_seeds(range(40), cells=250).coins_BNC.flatten(0, 1).numpy()
    assert coins.min() >= 0
    assert coins.max() < 1
    for kind in range(coins.shape[1]):  # Kolmogorov-Smirnov at about one in a million
        ranks = np.sort(coins[:, kind])
        assert np.abs(ranks - np.arange(len(ranks)) / len(ranks)).max() < 2.7 / len(ranks) ** 0.5
    assert np.abs(np.corrcoef(coins.T) - np.eye(coins.shape[1])).max() < 0.05


# Draws


@given(seed=seeds, coin=st.floats(0, 1, exclude_max=True), zeros=st.sets(st.integers(0, V - 2)))
def test_the_drawn_token_s_share_holds_the_coin(seed: int, coin: float, zeros: set[int]) -> None:
    probs_V = logits_of(seed, V).softmax(-1)
    probs_V[list(zeros)] = 0
    probs_V /= probs_V.sum()
    token = int(draw(probs_V[None, None], torch.tensor([[coin]]).double()))
    cdf_V = probs_V.cumsum(-1)
    below = float(cdf_V[token] - probs_V[token])
    assert probs_V[token] > 0
    assert below - 1e-12 <= coin * float(cdf_V[-1]) <= float(cdf_V[token]) + 1e-12


@pytest.mark.parametrize("weights", [[1, 3], [0, 1, 0, 3], [5, 0], [1] * 7, [0, 0, 2, 1, 0]])
def test_an_even_grid_of_coins_draws_every_token_its_share(weights: list[int]) -> None:
    """Exactly: also the share of the first and the last token, and none of a token without one."""
    total = sum(weights)
    probs = torch.tensor(weights).double() / total
    grid = (torch.arange(100 * total).double() + 0.5) / (100 * total)
    tokens = draw(probs.expand(1, len(grid), -1), grid[None])[0]
    assert torch.bincount(tokens, minlength=len(weights)).tolist() == [100 * w for w in weights]


@pytest.mark.parametrize("coin", [0.0, float(np.nextafter(1.0, 0.0))])
def test_the_outermost_coins_draw_tokens_that_are_possible(coin: float) -> None:
    probs = torch.tensor([0.0, 0.1, 0.2, 0.7 - 1e-16, 0.0]).double()
    token = int(draw(probs[None, None], torch.tensor([[coin]]).double()))
    assert token == (1 if coin == 0 else 3)


@given(seed=seeds, zeros=st.integers(0, 5))
def test_draws_are_those_of_the_plain_formula(seed: int, zeros: int) -> None:
    probs = logits_of(seed, 2, 4, V).softmax(-1)
    probs[..., V - zeros :] = 0
    coins = torch.tensor([0.0, 0.37, 0.99, float(np.nextafter(1.0, 0.0))]).double().expand(2, 4)
    cdf = probs.cumsum(-1)
    last = (probs > 0).long().cumsum(-1).argmax(-1)
    plain = torch.searchsorted(cdf, coins[..., None] * cdf[..., -1:], right=True)[..., 0]
    assert torch.equal(draw(probs, coins), plain.minimum(last))
    assert draw(probs[:, :0], coins[:, :0]).shape == (2, 0)


def test_shares_need_not_add_up_to_one() -> None:
    """A residual is divided by its mass, and rounds: the last token is not overrated for it."""
    probs = torch.tensor([[[0.2, 0.2]]]).double()
    assert draw(probs, torch.tensor([[0.49]]).double()).item() == 0
    assert draw(probs, torch.tensor([[0.51]]).double()).item() == 1
