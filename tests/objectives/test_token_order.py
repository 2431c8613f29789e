"""The order of upcoming tokens: its target cell by cell, its loss by hand, and who reads it."""

import itertools
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Generator, Tensor

from anyorder.data.copy_or_reverse import CopyOrReverse
from anyorder.measure.translation import translate
from anyorder.models.compiled.choice import compiled
from anyorder.models.left_to_right.seq2seq import Seq2Seq
from anyorder.models.left_to_right.token_order import TokenOrderSeq2Seq
from anyorder.models.translator import opened
from anyorder.objectives.batch import Batch
from anyorder.objectives.cross_entropy import CrossEntropy
from anyorder.objectives.multi_token import MultiToken
from anyorder.objectives.token_order import TokenOrder, list_net, upcoming
from anyorder.train.fit import fit
from anyorder.train.paradigm import Paradigm
from anyorder.train.recipe import Recipe
from anyorder.train.schedule import InverseRoot
from anyorder.units.special import BOS, EOS
from tests.train.made import WIDTH, headed, rows, seq2seq, token_order

RNG = Generator()


def by_hand(row: list[int], window: int, vocab_size: int) -> Tensor:
    """The target of each cell over the whole vocabulary, as the paper writes it down."""
    target_NV = torch.full((len(row), vocab_size), -torch.inf, dtype=torch.float64)
    for n in range(len(row)):
        for distance in range(window, 0, -1):  # the nearest is written last
            if n + distance <= len(row):
                target_NV[n, row[n + distance - 1]] = window - distance
    return target_NV.softmax(-1)


def dense(write_BN: Tensor, count_B: Tensor, window: int, vocab_size: int) -> Tensor:
    tokens_BNW, share_BNW = upcoming(write_BN, count_B, window)
    B, N = write_BN.shape
    return torch.zeros(B, N, vocab_size).scatter_add_(2, tokens_BNW, share_BNW)


@pytest.mark.parametrize("window", [1, 2, 3, 9])
def test_the_target_is_the_ranking_that_is_written_out(window: int) -> None:
    """Every row of up to four cells over three tokens, in one batch with its padding."""
    every = [list(row) for n in range(1, 5) for row in itertools.product(range(3), repeat=n)]
    write_BN = torch.tensor([row + [0] * (4 - len(row)) for row in every])
    count_B = torch.tensor([len(row) for row in every])
    found_BNV = dense(write_BN, count_B, window, 3)
    for found_NV, row in zip(found_BNV, every, strict=True):
        wanted_NV = by_hand(row, window, 3).float()
        torch.testing.assert_close(found_NV[: len(row)], wanted_NV)
        assert not found_NV[len(row) :].any(), "nothing comes behind the end"


def test_the_nearest_is_first_and_a_wide_window_is_a_whole_sequence() -> None:
    row = torch.randperm(60, generator=Generator().manual_seed(0))[None]
    for window in (16, 60):
        tokens_1NW, share_1NW = upcoming(row, torch.tensor([60]), window)
        assert tokens_1NW.shape == (1, 60, window)
        assert bool((share_1NW[0, :20].diff() <= 0).all())
        assert torch.equal(tokens_1NW[0, :20, :3], row[0].unfold(0, 3, 1)[:20])
    both = [dense(row, torch.tensor([60]), window, 60) for window in (16, 60)]
    torch.testing.assert_close(*both, atol=2e-7, rtol=0)


def test_the_loss_is_both_sums_written_out() -> None:
    net, batch = token_order().eval(), rows(5).batch([0, 1, 2, 3, 4])
    loss = TokenOrder(window=3, smoothing=0.0)(net, batch, progress=0.0, rng=RNG)
    total, units = torch.zeros(()), 0
    for b in range(5):
        s, n = int(batch.source_B[b]), int(batch.target_B[b])
        target = batch.target_BN[b, :n].tolist()
        write = [*target, 2]
        x_NC = net.features(
            batch.source_BS[b : b + 1, :s], torch.tensor([s]), torch.tensor([[1, *target]])
        )[0]
        logp_NV, rank_NV = net.head(x_NC).log_softmax(-1), net.ranks(x_NC).log_softmax(-1)
        total = total - logp_NV[range(n + 1), write].sum()
        total = total - (by_hand(write, 3, 10).float() * rank_NV).sum()
        units += n + 1
    torch.testing.assert_close(loss.total, total)
    assert loss.units == units
    smooth = TokenOrder(window=3)(net, batch, progress=0.0, rng=RNG).total
    rest = CrossEntropy(0.1)(net, batch, progress=0.0, rng=RNG).total
    rest = rest - CrossEntropy(0.0)(net, batch, progress=0.0, rng=RNG).total
    torch.testing.assert_close(smooth - loss.total, rest)


def test_padding_has_no_part_in_it() -> None:
    net, pairs = token_order().eval(), rows(6)
    every = [
        TokenOrder()(net, pairs.batch(chosen), progress=0.0, rng=RNG).total
        for chosen in ([0, 1, 2, 3, 4, 5], [0, 1, 2], [3, 4, 5])
    ]
    torch.testing.assert_close(every[0], every[1] + every[2])


def test_a_target_holds_as_many_numbers_as_the_window() -> None:
    """And scores that are no ranking are worth the entropy of the target at the least."""
    tokens_BNW, share_BNW = upcoming(torch.randint(9, (7, 50)), torch.tensor([50] * 7), 4)
    assert tokens_BNW.shape == share_BNW.shape == (7, 50, 4)
    torch.testing.assert_close(share_BNW.sum(-1), torch.ones(7, 50))
    tokens_XW, share_XW = tokens_BNW.flatten(0, 1), share_BNW.flatten(0, 1)
    best_XV = torch.full((350, 9), -1e4).scatter_reduce(1, tokens_XW, share_XW.log(), "amax")
    least = torch.special.entr(share_XW).sum()
    torch.testing.assert_close(list_net(best_XV, tokens_XW, share_XW), least)
    assert list_net(torch.randn(350, 9), tokens_XW, share_XW) > least


def test_both_parts_teach_what_the_head_and_the_next_token_read() -> None:
    net = token_order()
    TokenOrder()(net, rows(4).batch([0, 1, 2, 3]), progress=0.0, rng=RNG).total.backward()
    assert all(weight.grad is not None for weight in net.parameters())
    with pytest.raises(ValueError, match="1 token or more, not 0"):
        TokenOrder(window=0)
    for objective in (TokenOrder, MultiToken):
        with pytest.raises(ValueError, match="from 0 to below 1"):
            objective(smoothing=1.0)
        assert objective().plain == CrossEntropy(smoothing=0.0), "what is held out is comparable"


def same_weights(one: Seq2Seq, other: Seq2Seq) -> None:
    """Give `other` the weights of `one` that it knows."""
    known = other.state_dict()
    other.load_state_dict({name: x for name, x in one.state_dict().items() if name in known})


@torch.no_grad()
def test_a_model_that_writes_has_no_use_for_the_head(tmp_path: Path) -> None:
    """It says what a `Seq2Seq` of its other weights says, to the last bit, compiled or not."""
    net, plain = token_order().eval(), seq2seq().eval()
    same_weights(net, plain)
    tokens_BT = torch.tensor([[1, 4, 5], [1, 6, 3]])
    for make in (lambda each: each, compiled):
        found: list[Any] = []
        for each in (net, plain):
            reads: Any = make(each)
            lm = reads.read([[4, 5, 6], [7]])
            found.append(lm.extend(tokens_BT, lm.new_cache(2, 3)))
        assert torch.equal(*found)
    assert isinstance(net, TokenOrderSeq2Seq)
    task = CopyOrReverse(length=4, alphabet=5, pairs=60)
    recipe = Recipe(steps=3, cells=200, schedule=InverseRoot(peak=3e-3, warmup=2), check_every=2)
    paradigm = Paradigm(
        kind="token-order",
        objective=TokenOrder(),
        encoder_layers=1,
        decoder_layers=1,
        width=WIDTH,
        more={"bos": BOS, "eos": EOS},
    )
    with torch.enable_grad():
        made = fit(task, paradigm, recipe, tmp_path / "m")
    kept = opened(tmp_path / "m")
    assert (kept.kind, kept.decoder, kept.is_compiled) == ("token-order", "left-to-right", True)
    sources = [example.source for example in task.splits().test[:6]]
    assert translate(kept, sources, max_new_tokens=9) == translate(made, sources, max_new_tokens=9)
    assert torch.equal(kept.net.order.weight, made.net.order.weight)  # type: ignore[union-attr]


def test_all_heads_learn_at_once_and_the_next_token_counts_as_ever() -> None:
    net = headed().eval()
    batch = Batch(
        torch.tensor([[4, 5, 6], [7, 8, 0]]),
        torch.tensor([3, 2]),
        torch.tensor([[4, 5, 6], [7, 0, 0]]),
        torch.tensor([3, 1]),
    )
    loss = MultiToken(smoothing=0.0)(net, batch, progress=0.0, rng=Generator())
    assert loss.units == 6
    total = CrossEntropy(0.0)(net, batch, progress=0.0, rng=RNG).total
    read_BN = torch.tensor([[1, 4, 5, 6], [1, 7, 0, 0]])
    x_BNC = net.features(batch.source_BS, batch.source_B, read_BN)
    for row, write in ((0, [4, 5, 6, 2]), (1, [7, 2])):
        for head in (1, 2):
            for cell in range(len(write) - head):
                logits_V = net.head(net.heads.one(x_BNC[row, cell], head - 1))
                total = total - logits_V.log_softmax(-1)[write[cell + head]]
    torch.testing.assert_close(loss.total, total)
