"""Cells that leave early: equal to all layers for all cells, and plain where none leaves early."""

from collections.abc import Sequence

import pytest
import torch
from torch import Generator, Tensor, nn

from anyorder.canvas import Canvas
from anyorder.models.capability import ExitModel
from anyorder.models.parallel.length_based import LengthTransformer
from anyorder.nets.early_exit import Climbed, Leave, climb, ramps
from anyorder.nets.layers import Memory, Stack, Width, sees_of
from tests.train.made import length_based

WIDTH = Width(channels=16, heads=2, middle=32, dropout=0.0)
COUNT_B, SOURCE_B = torch.tensor([5, 2, 3]), torch.tensor([4, 1, 2])
DEPTH = 4


def made() -> tuple[Stack, Tensor, Tensor, Memory]:
    torch.manual_seed(2)
    stack = Stack(WIDTH, layers=DEPTH, cross=True).double()
    memory = Memory(torch.randn(3, 4, 16).double(), sees_of(SOURCE_B, 4))
    return stack, torch.randn(3, 5, 16).double(), sees_of(COUNT_B, 5), memory


def climbed(layer_BM: Tensor, *rows: int) -> Climbed:
    """Each cell leaves at its layer; of these rows (none: all)."""
    stack, x_BMC, sees_B1M, memory = made()
    chosen = torch.tensor(rows or range(3))
    memory = Memory(memory.states_BSC[chosen], memory.sees_B1S[chosen])

    return climb(stack, x_BMC[chosen], sees_B1M[chosen], memory, leaves(layer_BM[chosen]))


def leaves(layer_BM: Tensor) -> Leave:
    """Each cell leaves at its layer."""
    return lambda number, _normed_XC, row_X, cell_X: layer_BM[row_X, cell_X] == number


def drawn(seed: int) -> Tensor:
    return torch.randint(1, DEPTH + 1, (3, 5), generator=Generator().manual_seed(seed))


@torch.no_grad()
def test_if_all_leave_at_last_it_is_the_plain_stack() -> None:
    stack, x_BMC, sees_B1M, memory = made()
    plain = stack(x_BMC, sees_B1M, memory)
    last = climbed(torch.full((3, 5), DEPTH))
    real_BM = sees_B1M[:, 0]
    torch.testing.assert_close(last.states_BMC[real_BM], plain[real_BM])
    assert torch.equal(last.layer_BM, DEPTH * real_BM)
    every = ramps(stack, x_BMC, sees_B1M, memory)
    assert len(every) == DEPTH
    assert torch.equal(every[-1], plain)


@pytest.mark.parametrize("seed", range(6))
def test_it_is_what_all_layers_for_all_cells_would_be(seed: int) -> None:
    """Computed without saving: a state that has left is put back after every layer, and gets no
    gradient any more. Gradients, too.
    """
    layer_BM = drawn(seed)
    stack, x_BMC, sees_B1M, memory = made()
    begin_BMC = x_BMC.requires_grad_()
    expected = torch.zeros_like(x_BMC)
    for number, (layer, source) in enumerate(
        zip(stack.each, stack.sources(memory), strict=True), 1
    ):
        above = layer(x_BMC, lambda x, at=layer: (at.own.keys_values(x), sees_B1M), source)
        left_BM1 = (layer_BM < number)[..., None]
        x_BMC = torch.where(left_BM1, x_BMC, above)
        here_BM1 = (layer_BM == number)[..., None]
        expected = torch.where(here_BM1, stack.norm(x_BMC), expected)
        x_BMC = torch.where(here_BM1, x_BMC.detach(), x_BMC)
    real_BM = sees_B1M[:, 0]
    again_BMC = begin_BMC.detach().clone().requires_grad_()
    found = climb(stack, again_BMC, sees_B1M, memory, leaves(layer_BM))
    torch.testing.assert_close(found.states_BMC[real_BM], expected[real_BM])
    assert torch.equal(found.layer_BM, layer_BM * real_BM)
    for states_BMC in (expected, found.states_BMC):
        states_BMC[real_BM].square().mul(torch.arange(16)).sum().backward()
    torch.testing.assert_close(again_BMC.grad, begin_BMC.grad)
    for b in range(3):
        alone = climbed(layer_BM, b).states_BMC[0, : COUNT_B[b]]
        torch.testing.assert_close(alone, expected[b, : COUNT_B[b]])


@torch.no_grad()
def test_of_cells_that_have_left_keys_and_values_alone_are_computed() -> None:
    stack, x_BMC, sees_B1M, memory = made()
    computed, kept = list[int](), list[int]()
    for layer in stack.each:
        layer.middle.register_forward_hook(lambda _part, _x, y: computed.append(y.shape[1]))
        layer.own.key_value.register_forward_hook(lambda _part, _x, y: kept.append(y.shape[1]))
    layer_BM = torch.tensor([[1, 2, 2, 3, 1], [1, 1, 9, 9, 9], [2, 1, 1, 9, 9]])
    climb(stack, x_BMC, sees_B1M, memory, leaves(layer_BM))
    assert computed == [5, 3, 1], "the longest row says how many; the fourth layer is left out"
    assert kept == [5, 5, 5], "others see what has left at each layer that is computed"


def test_a_cell_moves_the_layers_that_it_has_passed() -> None:
    stack, x_BMC, sees_B1M, memory = made()
    layer_BM = torch.tensor([[1, 3, 3, 3, 3]] * 3)
    found = climb(stack, x_BMC, sees_B1M, memory, leaves(layer_BM))
    found.states_BMC[0, 0, 0].backward(retain_graph=True)
    assert [moved(layer.middle) for layer in stack.each] == [True, False, False, False]
    stack.zero_grad()
    found.states_BMC[0, 1, 0].backward()
    assert [moved(layer.middle) for layer in stack.each] == [True, True, True, False]


def moved(part: nn.Module) -> bool:
    """Whether its weights have a gradient."""
    return any(w.grad is not None and bool((w.grad != 0).any()) for w in part.parameters())


def model() -> LengthTransformer:
    return length_based(decoder_layers=DEPTH).double().eval()


def canvas(lengths: Sequence[int]) -> Canvas:
    return Canvas.of_prompts([[1]] * len(lengths), new_cells=list(lengths))


@torch.no_grad()
@pytest.mark.parametrize("entropy", [0.0, 1.5, 2.0, 9.0])
def test_a_model_is_plain_without_entropy_and_its_lower_layers_with_more(entropy: float) -> None:
    net, sources = model(), [[4, 5, 6], [7], [8, 4]]
    lm = net.read(sources)
    assert isinstance(lm, ExitModel)
    exits, cells = lm.exiting(entropy), canvas([4, 1, 6])
    logp_BNV, layer_BN = exits.fill(cells), exits.layers(cells)
    real_BN = torch.arange(7) <= torch.tensor([4, 1, 6])[:, None]
    assert bool(((layer_BN > 0) == real_BN).all())
    if entropy == 0.0:
        torch.testing.assert_close(logp_BNV[real_BN], lm.fill(cells)[real_BN])
        assert bool((layer_BN[real_BN] == DEPTH).all())
    if entropy == 9.0:  # more than any distribution has
        assert bool((layer_BN[real_BN] == 1).all())
    left_BN = real_BN & (layer_BN < DEPTH)
    told = torch.special.entr(logp_BNV.exp()).sum(-1)
    assert bool((told[left_BN] < entropy).all())
    for row, source in enumerate(sources):
        alone = net.read([source]).exiting(entropy)
        own = canvas([[4, 1, 6][row]])
        n = own.tokens_BN.shape[1]
        torch.testing.assert_close(alone.fill(own)[0], logp_BNV[row, :n])
        assert torch.equal(alone.layers(own)[0], layer_BN[row, :n])
        chosen = exits.select(torch.tensor([row]))
        torch.testing.assert_close(chosen.fill(own)[0], logp_BNV[row, :n])
