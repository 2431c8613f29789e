"""Networks on a graphics processor: the same numbers, whatever is filled up, cut and captured.

On a machine without one the same operators run on the CPU, and what Triton compiles is not tried.
Shapes: B rows, T new cells, V vocabulary.
"""

import gc
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from anyorder.masks import Tree
from anyorder.nets.graphed import memory, network
from anyorder.nets.graphed.form import FIXED, graphed_form
from anyorder.nets.graphed.memory import MOST_FREE, Block, Pool, roomy
from anyorder.nets.graphed.network import SIZES, Graphed
from anyorder.nets.graphed.operators import PLAIN
from anyorder.nets.graphed.trial import agree
from anyorder.nets.linear import BehindNorm, Plain
from anyorder.nets.transformer import Shape
from tests.nets.made import LLAMA, LONGEST, SHAPES, VOCAB, Parts, every_shape

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
on_a_graphics_processor = pytest.mark.skipif(DEVICE.type == "cpu", reason="there is no CUDA here")
TREE = Tree(torch.tensor([[-1, 0, 0, 2, -1, 4], [-1, -1, 1, 1, 2, -2]]))


def graphed(parts: Parts, precision: str = "float32", fixed: int | None = None) -> Graphed:
    dtype = torch.bfloat16 if precision == "bfloat16" else torch.float32
    return Graphed(DEVICE, fixed, **{**vars(parts), "shape": replace(parts.shape, dtype=dtype)})


def conversation(net: Any) -> list[Tensor]:
    """A prompt, rows of different lengths, a tree below them, a path of it, and what follows."""
    cache, said = net.new_cache(2, LONGEST), []
    tokens_BT = torch.arange(2 * 40).view(2, 40) * 7 % VOCAB
    said.append(net.extend(tokens_BT, cache))
    cache.keep(torch.arange(40).expand(2, 40), torch.tensor([40, 33]))
    said.append(net.extend(tokens_BT[:, :6], cache, tree=TREE)[:, :5])
    cache.keep(torch.tensor([[0, 2, 3], [1, 2, 4]]), torch.tensor([3, 2]))
    said.append(net.extend(tokens_BT[:, :1], cache))
    cache.keep(torch.zeros(2, 1, dtype=torch.long), torch.tensor([1, 0]))
    chosen = cache.select(torch.tensor([1, 0, 1]))
    middle_BS = torch.ones(3, 1, dtype=torch.long)
    said.append(net.extend(tokens_BT[:1, :3].expand(3, 3), chosen, score_BS=middle_BS))
    cache.trim(torch.tensor([10, 20]))
    said.append(net.extend(tokens_BT[:, :2], cache, score_BS=torch.tensor([[-1], [0]])))
    return [logits.float().cpu() for logits in said]


@every_shape
@pytest.mark.parametrize("fixed", [None, 16])
def test_it_says_what_the_plain_network_says(shape: Shape, fixed: int | None) -> None:
    parts = Parts.of(shape)
    for mine, theirs in zip(
        conversation(graphed(parts, fixed=fixed)), conversation(parts.twin()), strict=True
    ):
        torch.testing.assert_close(mine, theirs, atol=2e-4, rtol=1e-4)


@every_shape
def test_bfloat16_is_near(shape: Shape) -> None:
    parts = Parts.of(shape)
    for mine, theirs in zip(
        conversation(graphed(parts, "bfloat16")), conversation(parts.twin()), strict=True
    ):
        assert (mine - theirs).norm() < 0.05 * theirs.norm()


@on_a_graphics_processor
@every_shape
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_kernels_compute_what_operators_compute(shape: Shape, precision: str) -> None:
    parts = Parts.of(shape)
    net, plain = graphed(parts, precision), graphed(parts, precision)
    assert net.operators is not PLAIN
    plain.operators = PLAIN
    for mine, theirs in zip(conversation(net), conversation(plain), strict=True):
        assert (mine - theirs).norm() < (1e-5 if precision == "float32" else 0.02) * theirs.norm()


@on_a_graphics_processor
@every_shape
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_with_one_size_not_a_bit_changes(shape: Shape, precision: str) -> None:
    net = graphed(Parts.of(shape), precision, FIXED)
    text = [i * 11 % VOCAB for i in range(70)]
    cache, alone = net.new_cache(1, LONGEST), []
    for token in text:
        alone.append(net.extend(torch.tensor([[token]]), cache)[0, 0])
        cache.keep(torch.tensor([[0]]), torch.tensor([1]))
    others_BT = torch.randint(VOCAB, (5, 70))
    together = net.extend(torch.cat([others_BT, torch.tensor([text])]), net.new_cache(6, 70))[5]
    assert torch.equal(torch.stack(alone), together)
    cache = net.new_cache(1, LONGEST)
    net.extend(torch.tensor([text[:50]]), cache)
    cache.keep(torch.arange(50)[None], torch.tensor([50]))
    below = torch.tensor([[text[50], 3, text[51], 5, text[52], text[53]]])
    tree = Tree(torch.tensor([[-1, -1, 0, 1, 2, 4]]))
    said = net.extend(below, cache, tree=tree)[0, [0, 2, 4, 5]]
    assert torch.equal(said, torch.stack(alone[50:54]))
    cache.keep(torch.tensor([[0, 2, 4, 5]]), torch.tensor([4]))
    assert torch.equal(net.extend(torch.tensor([[text[54]]]), cache)[0, 0], alone[54])


def test_norm_weights_may_stand_apart() -> None:
    parts = Parts.of(LLAMA)
    norm_C = torch.rand(LLAMA.channels) + 0.5
    folded = replace(parts, head=Plain(parts.head.weight_OI * norm_C))
    apart = replace(parts, head=BehindNorm(parts.head.weight_OI, None, norm_C))
    tokens_BT = torch.randint(VOCAB, (1, 5))
    mine, theirs = (
        net.extend(tokens_BT, net.new_cache(1, 5)) for net in (graphed(apart), graphed(folded))
    )
    torch.testing.assert_close(mine, theirs, atol=1e-4, rtol=1e-4)


def test_a_call_longer_than_any_size_is_cut_into_parts() -> None:
    parts = Parts.of(replace(LLAMA, max_length=400))
    net, twin = graphed(parts), parts.twin()
    T = SIZES[-1] + 30
    tokens_BT = torch.randint(VOCAB, (2, T))
    score_BS = torch.tensor([[T - 1, 0, 3], [5, SIZES[-1], 2]])
    mine = net.extend(tokens_BT, net.new_cache(2, T), score_BS=score_BS)
    theirs = twin.extend(tokens_BT, twin.new_cache(2, T), score_BS=score_BS)
    torch.testing.assert_close(mine.cpu(), theirs, atol=2e-4, rtol=1e-4)


def test_a_tree_may_be_cut_into_parts_and_a_cell_be_scored_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(network, "SIZES", (2, 4))
    parts = Parts.of(LLAMA)
    net, twin, tokens_BT = graphed(parts), parts.twin(), torch.randint(VOCAB, (2, 6))
    for score in ([[5, 0, 5, 1, 1, 2, 3, 0], [0] * 8], [[5] * 6, [5] * 6]):
        mine, theirs = (
            each.extend(tokens_BT, each.new_cache(2, 6), tree=TREE, score_BS=torch.tensor(score))
            for each in (net, twin)
        )
        torch.testing.assert_close(mine.cpu(), theirs, atol=2e-4, rtol=1e-4)


def test_what_was_said_stays_when_more_is_said() -> None:
    net = graphed(Parts.of(LLAMA))
    cache = net.new_cache(1, 8)
    first = net.extend(torch.tensor([[1]]), cache)
    before = first.clone()
    net.extend(torch.tensor([[2]]), cache)
    assert torch.equal(first, before)


def test_logits_of_nothing_can_be_asked() -> None:
    net = graphed(Parts.of(LLAMA))
    none = torch.zeros(2, 0, dtype=torch.long)
    said = net.extend(torch.randint(VOCAB, (2, 3)), net.new_cache(2, 8), score_BS=none)
    assert said.shape == (2, 0, VOCAB)


def test_a_block_serves_one_cache_after_the_other() -> None:
    net = graphed(Parts.of(LLAMA))
    cache = net.new_cache(2, 30)
    net.extend(torch.randint(VOCAB, (2, 9)), cache)
    block = cache.block
    assert block.calls
    other = net.new_cache(2, 30)
    assert other.block is not block
    del cache
    gc.collect()
    again = net.new_cache(2, 40)  # of the same size
    assert again.block is block
    assert net.new_cache(2, 40).block is not block


def blocks_of(pool: Pool, batches: range) -> list[Block]:
    """Blocks that were taken and given back."""
    blocks = [pool.take(batch, 3) for batch in batches]
    for block in blocks:
        pool.give(block)
    return blocks


def test_few_blocks_wait_and_little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = Pool(lambda batch, cells: torch.zeros(1, 2, batch, 1, cells, 1))
    blocks = blocks_of(pool, range(1, MOST_FREE + 3))
    assert pool.take(MOST_FREE + 2, roomy(3)) is blocks[-1]
    assert pool.free == blocks[2:-1]
    monkeypatch.setattr(memory, "MOST_BYTES", 0)
    assert pool.take(1, 3) not in blocks
    assert pool.free == blocks[-2:-1]


def test_a_block_may_be_given_back_in_the_middle_of_anything() -> None:
    pool = Pool(lambda batch, cells: torch.zeros(1, 2, batch, 1, cells, 1))
    block = pool.take(1, 3)
    with pool.lock:  # as if a collector had come by while a block was taken
        pool.give(block)
    assert pool.take(1, 3) is block


def test_what_waits_goes_before_memory_is_short() -> None:
    full = [False]

    def new(batch: int, cells: int) -> Tensor:
        if full[0] and pool.free:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return torch.zeros(1, 2, batch, 1, cells, 1)

    pool = Pool(new)
    blocks_of(pool, range(1, 4))
    full[0] = True
    assert pool.take(9, 3).size == (9, roomy(3))
    assert not pool.free


def test_kernels_are_tried_beside_the_operators() -> None:
    def nonsense(*_: Any) -> Tensor:
        raise RuntimeError("no such instruction")

    cpu = torch.device("cpu")
    for shape in SHAPES.values():
        assert agree(PLAIN, PLAIN, cpu, shape)
        assert not agree(replace(PLAIN, attend=nonsense), PLAIN, cpu, shape)
        for part in ("add_norm", "write", "attend", "gate"):
            own = getattr(PLAIN, part)
            wrong = replace(PLAIN, **{part: lambda *args, own=own: own(*args) * 1.01})
            assert not agree(wrong, PLAIN, cpu, shape), part


def test_kernels_are_tried_on_chains_and_with_norms_of_heads_too() -> None:
    def no_chain(queries_NHD: Tensor, cells: Any, *rest: Any) -> Tensor:
        seen = PLAIN.attend(queries_NHD, cells, *rest)
        return seen if cells.under_NA is not None else seen * 1.01

    def no_norms(qkv_NX: Tensor, norms_YD: Tensor | None, *rest: Any) -> Tensor:
        return PLAIN.write(qkv_NX, None, *rest)

    cpu = torch.device("cpu")
    for shape in SHAPES.values():
        assert not agree(replace(PLAIN, attend=no_chain), PLAIN, cpu, shape)
        unnormed = replace(PLAIN, write=no_norms)
        assert agree(unnormed, PLAIN, cpu, shape) is shape.centred  # GPT-2 has no such norms


def test_what_does_not_fit_is_refused() -> None:
    net, other = graphed(Parts.of(LLAMA)), graphed(Parts.of(SHAPES["wide"]))
    tokens_BT, block = torch.zeros(1, 5, dtype=torch.long), Tree(torch.tensor([[-1, 0]]), mutual=2)
    with pytest.raises(ValueError, match="room for 4 cells"):
        net.extend(tokens_BT, net.new_cache(1, 4))
    with pytest.raises(ValueError, match="from the left alone"):
        net.extend(tokens_BT[:, :2], net.new_cache(1, 4), tree=block)
    with pytest.raises(ValueError, match="another network"):
        net.extend(tokens_BT, other.new_cache(1, 8))
    with pytest.raises(ValueError, match="by another network"):
        net.extend(tokens_BT, graphed(Parts.of(LLAMA)).new_cache(1, 8))
    with pytest.raises(IndexError, match=f"from 0 to {VOCAB - 1}"):
        net.extend(tokens_BT + VOCAB, net.new_cache(1, 8))
    with pytest.raises(ValueError, match="take float32 or bfloat16"):
        graphed_form("int8", DEVICE)


def test_only_with_one_size_bits_are_promised() -> None:
    parts = Parts.of(LLAMA)
    assert not graphed(parts).same_bits
    net = graphed(parts, fixed=FIXED)
    assert net.same_bits == (net.operators is not PLAIN)
