"""A translator that fills blocks: what it begins with, and that compiled code reads them alike."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Generator, Tensor

from anyorder.data.copy_or_reverse import CopyOrReverse
from anyorder.decode.draft_verify.from_heads.space import Space
from anyorder.masks import Tree
from anyorder.measure.translation import translate
from anyorder.models.capability import missing
from anyorder.models.compiled.choice import compiled
from anyorder.models.further import SetBlockLM
from anyorder.models.left_to_right.set_block import SetBlockSeq2Seq
from anyorder.models.translator import opened
from anyorder.nets.compiled import cells
from anyorder.nets.layers import Width
from anyorder.train.fit import fit
from anyorder.train.paradigms import paradigms
from anyorder.train.recipe import Recipe
from anyorder.train.schedule import InverseRoot
from tests.nets.made import LLAMA, made
from tests.train.made import set_block

WIDTH = Width(channels=16, heads=2, middle=24, dropout=0.1)
TASK = CopyOrReverse(length=4, alphabet=5, pairs=60)
SHORT = Recipe(steps=3, cells=200, schedule=InverseRoot(peak=3e-3, warmup=2), check_every=2)


@torch.no_grad()
def test_a_block_is_read_from_both_sides_and_a_text_from_the_left() -> None:
    """The last cell of the block changes what the others say, and nothing that stands before."""
    lm = set_block().eval().read([[4, 5, 6]])
    assert isinstance(lm, SetBlockLM)
    assert (lm.hole, lm.longest_block) == (3, 4)
    assert missing(lm, Space.needs), "a hole says what stands there, a mask what follows"
    tree = Tree(torch.arange(5)[None] - 1, mutual=3)
    said = [
        lm.extend(torch.tensor([[1, 4, 3, 3, last]]), lm.new_cache(1, 5), tree=tree)[0]
        for last in (3, 7)
    ]
    assert torch.equal(said[0][:2], said[1][:2])
    assert (said[0][2:] != said[1][2:]).any(-1).all()


def padded_block(size: int) -> tuple[Tensor, Tree]:
    """Two rows of three tokens and a block of which the second has less; each begins with what is
    read from the left.
    """
    tokens_BT = torch.tensor([[1, 4, 5, *[3] * size], [1, 6, 0, *[3, 7, 3, 3][:size]]])
    own = torch.arange(3 + size) - 1
    second = torch.tensor([-1, 0, -2, 1, *range(3, 2 + size)][: 3 + size])
    second[5:] = -2
    return tokens_BT, Tree(torch.stack([own, second]), probes=3 + size, mutual=size)


@pytest.mark.parametrize("size", [1, 2, 4])
@torch.no_grad()
def test_compiled_code_reads_a_block_from_both_sides(size: int) -> None:
    """As the network does, in ragged rows, behind a cache; and the same bits without company."""
    net = set_block().eval()
    for weight in net.parameters():
        weight.data += 0.3 * torch.randn(weight.shape, generator=Generator().manual_seed(1))
    fast: Any = compiled(net)
    assert fast is not None
    tokens_BT, tree = padded_block(size)
    found: list[Tensor] = []
    for reads, rows in ((fast, [0, 1]), (net, [0, 1]), (fast, [0]), (fast, [1])):
        lm: Any = reads.read([[[4, 5, 6], [7]][row] for row in rows])
        cache = lm.new_cache(len(rows), 12)
        lm.extend(torch.tensor([[1, 8], [1, 0]])[rows], cache)
        cache.keep(torch.tensor([[0, 1]] * len(rows)), torch.tensor([2, 1])[rows])
        part = replace(tree, parents_BT=tree.parents_BT[rows])
        found.append(lm.extend(tokens_BT[rows], cache, tree=part).clone())
    real_BT = tree.parents_BT > -2
    torch.testing.assert_close(found[0][real_BT], found[1][real_BT], atol=1e-4, rtol=1e-4)
    for row in (0, 1):
        assert torch.equal(found[0][row][real_BT[row]], found[2 + row][0][real_BT[row]])


def test_it_is_noticed_where_compiled_code_reads_a_block_from_the_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plain = cells._paths
    assert compiled(set_block().eval()) is not None
    monkeypatch.setattr(cells, "_paths", lambda length, above, mutual: plain(length, above, 0))
    assert compiled(set_block().eval()) is None


def test_compiled_language_models_refuse_a_block() -> None:
    """Their long calls are cut: a cell would see some that are not there yet."""
    network = made(LLAMA, "float32")
    tree = Tree(torch.arange(2)[None] - 1, mutual=2)
    with pytest.raises(ValueError, match="not a block from both sides"):
        network.extend(torch.tensor([[1, 3]]), network.new_cache(1, 2), tree=tree)


def test_a_block_is_no_larger_than_its_call() -> None:
    with pytest.raises(AssertionError, match="5 of 3 cells"):
        Tree(torch.tensor([[-1, 0, 1]]), mutual=5)


def test_it_begins_with_a_model_that_reads_no_masks(tmp_path: Path) -> None:
    small = {
        name: replace(paradigms()[name], width=WIDTH, encoder_layers=1, decoder_layers=1)
        for name in ("deep", "set-block")
    }
    fit(TASK, small["deep"], SHORT, tmp_path / "base")
    base = opened(tmp_path / "base")
    still = replace(SHORT, schedule=InverseRoot(peak=0.0, warmup=2))
    same = fit(TASK, small["set-block"], still, tmp_path / "same", begin_from=tmp_path / "base")
    for name, weight in base.net.state_dict().items():
        assert torch.equal(weight, same.net.state_dict()[name])
    fit(TASK, small["set-block"], SHORT, tmp_path / "m", begin_from=tmp_path / "base")
    tuned = opened(tmp_path / "m")
    assert isinstance(tuned.net, SetBlockSeq2Seq)
    assert (tuned.kind, tuned.decoder) == ("set-block", "set-block")
    assert tuned.is_compiled
    sources = [example.source for example in TASK.splits().train[:8]]
    wanted = translate(tuned, sources, decoder="left-to-right", max_new_tokens=9)
    assert translate(tuned, sources, decoder="set-block:block=1", max_new_tokens=9) == wanted
    assert len(translate(tuned, sources, max_new_tokens=9)) == 8
    wider = replace(small["set-block"], width=replace(WIDTH, middle=32))
    with pytest.raises(ValueError, match="other sizes"):
        fit(TASK, wider, SHORT, tmp_path / "w", begin_from=tmp_path / "base")
