"""A translator whose heads leap: what they learn, and its compiled twin."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Generator

from anyorder.data.copy_or_reverse import CopyOrReverse
from anyorder.measure.translation import translate
from anyorder.models.capability import HeadedLM
from anyorder.models.compiled.choice import compiled
from anyorder.models.further import LeapLM
from anyorder.models.translator import opened
from anyorder.objectives.ahead import Leaps
from anyorder.train.fit import fit
from anyorder.train.paradigms import paradigms
from anyorder.train.recipe import Recipe
from anyorder.train.schedule import InverseRoot
from tests.models.made_headed import SOURCES, WIDTH, by_hand, leaping
from tests.train.made import batch

TASK = CopyOrReverse(length=4, alphabet=5, pairs=60)
SHORT = Recipe(steps=3, cells=200, schedule=InverseRoot(peak=3e-3, warmup=2), check_every=2)
BATCH = batch()


@torch.no_grad()
@pytest.mark.parametrize("fast", [False, True])
def test_it_leaps_and_is_no_model_of_adjacent_heads(fast: bool) -> None:
    net = leaping()
    reads: Any = compiled(net) if fast else net
    lm = reads.read(SOURCES)
    assert isinstance(lm, LeapLM)
    assert not isinstance(lm, HeadedLM), "or its guesses would be put into the wrong cells"
    assert (lm.leaps, lm.stride) == (3, 2)
    tokens_BT = torch.tensor([[1, 4, 5], [1, 6, 3]])
    logits_BTV, features_BTC = lm.extend_with_features(tokens_BT, lm.new_cache(2, 3))
    plain = net.read(SOURCES)
    wanted = plain.extend_with_features(tokens_BT, plain.new_cache(2, 3))
    torch.testing.assert_close(logits_BTV, wanted[0], rtol=1e-4, atol=1e-4)
    leaping_BHV = lm.leaping(features_BTC[:, 1])
    torch.testing.assert_close(leaping_BHV, plain.leaping(wanted[1][:, 1]), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(leaping_BHV[:, 1], net.head(net.heads.one(features_BTC[:, 1], 1)))


@pytest.mark.parametrize("stride", [2, 3])
def test_each_head_learns_the_token_so_many_leaps_ahead(stride: int) -> None:
    net = leaping(heads=2, stride=stride)
    every = [by_hand(net, BATCH, head, stride=stride) for head in range(3)]
    assert every[1][1] == every[0][1] - stride - min(stride, 3)
    plain = Leaps().plain(net, BATCH, progress=0.0, rng=Generator())
    torch.testing.assert_close(plain.total, torch.stack([total for total, _ in every]).sum())
    assert plain.units == sum(units for _, units in every)
    alone = Leaps(frozen=True).plain(net, BATCH, progress=0.0, rng=Generator())
    assert alone.units == plain.units - every[0][1]
    turns = {
        Leaps()(net, BATCH, progress=0.0, rng=Generator().manual_seed(seed)).units
        for seed in range(12)
    }
    assert turns == {units for _, units in every}


def test_a_frozen_model_learns_heads_alone() -> None:
    net = leaping().train()
    rng = Generator().manual_seed(0)
    for _ in range(6):
        Leaps(frozen=True)(net, BATCH, progress=0.0, rng=rng).total.backward()
    learnt = {name for name, x in net.named_parameters() if x.grad is not None}
    assert learnt == {f"heads.{name}" for name, _ in net.heads.named_parameters()}


def test_it_begins_with_a_model_that_has_one_head(tmp_path: Path) -> None:
    """Its texts stay the same, and the folder says what it is."""
    small = {
        name: replace(paradigms()[name], width=WIDTH, encoder_layers=1)
        for name in ("deep-shallow", "leaps-frozen")
    }
    fit(TASK, small["deep-shallow"], SHORT, tmp_path / "base")
    base = opened(tmp_path / "base")
    fit(TASK, small["leaps-frozen"], SHORT, tmp_path / "m", begin_from=tmp_path / "base")
    again = opened(tmp_path / "m")
    assert (again.kind, again.decoder) == ("leaping", "looking-backward")
    assert again.is_compiled
    sources = [example.source for example in TASK.splits().test[:8]]
    wanted = translate(base, sources, max_new_tokens=9)
    for decoder in (None, "left-to-right", "looking-backward:width=2"):
        assert translate(again, sources, decoder=decoder, max_new_tokens=9) == wanted
    with pytest.raises(ValueError, match="trains heads alone"):
        fit(TASK, small["leaps-frozen"], SHORT, tmp_path / "none")


def test_it_leaps_forward() -> None:
    with pytest.raises(ValueError, match="1 token or more, not 0"):
        leaping(stride=0)
    with pytest.raises(ValueError, match="label smoothing"):
        Leaps(smoothing=1.0)
