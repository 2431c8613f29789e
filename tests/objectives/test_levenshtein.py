"""Dual policies: which texts they learn from, what they learn there, and what the loss is."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Generator, Tensor

from anyorder.align.edits import Edit, script
from anyorder.models.parallel.levenshtein import LevenshteinTransformer, Texts
from anyorder.models.sources import padded
from anyorder.objectives.batch import Batch, Loss
from anyorder.objectives.length_based import shown_by_chance
from anyorder.objectives.levenshtein import DualPolicy
from tests.train.made import levenshtein

# No token twice: it is plain which cells are missing.
TARGETS = [[4, 7, 5, 9, 8], [8], [6, 4, 9], [3, 9, 7, 4]]
BOS = 1


def batch() -> Batch:
    source_BS, source_B = padded([[5, 6, 7], [4], [8, 8], [4, 5, 6, 7]])
    return Batch(source_BS, source_B, *padded(TARGETS))


def loss_of(
    objective: DualPolicy, model: LevenshteinTransformer, batch: Batch, seed: int = 0
) -> Loss:
    return objective(model, batch, progress=0.0, rng=Generator().manual_seed(seed))


def recorded(model: LevenshteinTransformer, patch: pytest.MonkeyPatch) -> list[Texts]:
    """The texts that the model is shown from now on."""
    shown: list[Texts] = []
    right = model.features

    def noted(texts: Texts, memory: Any) -> Tensor:
        shown.append(texts)
        return right(texts, memory)

    patch.setattr(model, "features", noted)
    return shown


def lists(texts: Texts, *, holes: bool = True) -> list[list[int]]:
    """The tokens of each text; of an open cell -1, or nothing."""
    found = []
    for b, count in enumerate(texts.count_B.tolist()):
        cells = zip(texts.tokens_BN[b, :count].tolist(), texts.open_BN[b].tolist(), strict=False)
        row = [-1 if hole else token for token, hole in cells]
        found.append(row if holes else [token for token in row if token >= 0])
    return found


@torch.no_grad()
def test_the_loss_is_that_of_the_three_lessons() -> None:
    """Written out for targets that lack tokens by chance, each lesson cell by cell."""
    model, pairs = levenshtein().double().eval(), batch()
    loss = loss_of(DualPolicy().plain, model, pairs, seed=5)
    rng = Generator().manual_seed(5)
    real_BN = torch.arange(5) < pairs.target_B[:, None]
    shown_BN = shown_by_chance(real_BN, rng)
    torch.rand(4, generator=rng)  # whose state is the model's own: nobody's
    losses: dict[str, list[float]] = {"insertion": [], "fill": [], "deletion": []}
    said: list[Tensor] = []
    for b, target in enumerate(TARGETS):
        shown = shown_BN[b, : len(target)].tolist()
        assert not all(shown)
        state = [BOS, *(token for token, here in zip(target, shown, strict=True) if here)]
        features = seen(model, b, state, [])
        places = [-1, *(n for n, here in enumerate(shown) if here), len(target)]
        for n, logp in enumerate(model.insertion_logps(features)[0]):
            losses["insertion"].append(-float(logp[places[n + 1] - places[n] - 1]))
        holes = [n + 1 for n, here in enumerate(shown) if not here]
        logp_NV = model.fill_logps(seen(model, b, [BOS, *target], holes))[0]
        losses["fill"] += [-float(logp_NV[n, target[n - 1]]) for n in holes]
        said.append(logp_NV[holes])
    drawn = iter(torch.multinomial(torch.cat(said).exp(), 1, generator=rng)[:, 0].tolist())
    for b, target in enumerate(TARGETS):
        shown = shown_BN[b].tolist()
        text = [token if shown[n] else next(drawn) for n, token in enumerate(target)]
        edits = script(*padded([text]), *padded([target]), substitutes=False)
        away = edits.source_BS[0][edits.edit_BS[0] == Edit.DELETE].tolist()
        logp_N2 = model.deletion_logps(seen(model, b, [BOS, *text], []))[0, 1:]
        losses["deletion"] += [-float(logp[int(n in away)]) for n, logp in enumerate(logp_N2)]
    mean = sum(sum(each) / len(each) for each in losses.values())
    assert loss.units == 13
    assert float(loss.total) == pytest.approx(13 * mean, rel=1e-6)


def seen(model: LevenshteinTransformer, b: int, text: list[int], holes: list[int]) -> Tensor:
    """What stands above one text."""
    pairs = batch()
    memory = model.encode(
        pairs.source_BS[b : b + 1, : pairs.source_B[b]], pairs.source_B[b : b + 1]
    )
    open_1N = torch.zeros(1, len(text), dtype=torch.bool)
    open_1N[0, holes] = True
    return model.features(Texts(torch.tensor([text]), open_1N, torch.tensor([len(text)])), memory)


def test_each_policy_learns_from_what_the_other_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    model = levenshtein().eval()
    shown = recorded(model, monkeypatch)
    loss_of(DualPolicy(own=1.0), model, batch(), seed=2)
    damaged, own, state, opened, filled = shown
    assert [len(row) - 1 for row in lists(damaged)] == [5, 1, 3, 4]
    pairs = batch()
    memory = model.encode(pairs.source_BS, pairs.source_B)
    away_BN = model.deletion_logps(model.features(own, memory)).argmax(-1)
    for b, row in enumerate(lists(own)):
        left = [token for n, token in enumerate(row) if not n or not away_BN[b, n]]
        assert lists(state)[b] == left, "what the deletion leaves is inserted into"
    assert lists(opened, holes=False) == lists(state), "insertion takes nothing away"
    for row, cells in zip(lists(filled), lists(opened), strict=True):
        assert all(cell in (-1, token) for token, cell in zip(row, cells, strict=True))
    for texts in (own, state, filled):
        assert not bool(texts.open_BN.any())


def test_by_chance_each_number_of_tokens_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    model = levenshtein().eval()
    shown = recorded(model, monkeypatch)
    for seed in range(60):
        loss_of(DualPolicy(own=0.0), model, batch(), seed=seed)
    assert len(shown) == 3 * 60
    for b, target in enumerate(TARGETS):
        left = [lists(state)[b] for state in shown[::3]]
        assert {len(row) - 1 for row in left} == set(range(len(target)))
        for row in left:
            assert row == [BOS, *(token for token in target if token in row[1:])]
    opened = [lists(texts) for texts in shown[1::3]]
    assert all(
        len(row) == len(t) + 1 for rows in opened for row, t in zip(rows, TARGETS, strict=True)
    )


def test_what_stands_in_padding_changes_nothing() -> None:
    model, pairs = levenshtein().double().eval(), batch()
    real_BN = torch.arange(5) < pairs.target_B[:, None]
    real_BS = torch.arange(4) < pairs.source_B[:, None]
    junk = replace(
        pairs,
        target_BN=pairs.target_BN.where(real_BN, 7),
        source_BS=pairs.source_BS.where(real_BS, 7),
    )
    for objective in (DualPolicy(own=1.0), DualPolicy(own=0.0)):
        one, other = (loss_of(objective, model, each) for each in (pairs, junk))
        torch.testing.assert_close(one.total, other.total)


def test_every_weight_learns() -> None:
    model = levenshtein().train()
    loss_of(DualPolicy(), model, batch()).total.backward()
    assert [name for name, p in model.named_parameters() if p.grad is None] == []
    assert all(bool(p.grad.isfinite().all()) for p in model.parameters() if p.grad is not None)


def test_more_cells_than_can_be_inserted_at_once() -> None:
    """The number is as near as can be; the tokens are learnt all the same."""
    model = levenshtein(most=1)
    for own in (0.0, 1.0):
        assert bool(loss_of(DualPolicy(own=own), model, batch()).total.isfinite())


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"own": 1.5}, "from 0 to 1"),
        ({"smoothing": 1.0}, "below 1"),
        ({"number_smoothing": -0.1}, "below 1"),
    ],
)
def test_options_that_can_not_be(options: dict[str, float], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        DualPolicy(**options)
