"""Several tokens ahead off masks: cell by cell, as in a draft, and what dropping changes."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import permutations
from typing import Any

import pytest
import torch
from torch import Generator, Tensor

from anyorder.models.left_to_right.seq2seq import Seq2Seq
from anyorder.objectives.batch import Loss
from anyorder.objectives.cross_entropy import CrossEntropy
from anyorder.objectives.masked_ahead import MaskedAhead
from tests.train.made import batch, seq2seq

MASK = 3
NET, BATCH = seq2seq(decoder_layers=2).eval(), batch(longest=4)


def asked(objective: MaskedAhead, seed: int = 0) -> Loss:
    return objective(NET, BATCH, progress=0.0, rng=Generator().manual_seed(seed))


def said(net: Seq2Seq, source: Sequence[int], read: Sequence[int]) -> Tensor:
    """Log-probabilities behind the last of these tokens, read as any causal text is."""
    ids = torch.tensor([list(source)]), torch.tensor([len(source)])
    return net(*ids, torch.tensor([list(read)]))[0, -1].log_softmax(-1)


def by_hand(net: Seq2Seq, depth: int, places: Sequence[int] | None = None) -> tuple[Tensor, int]:
    """The loss at one depth behind these places (None: all), each read on its own."""
    total, units = torch.zeros(()), 0
    for b in range(2):
        target = BATCH.target_BN[b, : int(BATCH.target_B[b])].tolist()
        source = BATCH.source_BS[b, : int(BATCH.source_B[b])].tolist()
        read, write = [1, *target], [*target, 2]
        for place in range(len(write) - depth):
            if places is None or place in places:
                text = [*read[: place + 1], *[MASK] * depth]
                total = total - said(net, source, text)[write[place + depth]]
                units += 1
    return total, units


@torch.no_grad()
@pytest.mark.parametrize("offsets", [1, 3, 8])
def test_a_cell_says_what_it_says_in_a_draft(offsets: int) -> None:
    """All in one sequence is each on its own: the text, then its masks, and nothing else."""
    loss = asked(MaskedAhead(MASK, offsets=offsets, keep=1.0, smoothing=0.0))
    every = [by_hand(NET, depth) for depth in range(offsets)]
    torch.testing.assert_close(loss.total, torch.stack([total for total, _ in every]).sum())
    assert loss.units == sum(units for _, units in every)


@torch.no_grad()
def test_without_masks_it_is_cross_entropy() -> None:
    plain = CrossEntropy()(NET, BATCH, progress=0.0, rng=Generator())
    loss = asked(MaskedAhead(MASK, offsets=1))
    torch.testing.assert_close(loss.total, plain.total)
    assert loss.units == plain.units


@torch.no_grad()
def test_what_is_kept_says_the_same_as_if_nothing_were_dropped() -> None:
    objective = MaskedAhead(MASK, offsets=4, keep=0.5, least=0.0, smoothing=0.0)
    for seed in range(5):
        loss = asked(objective, seed)
        rank_N = torch.randperm(5, generator=Generator().manual_seed(seed))
        total, units = torch.zeros(()), 0
        for depth, count in enumerate(objective.counts(5)):
            places = (rank_N < count).nonzero()[:, 0].tolist()
            here, cells = by_hand(NET, depth, places)
            total, units = total + here, units + cells
        torch.testing.assert_close(loss.total, total)
        assert loss.units == units


def test_a_kept_cell_has_the_whole_chain_that_it_must_see() -> None:
    objective = MaskedAhead(MASK, offsets=5, keep=0.6, least=0.3)
    for seed in range(20):
        rank_N = torch.randperm(9, generator=Generator().manual_seed(seed))
        chains = objective.chains(rank_N)
        cells = list(zip(chains.place_T.tolist(), chains.depth_T.tolist(), strict=True))
        assert len(set(cells)) == len(cells)
        assert {(place, 0) for place in range(9)} <= {*cells}, "the text itself is never dropped"
        for (place, depth), sees_T in zip(cells, chains.sees_TT.tolist(), strict=True):
            must = {(n, 0) for n in range(place + 1)} | {(place, d) for d in range(depth + 1)}
            seen = {cell for cell, sees in zip(cells, sees_T, strict=True) if sees}
            assert seen == must


def gradient(objective: MaskedAhead, monkeypatch: pytest.MonkeyPatch, rank: tuple) -> Tensor:
    """Of the sum over all cells that these ranks keep, all weights in one row."""
    with monkeypatch.context() as patch:
        patch.setattr(torch, "randperm", lambda count, generator: torch.tensor(rank))
        NET.zero_grad()
        asked(objective).total.backward()
    return torch.cat([w.grad.flatten() for w in NET.parameters() if w.grad is not None]).double()


def mean_gradient(objective: MaskedAhead, monkeypatch: pytest.MonkeyPatch) -> Tensor:
    """Over all ways in which five places can be drawn."""
    every = [gradient(objective, monkeypatch, rank) for rank in permutations(range(5))]
    return torch.stack(every).mean(0)


def test_what_dropping_does_to_the_gradient(monkeypatch: pytest.MonkeyPatch) -> None:
    """As published, depth d counts as much as its share in expectation; `even` undoes that."""
    objective = MaskedAhead(MASK, offsets=3, keep=0.5, least=0.2, smoothing=0.1)
    every, rank = replace(objective, keep=1.0), tuple(range(5))
    upto = [replace(every, offsets=depth + 1) for depth in range(3)]
    sums = [gradient(each, monkeypatch, rank) for each in upto]
    depths = [sums[0], sums[1] - sums[0], sums[2] - sums[1]]
    counts = objective.counts(5)
    assert counts == [5, 3, 2]
    weighed = sum(count / 5 * each for count, each in zip(counts, depths, strict=True))
    assert isinstance(weighed, Tensor)
    close: dict[str, Any] = {"rtol": 1e-4, "atol": 1e-5}
    dropped = mean_gradient(objective, monkeypatch)
    torch.testing.assert_close(dropped, weighed, **close)
    assert not torch.allclose(dropped, sums[2], **close), "the sum over all cells is another one"
    torch.testing.assert_close(
        mean_gradient(replace(objective, even=True), monkeypatch), sums[2], **close
    )


@torch.no_grad()
def test_even_units_are_those_of_all_cells() -> None:
    even = asked(MaskedAhead(MASK, offsets=4, keep=0.5, least=0.1, even=True))
    assert even.units == asked(MaskedAhead(MASK, offsets=4, keep=1.0)).units


def test_cells_are_counted_in_expectation() -> None:
    objective = MaskedAhead(MASK, offsets=3, keep=0.5, least=0.2)
    every = [objective.chains(torch.tensor(rank)) for rank in permutations(range(5))]
    assert objective.cells(5) == pytest.approx(sum(len(c.place_T) for c in every) / len(every))
    assert MaskedAhead(MASK, offsets=8, keep=1.0).cells(3) == 3 + 2 + 1


def test_held_out_pairs_are_read_with_nothing_dropped() -> None:
    plain = MaskedAhead(MASK, keep=0.5).plain
    assert (plain.keep, plain.smoothing, plain.offsets) == (1.0, 0.0, 8)


def test_numbers_that_make_no_sense() -> None:
    wrong: list[dict[str, Any]] = [{"mask": -1}, {"offsets": 0}, {"keep": 0.0}, {"least": 2.0}]
    for options in [*wrong, {"smoothing": 1.0}]:
        with pytest.raises(ValueError, match=r"token|shares|smoothing"):
            MaskedAhead(**{"mask": MASK, **options})
