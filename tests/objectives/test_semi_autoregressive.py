"""The loss of masks behind a cut, cell by cell, and where cuts may be."""

from collections import Counter

import pytest
import torch
from torch import Generator, Tensor

from anyorder.objectives.batch import Batch
from anyorder.objectives.cross_entropy import CrossEntropy
from anyorder.objectives.semi_autoregressive import SemiAutoregressiveTuning
from tests.train.made import batch, semi_autoregressive

BATCH = batch()


def rng(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def by_hand(masked_BN: Tensor, kept_BN: Tensor) -> tuple[Tensor, int]:
    """Row by row: the text up to the cut, then masks; the next token after each."""
    net, total, units = semi_autoregressive().eval(), torch.zeros(()), 0
    for b in range(2):
        target = BATCH.target_BN[b, : int(BATCH.target_B[b])].tolist()
        read, write = [1, *target], [*target, 2]
        cells = [n for n in range(len(read)) if kept_BN[b, n]]
        seen = [3 if masked_BN[b, n] else read[n] for n in cells]
        source_S = BATCH.source_BS[b : b + 1, : int(BATCH.source_B[b])]
        logits_NV = net(source_S, BATCH.source_B[b : b + 1], torch.tensor([seen]))[0]
        for n in cells:
            total = total - logits_NV[n].log_softmax(-1)[write[n]]
            units += 1
    return total, units


@pytest.mark.parametrize("seed", range(6))
def test_the_loss_is_that_of_each_row_by_itself(seed: int) -> None:
    objective = SemiAutoregressiveTuning(masks=2, smoothing=0.0)
    loss = objective(semi_autoregressive().eval(), BATCH, progress=0.0, rng=rng(seed))
    total, units = by_hand(*objective.masked(BATCH.target_B, 6, rng(seed)))
    torch.testing.assert_close(loss.total, total)
    assert loss.units == units


def test_without_masks_it_is_cross_entropy() -> None:
    net = semi_autoregressive().eval()
    ours = SemiAutoregressiveTuning(share=1.0)(net, BATCH, progress=0.0, rng=rng())
    theirs = CrossEntropy()(net, BATCH, progress=0.0, rng=rng())
    assert torch.equal(ours.total, theirs.total)
    assert ours.units == theirs.units


def test_cuts_are_anywhere_that_leaves_all_masks_a_token() -> None:
    """Of a target of five tokens and its end, with three masks: behind 1, 2 or 3 read cells."""
    objective = SemiAutoregressiveTuning(masks=3, share=0.25)
    seen: Counter[str] = Counter()
    for seed in range(60):
        masked_BN, kept_BN = objective.masked(torch.full((40,), 5), 7, rng(seed))
        for masked, kept in zip(masked_BN.tolist(), kept_BN.tolist(), strict=True):
            signs = ("M" if m else "t" if k else "." for m, k in zip(masked, kept, strict=True))
            seen["".join(signs)] += 1
    assert set(seen) == {"ttttttt", "tMMM...", "ttMMM..", "tttMMM."}
    assert abs(seen["ttttttt"] / 2400 - 0.25) < 0.03
    assert all(abs(seen[cut] / 2400 - 0.25) < 0.03 for cut in ("tMMM...", "ttMMM..", "tttMMM."))


def test_a_target_that_is_too_short_has_fewer_masks() -> None:
    objective = SemiAutoregressiveTuning(masks=4, share=0.0)
    masked_BN, kept_BN = objective.masked(torch.tensor([2, 0]), 3, rng())
    assert masked_BN.tolist() == 2 * [[False, True, True]]
    assert kept_BN.all()
    empty = Batch(
        BATCH.source_BS, BATCH.source_B, torch.zeros(2, 0, dtype=torch.long), torch.tensor([0, 0])
    )
    loss = objective(semi_autoregressive().eval(), empty, progress=0.0, rng=rng())
    assert loss.units == 2


def test_what_it_refuses() -> None:
    assert SemiAutoregressiveTuning(masks=3).plain == SemiAutoregressiveTuning(3, smoothing=0.0)
    for options in ({"masks": 0}, {"share": 1.5}, {"smoothing": 1.0}):
        with pytest.raises(ValueError, match="not"):
            SemiAutoregressiveTuning(**options)
