"""The loss of blocks: what a cell sees while it learns is what it sees while it writes."""

import pytest
import torch
from torch import Generator, Tensor

from anyorder.masks import Tree
from anyorder.objectives.set_block import Hidden, SetBlockTuning
from tests.train.made import batch, set_block

BATCH = batch()
TUNING = SetBlockTuning(smoothing=0.0)


def rng(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def drawn(seed: int, longest: int = 4) -> Hidden:
    target_BN = torch.tensor([[4, 5, 6, 8, 5, 2], [7, 8, 2, 0, 0, 0]])
    return TUNING.hidden(target_BN, BATCH.target_B, longest, 2, rng(seed))


@torch.no_grad()
def by_hand(hidden: Hidden) -> tuple[Tensor, int]:
    """Row by row: the text left to right; then each block behind it, as a decoder reads it."""
    net, total, units = set_block().eval(), torch.zeros(()), 0
    for b in range(2):
        target = BATCH.target_BN[b, : int(BATCH.target_B[b])].tolist()
        lm = net.read([BATCH.source_BS[b, : int(BATCH.source_B[b])].tolist()])
        read, write = [1, *target], [*target, 2]
        logits_NV = lm.extend(torch.tensor([read]), lm.new_cache(1, 9))[0]
        for n, token in enumerate(write):
            total = total - logits_NV[n].log_softmax(-1)[token]
            units += 1
        for begin in sorted(set(hidden.begin_M.tolist())):
            cells = (hidden.begin_M == begin).nonzero()[:, 0].tolist()
            if begin > len(write):
                continue
            masked = [bool(hidden.hidden_BM[b, m]) for m in cells]
            holds = [write[m] if m < len(write) else 2 for m in cells]
            shown = [3 if h else t for h, t in zip(masked, holds, strict=True)]
            cache = lm.new_cache(1, 20)
            T = begin + len(cells)
            tree = Tree(torch.arange(T)[None] - 1, mutual=len(cells))
            said_TV = lm.extend(torch.tensor([read[:begin] + shown]), cache, tree=tree)[0]
            for k, token in enumerate(holds):
                if masked[k]:
                    total = total - said_TV[begin + k].log_softmax(-1)[token]
                    units += 1
    return total, units


@pytest.mark.parametrize("seed", range(8))
def test_the_loss_is_that_of_what_a_decoder_reads(seed: int) -> None:
    loss = TUNING(set_block().eval(), BATCH, progress=0.0, rng=rng(seed))
    total, units = by_hand(drawn(seed))
    torch.testing.assert_close(loss.total.detach(), total)
    assert loss.units == units


def test_blocks_cover_each_text_and_its_end() -> None:
    sizes, begins = set(), set()
    for seed in range(200):
        hidden = drawn(seed)
        starts = sorted(set(hidden.begin_M.tolist()))
        assert starts[0] == 1
        assert hidden.begin_M.tolist() == sorted(hidden.begin_M.tolist())
        widths = [int((hidden.begin_M == start).sum()) for start in starts]
        size = len(hidden.begin_M) - 5  # 6 tokens with the end, and what a last block has more
        assert all(width == size for width in widths[1:-1])
        assert max(widths) <= size
        covering = [s for s in starts if s <= 6]
        assert covering[-1] + int((hidden.begin_M == covering[-1]).sum()) > 6
        sizes.add(size)
        begins.add((size, widths[0]))
        texts = hidden.tokens_BM[:, :6].tolist()
        assert texts == [[4, 5, 6, 8, 5, 2], [7, 8, 2, 2, 2, 2]]
        assert (hidden.tokens_BM[:, 6:] == 2).all()
    assert sizes == {2, 3, 4}
    assert begins == {(size, first) for size in sizes for first in range(1, size + 1)}


def test_any_share_is_hidden_but_nothing_behind_the_block_of_the_end() -> None:
    shares = []
    for seed in range(300):
        hidden = drawn(seed)
        shares.append(float(hidden.hidden_BM[0, :6].float().mean()))
        behind_M = hidden.begin_M > 3
        assert not bool(hidden.hidden_BM[1, behind_M].any())
    assert abs(sum(shares) / 300 - 0.5) < 0.05
    assert {0.0, 1.0} < set(shares)


def test_a_text_is_not_changed_by_its_blocks() -> None:
    """So that what is kept of a finished block is what left to right would have kept."""
    net, read_BN = set_block().eval(), torch.tensor([[1, 4, 5], [1, 7, 8]])
    blocks_BM, begin_M = torch.tensor([[3, 5, 3], [7, 3, 3]]), torch.tensor([1, 1, 3])
    memory = net.encode(BATCH.source_BS, BATCH.source_B)
    text_BNC, _ = net.beside(memory, read_BN, blocks_BM, begin_M)
    plain_BNC = net.features(BATCH.source_BS, BATCH.source_B, read_BN)
    torch.testing.assert_close(text_BNC, plain_BNC)


def test_what_it_refuses() -> None:
    assert SetBlockTuning().plain == TUNING
    with pytest.raises(ValueError, match="label smoothing"):
        SetBlockTuning(smoothing=1.0)
