"""For a while nothing is dropped out; gradients are another matter."""

from contextlib import suppress

import pytest
import torch

from anyorder.models.undropped import undropped
from tests.train.made import headed

GIVEN = (torch.tensor([[4, 5, 6]]), torch.tensor([3]), torch.tensor([[1, 4, 5, 6]]))


def test_it_says_what_it_says_when_it_writes() -> None:
    net = headed().train()
    with undropped(net):
        inside = net.features(*GIVEN)
    assert inside.requires_grad
    assert not torch.equal(net.features(*GIVEN), inside), "dropout is back"
    assert torch.equal(net.eval().features(*GIVEN), inside)


@pytest.mark.parametrize("training", [False, True])
def test_it_is_in_its_mode_again_whatever_happened(training: bool) -> None:
    net = headed().train(training)
    with suppress(ValueError), undropped(net):
        assert not any(part.training for part in net.modules())
        raise ValueError("on the way")
    assert {part.training for part in net.modules()} == {training}
