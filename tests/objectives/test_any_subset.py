"""The likelihood of what is hidden, in order, against counting cell by cell."""

from pathlib import Path

import pytest
import torch
from torch import Generator, Tensor

from anyorder.objectives.any_subset import GivenSubset, drawn, framed, ranks
from anyorder.train.batches import Rows
from anyorder.train.loop import train
from anyorder.train.recipe import Recipe
from anyorder.train.schedule import Cosine
from tests.train.made import any_subset, batch

BATCH = batch()


@torch.no_grad()
def by_hand(lm: object, tokens: list[int], hidden: list[int]) -> float:
    """- log p of the hidden cells, each told the given ones and the hidden ones before it, by a
    model that is shown a text from which all other cells' tokens are gone.
    """
    total = 0.0
    for at, cell in enumerate(hidden):
        later = hidden[at:]
        shown = torch.tensor([[0 if n in later else token for n, token in enumerate(tokens)]])
        rank = torch.tensor(
            [[1 + hidden.index(n) if n in hidden else 0 for n in range(len(tokens))]]
        )
        one = torch.tensor([[cell]])
        logits_V = lm.among(shown, rank, one, rank.gather(1, one))[0, 0]  # type: ignore[attr-defined]
        total -= float(logits_V.log_softmax(-1)[tokens[cell]])
    return total


@torch.no_grad()
def test_the_loss_is_that_of_the_hidden_cells_in_order() -> None:
    lm, objective = any_subset(layers=2).double().eval(), GivenSubset().plain
    loss = objective(lm, BATCH, progress=0.0, rng=Generator().manual_seed(5))
    tokens_BN, count_B = framed(BATCH.target_BN, BATCH.target_B, 1, 2)
    hidden_BN = drawn(count_B, tokens_BN.shape[1], Generator().manual_seed(5))
    total = 0.0
    for b, count in enumerate(count_B.tolist()):
        hidden = hidden_BN[b].nonzero()[:, 0].tolist()
        assert all(0 < cell < count for cell in hidden)
        total += by_hand(lm, tokens_BN[b, :count].tolist(), hidden)
    assert float(loss.total) == pytest.approx(total)
    assert loss.units == int(hidden_BN.sum())


def test_every_cell_but_the_first_is_hidden_as_often_as_any_other() -> None:
    count_B = torch.tensor([3, 6, 10]).repeat_interleave(4000)
    hidden_BN = drawn(count_B, 10, Generator().manual_seed(0))
    for count in (3, 6, 10):
        share_N = hidden_BN[count_B == count].double().mean(0)
        assert share_N[0] == 0.0 == share_N[count:].sum()
        mean = float(share_N[1:count].mean())
        assert mean == pytest.approx((1 + (count - 2) / 2) / (count - 1), abs=0.02)
        assert float((share_N[1:count] - mean).abs().max()) < 0.04
        many_B = hidden_BN[count_B == count].sum(-1)
        assert (int(many_B.min()), int(many_B.max())) == (1, count - 1)


def asked(ahead: float) -> tuple[Tensor, Tensor, Tensor]:
    """What hidden cells are told, their own ranks, and which are no padding."""
    tokens_BN, count_B = framed(torch.full((500, 9), 4), torch.full((500,), 9), 1, 2)
    made = GivenSubset(ahead=ahead).asked(tokens_BN, count_B, Generator().manual_seed(0))
    return made.seen_BQ, made.rank_BN.gather(1, made.cells_BQ), made.inside_BQ


def test_a_part_is_told_fewer_cells_as_drafts_are() -> None:
    seen_BQ, own_BQ, inside_BQ = asked(0.5)
    seen_X, own_X = seen_BQ[inside_BQ], own_BQ[inside_BQ]
    assert bool(((1 <= seen_X) & (seen_X <= own_X)).all())
    late_X = seen_X[own_X == 8]
    assert float((late_X < 8).double().mean()) == pytest.approx(0.5 * 7 / 8, abs=0.1)
    assert set(late_X.tolist()) == set(range(1, 9))
    seen_BQ, own_BQ, inside_BQ = asked(0.0)
    assert torch.equal(seen_BQ[inside_BQ], own_BQ[inside_BQ])


def test_padding_is_asked_nothing_and_told_to_nobody() -> None:
    _, own_BQ, inside_BQ = asked(0.0)
    assert torch.equal(own_BQ[inside_BQ].sort().values, own_BQ[own_BQ > 0].sort().values)
    hidden_BN = torch.tensor([[False, True, False, False]])
    assert ranks(hidden_BN, torch.tensor([2])).tolist() == [[0, 1, 4, 4]]


def test_what_can_not_be() -> None:
    with pytest.raises(ValueError, match="from 0 to 1"):
        GivenSubset(ahead=1.5)


def test_it_learns_what_stands_beside_what(tmp_path: Path) -> None:
    """Texts of one token, many times: any that is known tells all others."""
    texts = tuple([4 + n % 5] * (3 + n % 4) for n in range(60))
    recipe = Recipe(steps=200, cells=100, schedule=Cosine(peak=1e-2, warmup=20), check_every=50)
    trained = train(
        any_subset(), GivenSubset(), Rows(texts, texts), Rows(texts, texts), recipe, tmp_path
    )
    assert trained.held_out < 0.6
