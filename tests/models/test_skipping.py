"""Fewer layers the further a text comes: which ones run, who sees whom, and how a cache serves."""

import itertools
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from anyorder.canvas import Canvas
from anyorder.data.copy_or_reverse import CopyOrReverse
from anyorder.decode.catalogue import parse
from anyorder.decode.draft_verify.from_models.speculative import Speculative
from anyorder.decode.left_to_right.plain import LeftToRight
from anyorder.decode.run import run
from anyorder.decode.sampling import Coins, Sampler, Sampling
from anyorder.decode.stops import Stops
from anyorder.masks import Tree
from anyorder.measure.translation import translate
from anyorder.models.left_to_right.seq2seq import Seq2Seq, Seq2SeqSizes
from anyorder.models.left_to_right.skipping import SkippingSeq2Seq, SkippingSizes
from anyorder.models.sources import padded
from anyorder.models.translator import Translator, opened
from anyorder.nets.depths import Depths
from anyorder.nets.layers import Width
from anyorder.systems.experiments.inside import LayersRun
from anyorder.trace import fold
from anyorder.train.fit import fit
from anyorder.train.paradigms import paradigms
from anyorder.train.recipe import Recipe
from anyorder.train.schedule import InverseRoot
from anyorder.units.training import letters
from tests.laws.cases import examples

SOURCES = [[4, 5, 6, 7, 4], [7], [5, 5, 6]]
TARGETS = [[1, 4, 8, 9, 6, 6, 5], [1, 6, 6], [1, 9, 4, 4, 7, 5]]
SIZES: dict[str, Any] = {
    "source_vocab": 8,
    "target_vocab": 10,
    "bos": 1,
    "eos": 2,
    "encoder_layers": 2,
    "decoder_layers": 4,
    "width": Width(channels=16, heads=2, middle=24, dropout=0.1),
    "max_length": 30,
}
Schedule = tuple[tuple[int, ...], int]  # depths, and the warm-up
SHORT = Recipe(steps=3, cells=200, schedule=InverseRoot(peak=3e-3, warmup=2), check_every=2)


def made(most: int = 4, least: int = 1, until: int = 4, warmup: int = 1) -> SkippingSeq2Seq:
    torch.manual_seed(0)
    sizes = SkippingSizes(**SIZES, most=most, least=least, until=until, warmup=warmup)
    net = SkippingSeq2Seq(sizes).double().eval()
    with torch.no_grad():
        net.target.table.weight.mul_(8)  # logits that lie well apart
    return net


def of(depths: Depths) -> SkippingSeq2Seq:
    net = made()
    net.depths = depths
    return net


@st.composite
def schedules(draw: st.DrawFn) -> Schedule:
    """Any depths that never rise, and a warm-up that they allow."""
    each = draw(st.lists(st.integers(1, 4), min_size=1, max_size=8))
    each.sort(reverse=True)
    return tuple(each), draw(st.integers(0, each[-1]))


def by_hand(net: SkippingSeq2Seq, source: list[int], tokens: list[int]) -> Tensor:
    """The logits after the last token: cell by cell, each through its own layers, with the keys
    and values that were computed when it was its turn.
    """
    memory = net.encode(*padded([source]))
    sources = net.decoder.sources(memory)
    held: list[list[tuple[Tensor, Tensor]]] = [[] for _ in range(4)]
    logits_V = torch.zeros(())
    for place, token in enumerate(tokens):
        x_11C = net.target.placed(
            net.target.vectors(torch.tensor([[token]])), torch.tensor([[place]]), place + 1
        )
        depth, warmup = net.depths.at(place), net.depths.warmup
        for number in [*range(warmup), *range(4 - (depth - warmup), 4)]:
            layer = net.decoder.each[number]
            held[number].append(layer.own.keys_values(layer.own_norm(x_11C)))
            assert len(held[number]) == place + 1, "all cells before it ran through this layer"
            both = tuple(torch.cat(each, 2) for each in zip(*held[number], strict=True))
            x_11C = layer(x_11C, lambda _normed, kept=both: (kept, None), sources[number])
        logits_V = net.head(net.decoder.norm(x_11C))[0, 0]
    return logits_V


@examples(30)
@given(schedule=schedules(), row=st.integers(0, 2))
@torch.no_grad()
def test_each_cell_runs_through_its_own_layers(schedule: Schedule, row: int) -> None:
    net = of(Depths(4, *schedule))
    known_NV = net(*padded([SOURCES[row]]), torch.tensor([TARGETS[row]]))[0]
    for n in range(1, len(TARGETS[row]) + 1):
        wanted_V = by_hand(net, SOURCES[row], TARGETS[row][:n])
        torch.testing.assert_close(known_NV[n - 1], wanted_V)


@examples(40)
@given(schedule=schedules(), cuts=st.sets(st.integers(1, 6)))
@torch.no_grad()
def test_a_cache_changes_nothing_however_a_target_is_cut(
    schedule: Schedule, cuts: set[int]
) -> None:
    """Rows of their own lengths, some of which keep less than they were given."""
    net = of(Depths(4, *schedule))
    targets_BN, count_B = padded(TARGETS)
    expected_BNV = net(*padded(SOURCES), targets_BN)
    lm = net.read(SOURCES)
    cache = lm.new_cache(3, room=20)
    done_B, found = [0, 0, 0], [list[Tensor]() for _ in range(3)]
    steps = itertools.pairwise([0, *sorted(cuts), 7])
    for turn, width in enumerate([b - a for a, b in steps] + [3] * 5):
        rows = [(row[at:] + [3] * width)[:width] for row, at in zip(TARGETS, done_B, strict=True)]
        logits_BTV = lm.extend(torch.tensor(rows), cache)
        kept = [
            min(width - (turn + b) % 2 * (width > 1), int(count_B[b]) - done_B[b]) for b in range(3)
        ]
        cache.keep(torch.arange(width).expand(3, -1), torch.tensor(kept))
        for b in range(3):
            found[b] += list(logits_BTV[b, : kept[b]])
            done_B[b] += kept[b]
    assert done_B == count_B.tolist()
    for b in range(3):
        wanted_NV = expected_BNV[b, : count_B[b]].float()
        torch.testing.assert_close(torch.stack(found[b]), wanted_NV, rtol=1e-5, atol=1e-5)


@torch.no_grad()
def test_a_row_is_the_same_alone_and_in_company() -> None:
    net = made()
    together_BNV = net(*padded(SOURCES), padded(TARGETS)[0])
    for b, (source, target) in enumerate(zip(SOURCES, TARGETS, strict=True)):
        alone_1NV = net(*padded([source]), torch.tensor([target]))
        torch.testing.assert_close(together_BNV[b, : len(target)], alone_1NV[0])


@torch.no_grad()
def test_the_branches_of_a_tree_have_the_depth_of_their_place() -> None:
    net = of(Depths(4, (4, 3, 2, 1)))
    lm = net.read(SOURCES[:1])
    cache = lm.new_cache(1, room=9)
    tree = Tree(torch.tensor([[-1, 0, 0, 2, 1]]))
    logits_1TV = lm.extend(torch.tensor([[1, 4, 5, 6, 7]]), cache, tree=tree)
    for tokens, cell in (([1, 4, 7], 4), ([1, 5, 6], 3)):
        wanted_V = by_hand(net, SOURCES[0], tokens).float()
        torch.testing.assert_close(logits_1TV[0, cell], wanted_V)
    cache.keep(torch.tensor([[0, 2, 3]]), torch.tensor([3]))
    after = lm.extend(torch.tensor([[7]]), cache)
    torch.testing.assert_close(after[0, 0], by_hand(net, SOURCES[0], [1, 5, 6, 7]).float())


@torch.no_grad()
@pytest.mark.parametrize("warmup", [0, 1, 4])
def test_at_full_depth_it_is_the_model_that_skips_nothing(warmup: int) -> None:
    """To the last bit, in training and with a cache."""
    net = made(4, 4, warmup=warmup)
    plain = Seq2Seq(Seq2SeqSizes(**SIZES)).double().eval()
    plain.load_state_dict(net.state_dict())
    tokens_BN = padded(TARGETS)[0]
    both = [each(*padded(SOURCES), tokens_BN) for each in (net, plain)]
    assert torch.equal(*both)
    found = []
    for each in (net, plain):
        lm = each.read(SOURCES)
        cache = lm.new_cache(3, 8)
        first = lm.extend(tokens_BN[:, :3], cache)
        cache.keep(torch.arange(3).expand(3, -1), torch.tensor([3, 1, 2]))
        found.append(torch.cat([first, lm.extend(tokens_BN[:, 3:5], cache)], 1))
    assert torch.equal(*found)


@torch.no_grad()
def test_cut_off_on_top_it_is_a_model_of_fewer_layers() -> None:
    net = made(2, 2, warmup=2)
    small = Seq2Seq(Seq2SeqSizes(**{**SIZES, "decoder_layers": 2})).double().eval()
    known = small.state_dict()
    small.load_state_dict({name: x for name, x in net.state_dict().items() if name in known})
    tokens_BN = padded(TARGETS)[0]
    assert torch.equal(net(*padded(SOURCES), tokens_BN), small(*padded(SOURCES), tokens_BN))


def texts_of(net: SkippingSeq2Seq, decoder: Any, temperature: float, rows: list[int]) -> list:
    canvas = Canvas.of_prompts([[1]] * len(rows), new_cells=[12] * len(rows))
    coins = Coins.of_seeds([5 + row for row in rows], cells=13)
    sampler = Sampler(Sampling(temperature=temperature), coins, (2,))
    trace = run(decoder, net.read([SOURCES[b] for b in rows]), canvas, sampler, Stops((2,)))
    return [fold(trace).row(b) for b in range(len(rows))]


DECODERS = ("jacobi:block=4", "token-recycling", "prompt-copy", "speculative")


@pytest.mark.parametrize("name", DECODERS)
@pytest.mark.parametrize("temperature", [0.0, 0.9])
def test_decoders_of_language_models_serve_it(name: str, temperature: float) -> None:
    """Drafts run ahead of the depth of their row's last cell; rows keep as many as they will."""
    net = made()
    drafts = Speculative(made(2, 2).read(SOURCES), width=4) if name == "speculative" else None
    wanted = texts_of(net, LeftToRight(), temperature, [0, 1, 2])
    assert texts_of(net, drafts or parse(name), temperature, [0, 1, 2]) == wanted
    assert [texts_of(net, LeftToRight(), temperature, [b])[0] for b in range(3)] == wanted


def test_depths_fall_in_a_line() -> None:
    depths = Depths.falling(layers=6, most=6, least=2, until=20)
    assert (depths.at(0), depths.at(10), depths.at(20), depths.at(999)) == (6, 4, 2, 2)
    assert sum(depths.each) / 21 == 4
    assert depths.layers_at(10) == [0, 3, 4, 5]
    assert Depths(6, (3,), 0).layers_at(0) == [3, 4, 5]
    assert Depths(6, (3,), 3).layers_at(7) == [0, 1, 2]
    assert Depths(6, (1,)).layers_at(0) == [0]
    for layer in range(6):
        who = [n for n in range(30) if layer in depths.layers_at(n)]
        places = depths.places(layer)
        assert who == list(range(30 if places is None else places))


def test_what_a_cell_needs_is_told_for_every_call() -> None:
    depths = Depths(4, (4, 3, 2, 1))
    told = depths.runs(torch.tensor([[2], [9]]))
    assert told[:3] == [True, False, False]
    assert isinstance(told[3], Tensor)
    assert told[3].tolist() == [[True], [False]]
    assert depths.runs(torch.tensor([[0, 0]])) == [True] * 4


@pytest.mark.parametrize(
    ("each", "warmup", "says"),
    [
        ((2, 3), 1, "no cell may have more layers than the one before it"),
        ((), 1, "no cell may have more"),
        ((2, 1), 2, "the 2 first ones among them"),
        ((1, 0), 0, "1 layer or more"),
        ((3, 1), -1, "first ones among them"),
        ((5, 1), 1, "there are 4 layers, and a cell has 5"),
    ],
)
def test_depths_that_can_not_be_are_named(each: tuple[int, ...], warmup: int, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Depths(4, each, warmup)


def test_sizes_that_can_not_be_are_named() -> None:
    with pytest.raises(ValueError, match="more layers than the one before"):
        made(1, 3)
    with pytest.raises(ValueError, match="1 place or more until the least, not 0"):
        made(until=0)
    with pytest.raises(ValueError, match="there are 4 layers, and a cell has 6"):
        made(most=6)


def test_no_layer_is_run_that_no_cell_needs() -> None:
    """Counted in decoding, one cell a call, and by the schedule."""
    units = letters(["abcd"])
    for net in (made(), made(3, 3), made(2, 2, warmup=2), of(Depths(4, (4, 2), 2))):
        translator = Translator(net, units, units, "m")  # without an end: 200 cells or all
        found = LayersRun().of(translator, "left-to-right", ["abc", "d"])
        cells = net.sizes.max_length  # as many as it holds
        wanted = sum(net.depths.at(place) for place in range(cells)) / cells
        assert found["layers_per_token"] == pytest.approx(wanted)
        assert not any(module._forward_hooks for module in net.modules())


def test_it_begins_with_a_model_that_skips_nothing(tmp_path: Path) -> None:
    """Trained, kept and opened; layers that nobody runs through stay as they were."""
    task = CopyOrReverse(length=4, alphabet=5, pairs=60)
    width = SIZES["width"]
    deep = replace(paradigms()["deep"], width=width, encoder_layers=1)
    fit(task, deep, SHORT, tmp_path / "base")
    skip = replace(paradigms()["skip-3"], width=width, encoder_layers=1)
    first = fit(task, skip, SHORT, tmp_path / "m", begin_from=tmp_path / "base")
    base, kept = opened(tmp_path / "base"), opened(tmp_path / "m")
    assert (kept.kind, kept.decoder, kept.is_compiled) == ("skipping", "left-to-right", False)
    assert isinstance(kept.net, SkippingSeq2Seq)
    assert kept.net.depths == Depths.falling(layers=6, most=4, least=2, until=24)
    assert asdict(kept.net.sizes)["until"] == 24
    texts = [translate(each, ["abc", "ca"], max_new_tokens=9) for each in (first, kept)]
    assert texts[0] == texts[1]
    before, after = base.net.state_dict(), kept.net.state_dict()
    same = {name for name, weight in before.items() if torch.equal(weight, after[name])}
    never = {name for name in before if name.startswith(("decoder.layers.1", "decoder.layers.2"))}
    assert never <= same, "a depth of four leaves them out"
    assert not any(name.startswith("decoder.layers.3") for name in same - never)
    with pytest.raises(ValueError, match="there are 3 layers, and a cell has 4"):
        skip.resized(decoder_layers=3).net(source_vocab=9, target_vocab=9)
