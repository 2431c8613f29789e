"""The model that is told any cells: what it is told counts, and all calls of a text agree."""

import pytest
import torch
from torch import Tensor

from anyorder.models.further import AnySubsetModel
from tests.train.made import any_subset

TEXT = torch.tensor([[1, 4, 5, 6, 7, 2]])
RANKS = torch.tensor([[0, 1, 0, 2, 3, 0]])  # cells 1, 3 and 4 are written, in this order
CELLS = torch.tensor([[1, 3, 4]])


def changed(cell: int, token: int = 8) -> Tensor:
    other = TEXT.clone()
    other[0, cell] = token
    return other


@torch.no_grad()
@pytest.mark.parametrize("cell", range(6))
def test_a_cell_is_told_given_ones_and_those_before_it(cell: int) -> None:
    lm = any_subset(layers=2).double().eval()
    assert isinstance(lm, AnySubsetModel)
    own_BQ = RANKS.gather(1, CELLS)
    first = lm.among(TEXT, RANKS, CELLS, own_BQ).softmax(-1)
    moved = (lm.among(changed(cell), RANKS, CELLS, own_BQ).softmax(-1) - first).abs().amax((0, 2))
    told_Q = RANKS[0, cell] < own_BQ[0]
    assert (moved > 1e-9).tolist() == told_Q.tolist()


@torch.no_grad()
def test_a_draft_that_is_kept_was_told_as_it_will_be() -> None:
    """What a cell is told of others does not depend on the call, nor on what is not written yet."""
    lm = any_subset(layers=2).double().eval()
    own_BQ = RANKS.gather(1, CELLS)
    whole = lm.among(TEXT, RANKS, CELLS, own_BQ)
    for at, unwritten in enumerate([[1, 3, 4], [3, 4], [4]]):
        tokens_BN = TEXT.clone()
        tokens_BN[:, unwritten] = 0
        alone = lm.among(tokens_BN, RANKS, CELLS[:, at:], own_BQ[:, [at]].expand(1, 3 - at))
        torch.testing.assert_close(alone[:, 0], whole[:, at])


@torch.no_grad()
def test_a_text_is_told_the_same_alone_and_in_company() -> None:
    lm = any_subset(layers=2).double().eval()
    long = torch.tensor([[1, 4, 5, 6, 7, 2], [1, 9, 9, 0, 0, 0]])
    ranks = torch.tensor([[0, 1, 0, 2, 3, 0], [0, 1, 2, 6, 7, 8]])
    cells = torch.tensor([[1, 3], [1, 2]])
    both = lm.among(long, ranks, cells, ranks.gather(1, cells))
    short = lm.among(long[1:, :3], ranks[1:, :3], cells[1:], ranks.gather(1, cells)[1:])
    torch.testing.assert_close(both[1:], short)


@torch.no_grad()
def test_no_text_begins_or_ends_twice() -> None:
    lm = any_subset().eval()
    given, cell = torch.tensor([[0, 1, 0, 0, 0, 0]]), torch.tensor([[1]])
    probs_V = lm.among(TEXT, given, cell, cell)[0, 0].softmax(-1)
    assert probs_V[[1, 2]].tolist() == [0.0, 0.0]
    assert float(probs_V.sum()) == pytest.approx(1.0)
    open_end = torch.tensor([[0, 1, 0, 0, 0, 2]])
    probs_V = lm.among(TEXT, open_end, cell, cell)[0, 0].softmax(-1)
    assert float(probs_V[1]) == 0.0 < float(probs_V[2])


def test_it_translates_nothing() -> None:
    with pytest.raises(ValueError, match="give it a text with ___"):
        any_subset().read([[4]])
