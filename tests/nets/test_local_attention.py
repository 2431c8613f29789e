"""Local attention beside global: against plain loops, and equal to plain where it must be."""

from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor

from anyorder.canvas import Canvas
from anyorder.models.parallel.length_based import LengthTransformer
from anyorder.models.parallel.one_shot import CTCTransformer
from anyorder.nets.layers import Attention, Width, sees_of
from anyorder.nets.local_attention import AroundPeak
from tests.train.made import length_based, parallel

WIDTH = Width(channels=16, heads=2, middle=32)
B, T, S = 3, 4, 7
COUNT_B = torch.tensor([7, 3, 1])
NETS: dict[str, Any] = {
    "length": length_based,
    "CTC": lambda window=None: parallel(CTCTransformer, window),
}
SOURCES = [[4, 5, 6, 7, 8], [7], [8, 4, 4]]


def made(window: int | None) -> Attention:
    torch.manual_seed(3)
    return Attention(WIDTH, window=window).double()


def drawn() -> tuple[Tensor, Tensor, Tensor]:
    torch.manual_seed(5)
    x_BTC, source_BSC = 3 * torch.randn(B, T, 16).double(), 3 * torch.randn(B, S, 16).double()
    return x_BTC, source_BSC, sees_of(COUNT_B, S)


def only(module: AroundPeak, bias: float) -> None:
    """A gate that is open to one side alone."""
    with torch.no_grad():
        module.gate.weight.zero_()
        module.gate.bias.fill_(bias)


def by_loops(attention: Attention, x_BTC: Tensor, source_BSC: Tensor) -> Tensor:
    """The definition, cell by cell and head by head."""
    near = attention.near
    assert near is not None
    keys, values = attention.keys_values(source_BSC)
    query_BTHD = attention.query(x_BTC).unflatten(-1, (2, 8))
    found = torch.zeros_like(query_BTHD)
    for b, count in enumerate(COUNT_B.tolist()):
        for t in range(T):
            for h in range(2):
                query_D = query_BTHD[b, t, h]
                scores = [float(query_D @ keys[b, h, s]) / 8**0.5 for s in range(count)]
                best = scores.index(max(scores))
                share = float(near.gate(query_D).sigmoid())
                window = range(max(0, best - near.window), min(count, best + near.window + 1))
                for part, cells in ((share, range(count)), (1 - share, window)):
                    weights = torch.tensor([scores[s] for s in cells]).double().softmax(0)
                    for weight, s in zip(weights, cells, strict=True):
                        found[b, t, h] += part * weight * values[b, h, s]
    return attention.out(found.flatten(2))


@torch.no_grad()
@pytest.mark.parametrize("window", [0, 1, 2])
def test_it_is_what_the_loops_say(window: int) -> None:
    attention, (x_BTC, source_BSC, sees) = made(window), drawn()
    found = attention(x_BTC, attention.keys_values(source_BSC), sees)
    torch.testing.assert_close(found, by_loops(attention, x_BTC, source_BSC))


@torch.no_grad()
@pytest.mark.parametrize(("window", "bias"), [(0, 1e4), (2, 1e4), (6, -1e4), (6, 0.0)])
def test_a_gate_that_is_global_or_a_window_that_has_all_is_plain(window: int, bias: float) -> None:
    attention, plain, (x_BTC, source_BSC, sees) = made(window), made(None), drawn()
    assert attention.near is not None
    only(attention.near, bias)
    for mask in (sees, None):
        one, other = (
            each(x_BTC, each.keys_values(source_BSC), mask) for each in (attention, plain)
        )
        torch.testing.assert_close(one, other)
        weights = [
            each.weights(x_BTC, each.keys_values(source_BSC), mask) for each in (attention, plain)
        ]
        torch.testing.assert_close(*weights)


@torch.no_grad()
def test_without_global_attention_only_the_window_counts() -> None:
    attention, (x_BTC, source_BSC, sees) = made(1), drawn()
    assert attention.near is not None
    only(attention.near, -1e4)
    weight_BHTS = attention.weights(x_BTC, attention.keys_values(source_BSC), sees)
    torch.testing.assert_close(weight_BHTS.sum(-1), torch.ones(B, 2, T).double())
    assert int((weight_BHTS > 0).sum(-1).max()) == 3
    for row in weight_BHTS.flatten(0, 2):
        used = row.nonzero()[:, 0].tolist()
        assert all(after == before + 1 for before, after in pairwise(used))
    assert bool((weight_BHTS[1, ..., 3:] == 0).all()), "padding is not in the window"


@torch.no_grad()
@pytest.mark.parametrize("name", NETS)
def test_a_network_whose_gates_are_global_is_the_plain_one(name: str) -> None:
    near, plain = NETS[name](window=1).double().eval(), NETS[name]().double().eval()
    for module in near.modules():
        if isinstance(module, AroundPeak):
            only(module, 1e4)
    plain.load_state_dict(near.state_dict(), strict=False)
    for net in (near, plain):
        assert sum(isinstance(module, AroundPeak) for module in net.modules()) == (net is near)
    one, other = (logits(net) for net in (near, plain))
    torch.testing.assert_close(one, other)


@torch.no_grad()
@pytest.mark.parametrize("name", NETS)
def test_a_source_says_the_same_alone_and_in_company(name: str) -> None:
    net = NETS[name](window=1).double().eval()
    together = logits(net)
    for b, source in enumerate(SOURCES):
        alone = logits(net, [source])[0]
        torch.testing.assert_close(together[b, : len(alone)], alone)


def logits(net: Any, sources: list[list[int]] = SOURCES) -> Tensor:
    if isinstance(net, LengthTransformer):
        cells = [2 * len(source) for source in sources]
        return net.read(sources).fill(Canvas.of_prompts([[1]] * len(sources), new_cells=cells))
    return net.read(sources).ctc().logp_BMV


def test_the_gate_learns() -> None:
    attention, (x_BTC, source_BSC, sees) = made(1), drawn()
    attention(x_BTC, attention.keys_values(source_BSC), sees).square().sum().backward()
    assert attention.near is not None
    for weight in attention.parameters():
        assert weight.grad is not None
        assert bool(weight.grad.isfinite().all())
    assert float(attention.near.gate.weight.grad.abs().sum()) > 0


def test_a_window_below_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="not -1"):
        AroundPeak(8, -1)
