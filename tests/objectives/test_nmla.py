"""Non-monotonic alignments: equal to all paths and all orders, blind to order, finite gradients."""

import itertools
import math
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Generator, Tensor
from torch.nn.utils.rnn import pad_sequence

from anyorder.align.ctc import log_likelihood
from anyorder.align.lattice import CTCLattice
from anyorder.corrupt.glancing import Glancing
from anyorder.models.parallel.one_shot import CTCTransformer
from anyorder.objectives.batch import Batch
from anyorder.objectives.ctc import CTC
from anyorder.objectives.nmla import NonMonotonic, matched, ngram_f1
from tests.align.oracles import Text, ctc_texts, often
from tests.train.made import parallel, rows

V, BLANK = 4, 1
texts = st.lists(st.sampled_from([0, 2, 3]), min_size=1, max_size=4).map(tuple)


def lattice_of(seed: int, counts: list[int]) -> CTCLattice:
    """A random lattice; its padding is full of traps."""
    coins = torch.Generator().manual_seed(seed)
    logits_BMV = 2 * torch.randn(len(counts), max(counts), V, generator=coins, dtype=torch.double)
    lattice = CTCLattice(logits_BMV.log_softmax(-1), torch.tensor(counts), BLANK)
    trap_BMV = torch.full_like(lattice.logp_BMV, -77.0)
    return replace(lattice, logp_BMV=lattice.logp_BMV.where(lattice.real_BM[..., None], trap_BMV))


def targets_of(targets: list[Text]) -> tuple[Tensor, Tensor]:
    padded = pad_sequence([torch.tensor(target) for target in targets], True, 0)
    return padded, torch.tensor([len(target) for target in targets])


@given(
    seed=st.integers(0, 2**31 - 1),
    count=st.integers(1, 5),
    targets=st.tuples(texts, texts),
    size=st.integers(1, 3),
)
def test_f1_is_that_of_all_paths(
    seed: int, count: int, targets: tuple[Text, Text], size: int
) -> None:
    lattice = lattice_of(seed, [count, 5])
    found_B = ngram_f1(lattice, *targets_of([*targets]), size=size)
    for b, target in enumerate(targets):
        n = min(size, len(target))
        known = ctc_texts(lattice.logp_BMV[b, : lattice.count_B[b]].tolist(), BLANK)
        grams = Counter(target[i : i + n] for i in range(len(target) - n + 1))
        match = 0.0
        for gram, times in grams.items():
            match += min(times, sum(math.exp(p) * often(text, gram) for text, p in known.items()))
        mean = sum(math.exp(p) * len(text) for text, p in known.items())
        there = len(target) - n + 1 + max(0.0, mean - n + 1)
        assert float(found_B[b]) == pytest.approx(2 * match / there)


@given(
    seed=st.integers(0, 2**31 - 1),
    count=st.integers(1, 5),
    targets=st.tuples(texts, texts),
    margin=st.sampled_from([None, 1.0, 3.32]),
)
def test_the_matching_is_the_likeliest_of_all_orders(
    seed: int, count: int, targets: tuple[Text, Text], margin: float | None
) -> None:
    lattice = lattice_of(seed, [count, 5])
    found_B = matched(lattice, *targets_of([*targets]), margin=margin)
    for b, target in enumerate(targets):
        cells = lattice.logp_BMV[b, : lattice.count_B[b]].tolist()
        labels = [*target, *[BLANK] * (len(cells) - len(target))]
        if len(labels) > len(cells):
            assert float(found_B[b]) == -math.inf
            continue
        ways = [
            [cell[v] for cell, v in zip(cells, way, strict=True)]
            for way in itertools.permutations(labels)
        ]
        best = max(ways, key=sum)
        kept = [term for term in best if margin is None or term >= -margin]
        assert float(found_B[b]) == pytest.approx(sum(kept), abs=1e-9)


@pytest.mark.parametrize("size", [1, 2, 3])
def test_gradients_are_right_and_a_sure_lattice_is_perfect(size: int) -> None:
    lattice = lattice_of(4, [4, 4])
    target_BN, target_B = targets_of([(0, 2, 2), (3,)])

    def value(logp_BMV: Tensor) -> tuple[Tensor, Tensor]:
        seen = replace(lattice, logp_BMV=logp_BMV)
        one = ngram_f1(seen, target_BN, target_B, size=size)
        return one, matched(seen, target_BN, target_B)

    torch.autograd.gradcheck(value, lattice.logp_BMV.requires_grad_())
    path = torch.tensor([[0, 0, BLANK, 2, BLANK, 2], [BLANK, BLANK, 3, BLANK, BLANK, BLANK]])
    sure_BMV = torch.full((2, 6, V), -1e9).scatter_(2, path[..., None], 0.0)
    sure = CTCLattice(sure_BMV, torch.tensor([6, 6]), BLANK)
    f1_B = ngram_f1(sure, target_BN, target_B, size=size)
    torch.testing.assert_close(f1_B, torch.ones(2))


def test_another_order_is_forgiven_by_unigrams_and_matching_alone() -> None:
    lattice = lattice_of(9, [6])
    one, other = ((0, 2, 3, 2), (2, 3, 2, 0))
    of = {text: targets_of([text]) for text in (one, other)}
    for value in (
        lambda *target: ngram_f1(lattice, *target, size=1),
        lambda *target: matched(lattice, *target),
    ):
        torch.testing.assert_close(value(*of[one]), value(*of[other]))
    for value in (
        lambda *target: ngram_f1(lattice, *target, size=2),
        lambda *target: log_likelihood(lattice, *target),
    ):
        assert not torch.isclose(value(*of[one]), value(*of[other]))


MIXED = {
    "bigrams": NonMonotonic(),
    "unigrams": NonMonotonic(size=1),
    "matching": NonMonotonic(f1=0.0, matching=1.0),
    "all": NonMonotonic(f1=0.5, matching=0.2, likelihood=0.3, margin=None),
    "all, glancing": NonMonotonic(matching=0.2, likelihood=0.3, glancing=Glancing()),
}


def loss_of(model: Any, objective: Any, batch: Batch) -> Any:
    return objective(model, batch, progress=0.5, rng=Generator().manual_seed(0))


@pytest.mark.parametrize("name", MIXED)
def test_gradients_are_finite_even_for_targets_that_no_lattice_holds(name: str) -> None:
    model = parallel(CTCTransformer)
    batch = rows().batch(range(6))
    long_BN = torch.full((6, 30), 5)
    long_BN[:, : batch.target_BN.shape[1]] = batch.target_BN
    long_B = torch.tensor([30, *batch.target_B[1:]])
    long = replace(batch, target_BN=long_BN, target_B=long_B, origin_BN=None)
    loss = loss_of(model, MIXED[name], long)
    assert bool(loss.total.isfinite())
    loss.total.backward()
    gradients = [p.grad for p in model.parameters() if p.grad is not None]
    assert gradients
    assert all(bool(gradient.isfinite().all()) for gradient in gradients)
    objective = MIXED[name]
    fits = not (objective.matching or objective.likelihood)
    assert loss.notes["too long"] == (0 if fits else 1)
    assert loss.units == int(long.target_B[(0 if fits else 1) :].sum())


def test_the_likelihood_alone_is_ctc() -> None:
    model, batch = parallel(CTCTransformer).eval(), rows().batch(range(6))
    one = loss_of(model, NonMonotonic(f1=0.0, likelihood=1.0), batch)
    torch.testing.assert_close(one.total, loss_of(model, CTC(), batch).total)


def test_it_improves_what_it_measures() -> None:
    torch.manual_seed(0)
    model, batch = parallel(CTCTransformer), rows().batch(range(30))
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    for objective, steps in ((CTC(), 40), (NonMonotonic(), 30)):
        before = loss_of(model.eval(), NonMonotonic(), batch).total
        model.train()
        for _ in range(steps):
            optimizer.zero_grad()
            loss = loss_of(model, objective, batch)
            (loss.total / loss.units).backward()
            optimizer.step()
    after = loss_of(model.eval(), NonMonotonic(), batch).total
    assert float(after.detach()) < 0.9 * float(before.detach())


def test_what_can_not_be_is_a_sentence() -> None:
    for options in ({"size": 0}, {"f1": 0.0}, {"matching": -1.0}, {"f1": math.nan}):
        with pytest.raises(ValueError, match="one is above 0"):
            NonMonotonic(**options)  # type: ignore[arg-type]
    assert NonMonotonic(glancing=Glancing()).plain == NonMonotonic()
