"""What a frozen model's guesses learn: its own distributions, cell by cell."""

from types import SimpleNamespace

import pytest
import torch
from torch import Generator, Tensor

from anyorder.models.foretold import Foretold
from anyorder.objectives.foretell import Foretell
from tests.train.made import batch, headed, transfer

FORETELL = Foretell()
BATCH = batch(longest=4)


def by_hand(net: torch.nn.Module) -> tuple[Tensor, int]:
    """Row by row without padding, cell by cell, guess by guess."""
    total, units = torch.zeros(()), 0
    for b in range(2):
        n, s = int(BATCH.target_B[b]), int(BATCH.source_B[b])
        read_1N = torch.tensor([[1, *BATCH.target_BN[b, :n].tolist()]])
        found = net.foretold(BATCH.source_BS[b : b + 1, :s], torch.tensor([s]), read_1N)  # type: ignore[operator]
        own_NC, ahead_NHC = found.own_BNC[0], found.ahead_BNHC[0]
        for cell in range(n + 1):
            for h in range(ahead_NHC.shape[1]):
                if cell + h + 1 <= n:
                    p_V = net.head(own_NC[cell + h + 1]).softmax(-1)  # type: ignore[operator]
                    q_V = net.head(ahead_NHC[cell, h]).softmax(-1)  # type: ignore[operator]
                    total = total + (p_V * (p_V / q_V).log()).sum()
                    units += 1
    return total, units


@pytest.mark.parametrize("make", [headed, transfer])
def test_each_guess_learns_what_the_model_says_there(make) -> None:
    net = make().train()
    loss = FORETELL(net, BATCH, progress=0.0, rng=Generator())
    wanted, units = by_hand(net)
    torch.testing.assert_close(loss.total, wanted)
    assert loss.units == units
    held_out = FORETELL.plain(net.eval(), BATCH, progress=1.0, rng=Generator())
    torch.testing.assert_close(held_out.total, wanted)


def test_heads_alone_learn() -> None:
    net = headed().train()
    FORETELL(net, BATCH, progress=0.0, rng=Generator()).total.backward()
    learnt = {name for name, x in net.named_parameters() if x.grad is not None}
    assert learnt == {f"heads.{name}" for name, _ in net.heads.named_parameters()}


def test_who_foretells_right_has_nothing_to_learn() -> None:
    own_BNC = torch.randn(2, 5, 8)
    later = [torch.cat([own_BNC[:, k:], torch.randn(2, k, 8)], 1) for k in (1, 2)]
    found = Foretold(own_BNC, torch.stack(later, 2), torch.randn(9, 8))
    model = SimpleNamespace(bos=1, eos=2, foretold=lambda *_: found)
    loss = FORETELL(model, BATCH, progress=0.0, rng=Generator())  # type: ignore[arg-type]
    assert loss.units == 4 + 3 + 2 + 1
    torch.testing.assert_close(loss.total, torch.zeros(()), atol=1e-5, rtol=0)
