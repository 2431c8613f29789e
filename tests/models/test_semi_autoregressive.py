"""A translator that reads masks: what it begins with, and that masks change no text."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from anyorder.data.copy_or_reverse import CopyOrReverse
from anyorder.masks import Tree
from anyorder.measure.translation import translate
from anyorder.models.compiled.choice import compiled
from anyorder.models.further import SemiAutoregressiveLM
from anyorder.models.left_to_right.semi_autoregressive import SemiAutoregressiveSeq2Seq
from anyorder.models.translator import opened
from anyorder.nets.layers import Width
from anyorder.train.fit import fit
from anyorder.train.paradigms import paradigms
from anyorder.train.recipe import Recipe
from anyorder.train.schedule import InverseRoot
from tests.train.made import semi_autoregressive

WIDTH = Width(channels=16, heads=2, middle=24, dropout=0.1)
TASK = CopyOrReverse(length=4, alphabet=5, pairs=60)
SHORT = Recipe(steps=3, cells=200, schedule=InverseRoot(peak=3e-3, warmup=2), check_every=2)


@torch.no_grad()
@pytest.mark.parametrize("fast", [False, True])
def test_masks_change_nothing_that_is_said_of_a_text(fast: bool) -> None:
    """Behind one token hangs a mask, and the text goes on beside it."""
    net = semi_autoregressive().eval()
    reads: Any = compiled(net) if fast else net
    lm = reads.read([[4, 5, 6], [7]])
    assert isinstance(lm, SemiAutoregressiveLM)
    assert lm.mask == 3
    text_BT = torch.tensor([[1, 4, 5], [1, 6, 3]])
    plain = lm.extend(text_BT, lm.new_cache(2, 3))
    masked_BT = torch.tensor([[1, 4, 5, 3, 3], [1, 6, 3, 3, 3]])
    tree = Tree(torch.tensor([[-1, 0, 1, 0, 3], [-1, 0, 1, 1, 3]]), probes=2)
    both = lm.extend(masked_BT, lm.new_cache(2, 5), tree=tree)
    torch.testing.assert_close(both[:, :3], plain, rtol=1e-4, atol=1e-4)
    alone = lm.extend(torch.tensor([[1, 3, 3], [1, 6, 3]]), lm.new_cache(2, 4))
    torch.testing.assert_close(both[0, 3:], alone[0, 1:], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(both[1, 3], alone[1, 2], rtol=1e-4, atol=1e-4)


def test_it_begins_with_a_model_that_reads_no_masks(tmp_path: Path) -> None:
    small = {
        name: replace(paradigms()[name], width=WIDTH, encoder_layers=1, decoder_layers=1)
        for name in ("deep", "space")
    }
    fit(TASK, small["deep"], SHORT, tmp_path / "base")
    base = opened(tmp_path / "base")
    still = replace(SHORT, schedule=InverseRoot(peak=0.0, warmup=2))
    same = fit(TASK, small["space"], still, tmp_path / "same", begin_from=tmp_path / "base")
    for name, weight in base.net.state_dict().items():
        assert torch.equal(weight, same.net.state_dict()[name])
    fit(TASK, small["space"], SHORT, tmp_path / "m", begin_from=tmp_path / "base")
    tuned = opened(tmp_path / "m")
    assert isinstance(tuned.net, SemiAutoregressiveSeq2Seq)
    assert (tuned.kind, tuned.decoder) == ("semi-autoregressive", "space")
    assert tuned.is_compiled
    sources = [example.source for example in TASK.splits().train[:8]]
    wanted = translate(tuned, sources, decoder="left-to-right", max_new_tokens=9)
    for decoder in (None, "space:width=2", "space:width=3,fused=false"):
        assert translate(tuned, sources, decoder=decoder, max_new_tokens=9) == wanted
    wider = replace(small["space"], width=replace(WIDTH, middle=32))
    with pytest.raises(ValueError, match="other sizes"):
        fit(TASK, wider, SHORT, tmp_path / "w", begin_from=tmp_path / "base")
