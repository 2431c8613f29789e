"""Hidden transfer: pseudo cells are cells behind the text; the model that they stand on is as it
was.
"""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from anyorder.canvas import Canvas
from anyorder.data.copy_or_reverse import CopyOrReverse
from anyorder.decode.catalogue import parse
from anyorder.decode.run import run
from anyorder.decode.sampling import Coins, Sampler, Sampling
from anyorder.masks import Tree
from anyorder.measure.translation import translate
from anyorder.models.capability import HeadedLM
from anyorder.models.left_to_right.seq2seq import Seq2Seq, Seq2SeqSizes
from anyorder.models.left_to_right.transfer import TransferSeq2Seq, TransferSizes, TransferSourceLM
from anyorder.models.sources import padded
from anyorder.models.translator import opened
from anyorder.nets.layers import Width, waves
from anyorder.nets.transfer import Transfers
from anyorder.objectives.foretell import Foretell
from anyorder.trace import fold
from anyorder.train.fit import fit
from anyorder.train.paradigms import paradigms
from anyorder.train.recipe import Recipe
from anyorder.train.schedule import InverseRoot
from tests.train.made import batch

WIDTH = Width(channels=16, heads=2, middle=24, dropout=0.3)
SOURCES = [[4, 5, 6, 7, 4], [7], [5, 5, 6]]
TARGETS = [[1, 4, 8, 9], [1, 6, 6, 3], [1, 9, 4, 4]]
SHAPES = ((3, 3, 0), (3, 3, 1), (2, 2, 2), (1, 4, 0), (2, 1, 0))  # transfers, passes, apart
TASK = CopyOrReverse(length=4, alphabet=5, pairs=60)
SHORT = Recipe(steps=3, cells=200, schedule=InverseRoot(peak=3e-2, warmup=1), check_every=2)


def made(transfers: int = 3, passes: int = 3, apart: int = 1) -> TransferSeq2Seq:
    """With maps that were never trained, and are far from the identity."""
    torch.manual_seed(0)
    sizes = TransferSizes(
        source_vocab=8,
        target_vocab=10,
        bos=1,
        eos=2,
        encoder_layers=2,
        decoder_layers=4,
        width=WIDTH,
        transfers=transfers,
        passes=passes,
        apart=apart,
    )
    net = TransferSeq2Seq(sizes).double().eval()
    with torch.no_grad():
        net.target.table.weight.mul_(8)  # logits that lie well apart
        net.transfers.map_KCC.add_(0.3 * torch.randn(net.transfers.map_KCC.shape))
        net.transfers.bias_KC.normal_()
    return net


def alone(net: TransferSeq2Seq) -> Seq2Seq:
    """The model that it stands on."""
    s = net.sizes
    common = {name: getattr(s, name) for name in Seq2SeqSizes.__dataclass_fields__}
    plain = Seq2Seq(Seq2SeqSizes(**common)).double().eval()
    lent = {k: x for k, x in net.state_dict().items() if not k.startswith("transfers.")}
    plain.load_state_dict(lent)
    return plain


def written_out(net: TransferSeq2Seq, source: list[int], target: list[int]) -> Tensor:
    """What is foretold after a target: transferred states are put behind its cells, and all of
    them pass the layers that are left as one text, each cell seeing those before it. [K, C]
    """
    memory = net.encode(*padded([source]))
    x_1NC, n, C = net.target(torch.tensor([target])), len(target), net.sizes.width.channels
    wave_RC = waves(torch.arange(n + 9)[None], C)[0].double()
    sources = net.decoder.sources(memory)
    for level, layer in enumerate(net.decoder.each):
        for k in range(net.sizes.transfers):
            if net.sizes.levels[k] == level:
                state_C = net.transfers.map_KCC[k] @ x_1NC[0, n - 1] + net.transfers.bias_KC[k]
                state_C = state_C + wave_RC[n + k] - wave_RC[n - 1]
                x_1NC = torch.cat([x_1NC, state_C[None, None]], 1)
        sees = torch.ones(x_1NC.shape[1], x_1NC.shape[1]).tril().bool()[None]
        x_1NC = layer(x_1NC, lambda x, at=layer: (at.own.keys_values(x), sees), sources[level])  # noqa: B023
    return net.decoder.norm(x_1NC)[0, n:]


@torch.no_grad()
@pytest.mark.parametrize("shape", SHAPES)
def test_pseudo_cells_are_cells_behind_the_text(shape: tuple[int, int, int]) -> None:
    net = made(*shape)
    found = net.foretold(*padded(SOURCES), torch.tensor(TARGETS))
    for b, (source, target) in enumerate(zip(SOURCES, TARGETS, strict=True)):
        for n in range(len(target)):
            wanted_KC = written_out(net, source, target[: n + 1])
            torch.testing.assert_close(found.ahead_BNHC[b, n], wanted_KC)
        own_NC = alone(net).features(*padded([source]), torch.tensor([target]))[0]
        torch.testing.assert_close(found.own_BNC[b], own_NC)


@torch.no_grad()
@pytest.mark.parametrize("shape", SHAPES)
def test_what_is_learnt_is_what_is_decoded(shape: tuple[int, int, int]) -> None:
    """Step by step, in rows of different lengths, and in the branches of a tree."""
    net = made(*shape)
    lm = net.read(SOURCES)
    cache = lm.new_cache(3, room=9)
    lm.extend(torch.tensor([[1, 4], [1, 0], [1, 9]]), cache)
    cache.keep(torch.arange(2).expand(3, 2), torch.tensor([2, 1, 2]))
    tokens_BT = torch.tensor([[8, 9, 3, 5], [6, 6, 3, 5], [4, 4, 3, 5]])
    tree = Tree(torch.tensor([[-1, 0, 0, 2]]).expand(3, 4))
    score_BS = torch.tensor([[3, 1], [0, 3], [2, 3]])
    _, features_BSC = lm.extend_with_features(tokens_BT, cache, tree=tree, score_BS=score_BS)
    texts = [[1, 4], [1], [1, 9]]
    for b, source in enumerate(SOURCES):
        a, c, d, e = tokens_BT[b].tolist()
        paths = [[a], [a, c], [a, d], [a, d, e]]
        for s, cell in enumerate(score_BS[b].tolist()):
            wanted_KC = written_out(net, source, texts[b] + paths[cell])
            # the cache is float32 or float64 as the network is
            torch.testing.assert_close(features_BSC[b, s].unflatten(0, (-1, 16)), wanted_KC)


@torch.no_grad()
def test_the_model_says_bit_for_bit_what_it_said() -> None:
    net, tree = made().float(), Tree(torch.tensor([[-1, 0, 0], [-1, 0, 1], [-1, -1, 0]]))
    found = []
    for each, features in ((net, True), (net, False), (alone(net).float(), False)):
        lm = each.read(SOURCES)
        cache = lm.new_cache(3, room=12)
        said = []
        for counts, tree_or_none in (((1, 2, 2), None), ((2, 1, 0), tree), ((3, 3, 3), None)):
            tokens_BT = torch.tensor([[4, 5, 6], [7, 8, 9], [3, 1, 4]])
            if features:
                assert isinstance(lm, TransferSourceLM)
                logits, _ = lm.extend_with_features(tokens_BT, cache, tree=tree_or_none)
            else:
                logits = lm.extend(tokens_BT, cache, tree=tree_or_none)
            cache.keep(torch.arange(3).expand(3, 3), torch.tensor(counts))
            said.append(logits)
        found.append((*said, cache.own.memory_L2BHRD[..., :6, :]))
    for ours, quick, theirs in zip(*found, strict=True):
        assert torch.equal(ours, theirs)
        assert torch.equal(quick, theirs)


def test_only_transfers_learn() -> None:
    net = made().float().train()
    Foretell()(net, batch(), progress=0.0, rng=torch.Generator()).total.backward()
    assert net.training
    assert net.decoder.training
    learnt = {name for name, x in net.named_parameters() if x.grad is not None}
    assert learnt == {"transfers.map_KCC", "transfers.bias_KC"}
    assert all(bool(x.grad.ne(0).any()) for x in net.transfers.parameters())  # type: ignore[union-attr]


@torch.no_grad()
@pytest.mark.parametrize("decoder", ["blockwise", "head-tree:size=7", "head-tree:size=2,depth=2"])
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_its_texts_are_those_of_left_to_right(decoder: str, temperature: float) -> None:
    """Guesses of maps that were never trained are wrong, and sometimes right."""
    net = made()
    lm = net.read(SOURCES)
    assert isinstance(lm, HeadedLM)
    assert lm.heads == 3
    texts = []
    for name in ("left-to-right", decoder):
        canvas = Canvas.of_prompts([[1]] * 3, new_cells=[12, 5, 9])
        coins = Coins.of_seeds([3, 4, 5], cells=13)
        sampler = Sampler(Sampling(temperature=temperature), coins, (2,))
        trace = run(parse(name), lm, canvas, sampler)
        texts.append(fold(trace).tokens_BN)
    assert torch.equal(*texts)


def test_it_begins_with_a_model_that_foretells_nothing(tmp_path: Path) -> None:
    small = {
        name: replace(paradigms()[name], width=WIDTH, encoder_layers=1, decoder_layers=2)
        for name in ("deep", "hidden-transfer", "deep-heads")
    }
    fit(TASK, small["deep"], SHORT, tmp_path / "base")
    base = opened(tmp_path / "base")
    sources = [example.source for example in TASK.splits().test[:8]]
    wanted = translate(base, sources, max_new_tokens=9)
    for name in ("hidden-transfer", "deep-heads"):
        fit(TASK, small[name], SHORT, tmp_path / name, begin_from=tmp_path / "base")
        grown = opened(tmp_path / name)
        for decoder in (None, "left-to-right", "blockwise:width=2", "head-tree:size=5"):
            assert translate(grown, sources, decoder=decoder, max_new_tokens=9) == wanted
        for key, weight in base.net.state_dict().items():
            assert torch.equal(weight, grown.net.state_dict()[key])
        with pytest.raises(ValueError, match="trains heads alone"):
            fit(TASK, small[name], SHORT, tmp_path / "none")
    transfer = opened(tmp_path / "hidden-transfer")
    assert (transfer.kind, transfer.decoder) == ("transfer", "head-tree")
    assert not transfer.is_compiled
    assert isinstance(transfer.net, TransferSeq2Seq)
    eye_KCC = torch.eye(16).expand(3, 16, 16)
    assert not torch.equal(transfer.net.transfers.map_KCC, eye_KCC), "the maps have learnt"


def test_where_transfers_stand() -> None:
    assert made(3, 3, 0).sizes.levels == (1, 1, 1)
    assert made(3, 3, 1).sizes.levels == (1, 2, 3)
    assert made(4, 2, 1).sizes.levels == (2, 3, 3, 3)
    assert made(2, 9, 0).sizes.levels == (0, 0)
    with pytest.raises(ValueError, match="pass 1 layer or more"):
        made(2, 0, 0)
    with pytest.raises(ValueError, match="1 token or more"):
        made(0, 1, 0)
    with pytest.raises(ValueError, match="none below the last"):
        Transfers(16, (2, 1))
