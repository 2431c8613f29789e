"""Groups of tokens that are as good: which they are, how often a guess is kept, what is written."""

import math
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from anyorder.canvas import Canvas
from anyorder.decode.catalogue import parse
from anyorder.decode.draft_verify.from_models.speculative import Speculative
from anyorder.decode.draft_verify.from_text.prompt_copy import PromptCopy
from anyorder.decode.draft_verify.judges import grouped
from anyorder.decode.draft_verify.judges.grouped import Group, Grouped, kept_share
from anyorder.decode.draft_verify.judges.lenient import Lenient
from anyorder.decode.run import run, steps
from anyorder.decode.sampling import Coins, Sampler, Sampling
from anyorder.models.tables.language_model import TableLM
from anyorder.trace import fold
from tests.laws.cases import examples, seeds
from tests.laws.checks import intervals

V, DOUBLE = 5, torch.float64
NOBODY = TableLM.random(seed=0, vocab_size=V)


def distribution(seed: int, spread: float = 1.0) -> Tensor:
    logits_V = torch.randn(V, generator=torch.Generator().manual_seed(seed)).double()
    return (spread * logits_V).softmax(-1)


def members(p: list[float], guess: int, gap: float, reach: int, apart: Any, far: float) -> set[int]:
    """The group, written out: neighbours in the sorted order that are near enough."""
    order = sorted(range(len(p)), key=lambda token: (-p[token], token))
    place = order.index(guess)
    beside = order[max(0, place - reach) : place + reach + 1]
    near = {y for y in beside if abs(p[y] - p[guess]) <= gap and p[y] > 0 and apart(y) <= far}
    return near | {guess}


def told(group: Group) -> set[int]:
    return set(group.tokens_BG[0][group.real_BG[0]].tolist())


@given(
    seed=seeds,
    guess=st.integers(0, V - 1),
    gap=st.sampled_from([0.0, 0.05, 0.2, 1.0]),
    reach=st.integers(0, V + 2),
    far=st.sampled_from([0.5, 2.0, math.inf]),
)
@examples(100)
def test_a_group_is_made_of_neighbours(seed: int, guess: int, gap: float, reach: int, far: float):
    p_V = distribution(seed) * (torch.arange(V) != seed % 7)
    p_V = p_V / p_V.sum()
    embedding_VC = torch.randn(V, 3, generator=torch.Generator().manual_seed(seed))
    judge = Grouped(Speculative(NOBODY), gap=gap, reach=reach, distance=far)
    found = judge.group(p_V[None], torch.tensor([guess]), embedding_VC if far < math.inf else None)
    apart = lambda y: float((embedding_VC[y] - embedding_VC[guess]).square().sum())  # noqa: E731
    assert told(found) == members(p_V.tolist(), guess, gap, reach, apart, far)
    assert float(found.mass(p_V[None])) == pytest.approx(sum(float(p_V[y]) for y in told(found)))


def what_is_written(p: list[float], q: list[float], gap: float, reach: int) -> list[float]:
    """W(y) = q(y) a(y) + (1 - sum q a) max(0, p - q) / sum max(0, p - q); see `Grouped`."""
    keeps = []
    for x in range(len(p)):
        group = members(p, x, gap, reach, lambda _: 0.0, 1.0)
        keeps.append(min(1.0, sum(p[y] for y in group) / sum(q[y] for y in group)) * (p[x] > 0))
    refused = 1 - sum(a * b for a, b in zip(q, keeps, strict=True))
    more = [max(0.0, a - b) for a, b in zip(p, q, strict=True)]
    rest = [each / sum(more) for each in more] if sum(more) else p
    rows = zip(q, keeps, rest, strict=True)
    return [share * keep + refused * other for share, keep, other in rows]


@pytest.mark.parametrize(("gap", "reach"), [(0.15, 7), (0.05, 2), (1.0, 1), (1.0, 9), (0.0, 7)])
@pytest.mark.parametrize("seed", range(3))
def test_what_is_written_is_what_the_rule_says(seed: int, gap: float, reach: int) -> None:
    """All coins of one token, in intervals between which nothing changes."""
    made = distribution(2 * seed, 1.5), distribution(2 * seed + 1)
    target, draft = (TableLM.of_transitions(x_V.expand(V, -1)) for x_V in made)
    p_V, q_V = (lm.logits_HV[0].double().softmax(-1) for lm in (target, draft))
    decoder = Grouped(Speculative(draft, width=1), gap=gap, reach=reach)
    rest_V = (p_V - q_V).clamp_min(0)
    guesses_B = torch.arange(V)
    p_BV, q_BV = p_V.expand(V, -1), q_V.expand(V, -1)
    odds = kept_share(p_BV, q_BV, guesses_B, decoder.group(p_BV, guesses_B))
    edges = (
        {*(rest_V / rest_V.sum()).cumsum(0).tolist(), *p_V.cumsum(0).tolist()},
        set(odds.tolist()),
        set(q_V.cumsum(0).tolist()),
    )
    coins = list(product(*map(intervals, edges)))
    middles_BC = torch.tensor([[middle for middle, _ in each] for each in coins], dtype=DOUBLE)
    coins_BNC = torch.stack([torch.zeros_like(middles_BC), middles_BC], 1)
    canvas = Canvas.of_prompts([[0]] * len(coins), new_cells=[1] * len(coins))
    sampler = Sampler(Sampling(temperature=1.0), Coins(coins_BNC))
    *_, (_, end) = steps(decoder, target, canvas, sampler)
    found_V = torch.zeros(V).double()
    weights = [math.prod(width for _, width in each) for each in coins]
    weight_B = torch.tensor(weights, dtype=DOUBLE)
    found_V.index_add_(0, end.tokens_BN[:, 1], weight_B)
    wanted = what_is_written(p_V.tolist(), q_V.tolist(), gap, reach)
    torch.testing.assert_close(found_V, torch.tensor(wanted, dtype=DOUBLE), rtol=0, atol=1e-9)
    if gap == 0:
        torch.testing.assert_close(found_V, p_V, rtol=0, atol=1e-9)


@pytest.mark.parametrize("part", ["residual", "kept_share"])
def test_so_it_is_seen_if_a_part_of_the_rule_is_wrong(part: str, monkeypatch: Any) -> None:
    wrong = {
        "residual": lambda p_BV, q_BV: p_BV,
        "kept_share": lambda p_BV, q_BV, guess_B, group: group.mass(p_BV) ** 0,
    }
    monkeypatch.setattr(grouped, part, wrong[part])
    with pytest.raises(AssertionError, match="not close"):
        test_what_is_written_is_what_the_rule_says(0, 0.05, 2)


def kept(p: Tensor, q: Tensor, groups: list[set[int]]) -> float:
    """How often a guess is kept if these are the groups of the tokens."""
    rows = [sorted(group) for group in groups]
    share = [min(1.0, float(p[row].sum() / q[row].sum())) for row in rows]
    return float(sum(q[x] * share[x] for x in range(len(q))))


@given(seed=seeds, parts=st.lists(st.integers(0, 2), min_size=V, max_size=V))
@examples(100)
def test_groups_that_are_a_partition_keep_no_less(seed: int, parts: list[int]) -> None:
    """1 less the total variation of what the groups weigh; it grows as tokens are put together."""
    p_V, q_V = distribution(seed), distribution(seed + 1)
    groups = [{y for y in range(V) if parts[y] == parts[x]} for x in range(V)]
    parts_V = torch.tensor(parts)
    weigh = [[float(x_V[parts_V == k].sum()) for k in range(3)] for x_V in (p_V, q_V)]
    apart = sum(abs(a - b) for a, b in zip(*weigh, strict=True)) / 2
    assert kept(p_V, q_V, groups) == pytest.approx(1 - apart)
    assert kept(p_V, q_V, groups) >= float(p_V.minimum(q_V).sum()) - 1e-12


def test_groups_that_overlap_may_keep_less() -> None:
    """The likeliest guess has a neighbour that the draft overrates, and pays for it."""
    p_V = torch.tensor([0.30, 0.29, 0.28, 0.13]).double()
    q_V = torch.tensor([0.30, 0.60, 0.05, 0.05]).double()
    few, guesses_B = Grouped(Speculative(NOBODY), gap=0.015, reach=1), torch.arange(4)
    p_BV, q_BV = p_V.expand(4, -1), q_V.expand(4, -1)
    share_V = kept_share(p_BV, q_BV, guesses_B, few.group(p_BV, guesses_B))
    assert float(share_V[0]) < 1 == min(1.0, 0.30 / 0.30)


@dataclass(frozen=True, eq=False)
class Embedded(TableLM):
    """Tokens 0 and 1 are read as the same, and so are 2 and 3."""

    @property
    def embedding_VC(self) -> Tensor:
        return torch.tensor([[0.0], [0.0], [9.0], [9.0], [20.0]])


class Bare:
    """A causal model, and nothing else."""

    def __init__(self, lm: TableLM) -> None:
        self.vocab_size, self.max_length = lm.vocab_size, lm.max_length
        self.new_cache, self.extend = lm.new_cache, lm.extend


def certain(*row: int, kind: type[TableLM] = TableLM) -> TableLM:
    """After each token one follows, and then those that are next to it, nearly as likely."""
    logits_HV = torch.full((V, V), -5.0)
    for token, following in enumerate(row):
        logits_HV[token] = -(torch.arange(V) - following).abs() * 0.01
    return kind(logits_HV)


def greedy(decoder: Any, target: Any) -> list[int]:
    canvas = Canvas.of_prompts([[4]], new_cells=[6])
    sampler = Sampler(Sampling(), Coins.of_seeds([0], cells=7))
    return fold(run(decoder, target, canvas, sampler)).row(0)[1:]


def test_at_temperature_0_a_neighbour_is_kept_and_a_stranger_is_not() -> None:
    target, draft = certain(1, 1, 1, 1, 1, kind=Embedded), certain(0, 0, 0, 0, 0)
    by = Speculative(draft, width=2)
    assert greedy(Grouped(by), target) == [0, 0, 1] * 2  # two guesses, and the target's own
    assert greedy(Grouped(by, gap=0.001), target) == [1] * 6
    assert greedy(Grouped(by, distance=0.5), target) == [0, 0, 1] * 2
    far = Speculative(certain(2, 2, 2, 2, 2), width=2)
    assert greedy(Grouped(far), target) == [2, 2, 1] * 2
    assert greedy(Grouped(far, distance=0.5), target) == [1] * 6


def test_what_the_target_calls_impossible_is_never_kept() -> None:
    target = certain(1, 1, 1, 1, 1)
    never = target.logits_HV.clone()
    never[:, 0] = -torch.inf
    assert greedy(Grouped(Speculative(certain(0, 0, 0, 0, 0))), TableLM(never)) == [1] * 6
    p_1V, q_1V = torch.tensor([[0.0, 1.0]]).double(), torch.tensor([[0.5, 0.5]]).double()
    group = Group(torch.tensor([[0, 1]]), torch.tensor([[True, True]]))
    assert kept_share(p_1V, q_1V, torch.tensor([0]), group).tolist() == [0]


def test_what_it_needs() -> None:
    assert [need.__name__ for need in Grouped(Speculative(NOBODY)).needs] == ["CausalLM"]
    near = Grouped(Speculative(NOBODY), distance=1.0)
    with pytest.raises(ValueError, match="EmbeddedLM"):
        greedy(near, Bare(certain(1, 1, 1, 1, 1)))
    for wrong in (PromptCopy(), Speculative(NOBODY, drafts=2)):
        with pytest.raises(ValueError, match="draws no chain"):
            Grouped(wrong)
    for judge in (Lenient, Grouped):
        with pytest.raises(ValueError, match="lenient already"):
            judge(Grouped(Speculative(NOBODY)))
    for field in ("reach", "gap", "distance"):
        with pytest.raises(ValueError, match="0 or more"):
            replace(Grouped(Speculative(NOBODY)), **{field: -1 if field == "reach" else -1.0})
    made = parse(
        "grouped:by=(speculative:draft_model=x,width=3),gap=0.2", load_model=lambda _: NOBODY
    )
    assert (made.by.width, made.gap) == (3, 0.2)  # type: ignore[attr-defined]
