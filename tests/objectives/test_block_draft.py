"""The loss of a drafter of blocks: what it sees while it learns is what it sees while it drafts."""

from dataclasses import replace

import pytest
import torch
from torch import Generator, Tensor

from anyorder.corrupt.glancing import Glancing
from anyorder.masks import Tree
from anyorder.objectives.block_draft import BlockDrafting, Blocks
from tests.train.made import batch, set_block

BATCH = batch()


def rng(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def drawn(seed: int, size: int = 3) -> Blocks:
    target_BN = torch.tensor([[4, 5, 6, 8, 5, 2], [7, 8, 2, 0, 0, 0]])
    return BlockDrafting().blocks(target_BN, BATCH.target_B, size, 2, rng(seed))


@torch.no_grad()
def by_hand(blocks: Blocks) -> tuple[Tensor, int, list[list[bool]]]:
    """Row by row and block by block, as a draft is made behind a cache: the loss, its units, and
    for each block which tokens the model gets wrong.
    """
    net, total, units, wrong = set_block(blocks.size).eval(), torch.zeros(()), 0, []
    for b in range(2):
        target = BATCH.target_BN[b, : int(BATCH.target_B[b])].tolist()
        lm = net.read([BATCH.source_BS[b, : int(BATCH.source_B[b])].tolist()])
        read, write = [1, *target], [*target, 2]
        for at in range(blocks.short, len(write), blocks.size):
            cells = range(at, at + blocks.size)
            T = at + 1 + blocks.size
            tree = Tree(torch.arange(T)[None] - 1, mutual=blocks.size)
            tokens_BT = torch.tensor([read[: at + 1] + [net.mask] * blocks.size])
            said_KV = lm.extend(tokens_BT, lm.new_cache(1, T), tree=tree)[0, at + 1 :]
            learnt = [(k, write[n]) for k, n in enumerate(cells) if n < len(write)]
            total = total - sum(said_KV[k].log_softmax(-1)[token] for k, token in learnt)
            wrong.append([int(said_KV[k].argmax()) != token for k, token in learnt])
            units += len(learnt)
    return total, units, wrong


@pytest.mark.parametrize("size", [1, 3, 4, 16])
@pytest.mark.parametrize("seed", range(4))
def test_the_loss_is_that_of_what_a_drafter_reads(seed: int, size: int) -> None:
    """Blocks that are longer than the texts, too."""
    plain = BlockDrafting(glancing=None, smoothing=0.0)
    loss = plain(set_block(size).eval(), BATCH, progress=0.0, rng=rng(seed))
    total, units, _ = by_hand(drawn(seed, size))
    torch.testing.assert_close(loss.total.detach(), total)
    assert loss.units == units


@pytest.mark.parametrize("ratio", [0.5, 1.0])
@pytest.mark.parametrize("seed", range(4))
def test_of_each_block_as_much_is_shown_as_the_ratio_says(seed: int, ratio: float) -> None:
    glancing = BlockDrafting(glancing=Glancing(ratio, ratio))
    loss = glancing(set_block(3).eval(), BATCH, progress=0.0, rng=rng(seed))
    _, units, wrong = by_hand(drawn(seed))
    assert sum(map(sum, wrong)) > 2, "it has not learnt yet"
    assert loss.units == units - sum(round(ratio * sum(each)) for each in wrong)


def test_what_is_shown_is_seen_by_its_block_alone() -> None:
    net, blocks = set_block().eval(), drawn(1)
    shown_BM = torch.zeros_like(blocks.asked_BM)
    shown_BM[0, blocks.short] = True
    tokens_BM = torch.full_like(blocks.tokens_BM, net.mask)
    memory = net.encode(BATCH.source_BS, BATCH.source_B)
    text_BN = torch.tensor([[1, 4, 5, 6, 8, 5]] * 2)
    plain_BMC, told_BMC = (
        net.beside(memory, text_BN, each_BM, blocks.begin_M)[1]
        for each_BM in (tokens_BM, blocks.tokens_BM.where(shown_BM, tokens_BM))
    )
    changed_M = (plain_BMC != told_BMC).any(-1)[0]
    inside_M = blocks.begin_M == blocks.begin_M[blocks.short]
    if blocks.short:
        inside_M[: blocks.short] = False
    assert torch.equal(changed_M, inside_M)


def test_blocks_are_whole_and_begin_anywhere() -> None:
    begins = set()
    for seed in range(100):
        blocks = drawn(seed)
        learnt = [row.nonzero()[:, 0].tolist() for row in blocks.asked_BM]
        assert learnt == [list(range(blocks.short, n)) for n in (6, 3)]
        assert (blocks.tokens_BM.shape[1] - blocks.short) % 3 == 0
        first_M = blocks.begin_M[blocks.short :: 3] - 1
        assert first_M.tolist() == list(range(blocks.short, blocks.tokens_BM.shape[1], 3))
        round_trip = blocks.joined(blocks.each(blocks.asked_BM))
        assert torch.equal(round_trip, blocks.asked_BM)
        begins.add(blocks.short)
    assert begins == {0, 1, 2}


def test_a_batch_in_which_nothing_is_asked_is_no_loss() -> None:
    """All that was wrong is shown."""
    short = replace(BATCH, target_BN=BATCH.target_BN[:, :1], target_B=torch.tensor([1, 1]))
    drafting = BlockDrafting(glancing=Glancing(1.0, 1.0))
    losses = [drafting(set_block(1), short, progress=0.0, rng=rng(seed)) for seed in range(20)]
    empty = [loss for loss in losses if not loss.units]
    assert empty
    assert all(float(loss.total.detach()) == 0 for loss in empty)


def test_what_it_refuses() -> None:
    assert BlockDrafting().plain == BlockDrafting(glancing=None, smoothing=0.0)
    with pytest.raises(ValueError, match="label smoothing"):
        BlockDrafting(smoothing=1.0)
