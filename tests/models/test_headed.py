"""A translator with more heads: what it adds, what it leaves as it was, and its compiled twin."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Generator

from anyorder.data.copy_or_reverse import CopyOrReverse
from anyorder.masks import Tree
from anyorder.measure.translation import translate
from anyorder.models.capability import HeadedLM
from anyorder.models.compiled.choice import compiled
from anyorder.models.translator import opened
from anyorder.nets.heads import Heads
from anyorder.objectives.ahead import Ahead
from anyorder.train.fit import fit
from anyorder.train.paradigms import paradigms
from anyorder.train.recipe import Recipe
from anyorder.train.schedule import InverseRoot
from tests.models.made_headed import SOURCES, WIDTH, by_hand, headed
from tests.train.made import batch

TASK = CopyOrReverse(length=4, alphabet=5, pairs=60)
SHORT = Recipe(steps=3, cells=200, schedule=InverseRoot(peak=3e-3, warmup=2), check_every=2)
BATCH = batch()


def test_heads_are_what_is_written_out() -> None:
    heads = Heads(WIDTH, 3)
    x_C = torch.randn(16)
    for h in range(3):
        middle = (heads.up_HMC[h] @ x_C + heads.up_HM[h]).relu()
        wanted = x_C + heads.down_HCM[h] @ middle + heads.down_HC[h]
        torch.testing.assert_close(heads(x_C)[h], wanted)
        torch.testing.assert_close(heads.one(x_C, h), wanted)
    assert len(heads) == 3
    with pytest.raises(ValueError, match="1 head or more"):
        Heads(WIDTH, 0)


@torch.no_grad()
@pytest.mark.parametrize("fast", [False, True])
def test_features_stand_beside_the_logits(fast: bool) -> None:
    net = headed()
    reads: Any = compiled(net) if fast else net
    lm = reads.read(SOURCES)
    assert isinstance(lm, HeadedLM)
    assert lm.heads == 3
    tokens_BT = torch.tensor([[1, 4, 5], [1, 6, 3]])
    tree = Tree(torch.tensor([[-1, 0, 0], [-1, 0, 1]]))
    score_BS = torch.tensor([[2, 0], [1, 1]])
    plain = lm.extend(tokens_BT, lm.new_cache(2, 3), tree=tree, score_BS=score_BS)
    both, features_BSC = lm.extend_with_features(
        tokens_BT, lm.new_cache(2, 3), tree=tree, score_BS=score_BS
    )
    assert torch.equal(both, plain)
    torch.testing.assert_close(net.head(features_BSC), plain, rtol=1e-4, atol=1e-4)
    ahead_BHV = lm.ahead(features_BSC[:, 0])
    assert ahead_BHV.shape == (2, 3, 9)
    torch.testing.assert_close(ahead_BHV[:, 1], net.head(net.heads.one(features_BSC[:, 0], 1)))
    torch.testing.assert_close(lm.ahead(features_BSC[:, 0], 2), ahead_BHV[:, :2])


@torch.no_grad()
def test_compiled_code_says_what_the_network_says() -> None:
    net = headed()
    fast: Any = compiled(net)
    tokens_BT = torch.tensor([[1, 4, 5], [1, 6, 3]])
    found, ahead = [], []
    for reads in (net, fast):
        lm = reads.read(SOURCES)
        found.append(lm.extend_with_features(tokens_BT, lm.new_cache(2, 3)))
        ahead.append(lm.ahead(found[0][1][:, 0], 2))
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(*ahead, rtol=1e-4, atol=1e-4)


def test_each_head_learns_the_token_that_stands_so_far_ahead() -> None:
    net = headed()
    every = [by_hand(net, BATCH, head) for head in range(4)]
    turns = set()
    for seed in range(12):
        rng = Generator().manual_seed(seed)
        loss = Ahead(smoothing=0.0)(net, BATCH, progress=0.0, rng=rng)
        head = next(h for h, (_, units) in enumerate(every) if units == loss.units)
        torch.testing.assert_close(loss.total, every[head][0])
        turns.add(head)
    assert turns == {0, 1, 2, 3}
    plain = Ahead().plain(net, BATCH, progress=0.0, rng=Generator())
    torch.testing.assert_close(plain.total, torch.stack([total for total, _ in every]).sum())
    assert plain.units == sum(units for _, units in every)


def test_a_frozen_model_learns_heads_alone() -> None:
    net = headed().train()
    rng = Generator().manual_seed(0)
    for _ in range(6):
        loss = Ahead(frozen=True)(net, BATCH, progress=0.0, rng=rng)
        assert net.training
        loss.total.backward()
    learnt = {name for name, x in net.named_parameters() if x.grad is not None}
    assert learnt == {f"heads.{name}" for name, _ in net.heads.named_parameters()}
    net.zero_grad()
    Ahead()(net, BATCH, progress=0.0, rng=Generator().manual_seed(1)).total.backward()
    assert net.target.table.weight.grad is not None


def test_it_begins_with_a_model_that_has_one_head(tmp_path: Path) -> None:
    """Its texts stay the same where nothing but the heads learns, and blocks write them, too."""
    small = {
        name: replace(paradigms()[name], width=WIDTH, encoder_layers=1)
        for name in ("deep-shallow", "blockwise-frozen", "blockwise")
    }
    fit(TASK, small["deep-shallow"], SHORT, tmp_path / "base")
    base = opened(tmp_path / "base")
    fit(TASK, small["blockwise-frozen"], SHORT, tmp_path / "m", begin_from=tmp_path / "base")
    again = opened(tmp_path / "m")
    assert again.decoder == "blockwise"
    sources = [example.source for example in TASK.splits().test[:8]]
    wanted = translate(base, sources, max_new_tokens=9)
    for decoder in (None, "left-to-right", "blockwise:width=2"):
        assert translate(again, sources, decoder=decoder, max_new_tokens=9) == wanted
    for name, weight in base.net.state_dict().items():
        assert torch.equal(weight, again.net.state_dict()[name])
    with pytest.raises(ValueError, match="trains heads alone"):
        fit(TASK, small["blockwise-frozen"], SHORT, tmp_path / "none")
    wider = replace(small["blockwise"], width=replace(WIDTH, middle=32))
    with pytest.raises(ValueError, match="other sizes"):
        fit(TASK, wider, SHORT, tmp_path / "w", begin_from=tmp_path / "base")
