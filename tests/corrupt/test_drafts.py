"""Drafts that are damaged: how much, to what, and never beyond the row."""

import pytest
import torch
from torch import Generator, Tensor

from anyorder.corrupt.drafts import DraftNoise

COUNT_B = torch.tensor([400, 100, 1])
DRAFT_BM = torch.arange(400).expand(3, -1) + 10  # no token twice
NOTHING, VOCAB = 3, 10  # what is drawn or empty is told from what is a row's own


def noisy(noise: DraftNoise, seed: int = 0) -> Tensor:
    rng = Generator().manual_seed(seed)
    return noise(DRAFT_BM, COUNT_B, nothing=NOTHING, vocab=VOCAB, rng=rng)


def test_shares_are_as_they_are_said_to_be() -> None:
    noise = DraftNoise(most=0.5, emptied=0.4, chance=0.3)
    changed, emptied, drawn, own = [], 0, 0, 0
    for seed in range(100):
        row_M = noisy(noise, seed)[0]
        changed.append(float((row_M != DRAFT_BM[0]).double().mean()))
        emptied += int((row_M == NOTHING).sum())
        drawn += int((row_M < VOCAB).sum() - (row_M == NOTHING).sum())
        own += int(((row_M >= VOCAB) & (row_M != DRAFT_BM[0])).sum())
    assert max(changed) < 0.6
    assert min(changed) < 0.05
    assert sum(changed) / 100 == pytest.approx(0.25, abs=0.04)
    total = emptied + drawn + own
    assert emptied / total == pytest.approx(0.4 + 0.3 / VOCAB, abs=0.02)
    assert drawn / total == pytest.approx(0.3 * (1 - 1 / VOCAB), abs=0.02)
    assert own / total == pytest.approx(0.3, abs=0.02)


def test_a_token_of_the_row_is_none_of_its_padding() -> None:
    noise = DraftNoise(most=1.0, emptied=0.0, chance=0.0)
    for seed in range(20):
        noisy_BM = noisy(noise, seed)
        assert int(noisy_BM[1, :100].max()) < 10 + 100
        assert int(noisy_BM[2, 0]) == 10


def test_no_noise_is_the_draft_and_the_seed_decides() -> None:
    assert torch.equal(noisy(DraftNoise(most=0.0)), DRAFT_BM)
    assert torch.equal(noisy(DraftNoise(), 4), noisy(DraftNoise(), 4))
    assert not torch.equal(noisy(DraftNoise(), 4), noisy(DraftNoise(), 5))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"most": 1.5}, "from 0 to 1"),
        ({"chance": -0.1}, "from 0 to 1"),
        ({"emptied": 0.8}, "more cells than there are"),
    ],
)
def test_what_can_not_be(options: dict[str, float], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        DraftNoise(**options)
