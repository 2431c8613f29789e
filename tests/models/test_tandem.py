"""A small model beside a large one: what it sees, what it learns, its cache, its folder."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Generator

from anyorder.canvas import Canvas
from anyorder.data.copy_or_reverse import CopyOrReverse
from anyorder.masks import Tree, known_in_blocks
from anyorder.measure.translation import translate
from anyorder.models.compiled.choice import compiled
from anyorder.models.further import SmallLM, TandemLM
from anyorder.models.left_to_right import small as of_small
from anyorder.models.left_to_right.seq2seq import Seq2Seq, Seq2SeqSizes
from anyorder.models.left_to_right.small import SmallCache
from anyorder.models.left_to_right.tandem import AloneSeq2Seq, TandemSeq2Seq, TandemSizes
from anyorder.models.sources import padded
from anyorder.models.translator import opened
from anyorder.nets.cache import KeyValues
from anyorder.objectives.tandem import TandemTuning
from anyorder.train.fit import fit
from anyorder.train.paradigms import paradigms
from anyorder.train.recipe import Recipe
from anyorder.train.schedule import InverseRoot
from tests.models.made_headed import SIZES, WIDTH
from tests.models.made_tandem import SOURCES, alone, by_hand, made
from tests.train.made import batch

TASK = CopyOrReverse(length=4, alphabet=5, pairs=60)
SHORT = Recipe(steps=3, cells=200, schedule=InverseRoot(peak=3e-2, warmup=1), check_every=2)
BLOCKS = [(b, first) for b in (1, 2, 3, 5) for first in range(1, b + 1)]
TEXT = [1, 4, 8, 5, 5, 3, 7]


@torch.no_grad()
@pytest.mark.parametrize(("block", "first"), BLOCKS)
def test_it_learns_to_say_what_it_will_say(block: int, first: int) -> None:
    """Every cell of a training is told just what it is told in a block of a text."""
    for net in (made(), made(layers=1, channels=8)):
        known_N = known_in_blocks(len(TEXT), block, first=first)
        features_1NC = net.written(*padded(SOURCES[:1]), torch.tensor([TEXT]), known_N)
        logits_NV = net.small_head(features_1NC)[0]
        for n, known in enumerate(known_N.tolist()):
            wanted_V = by_hand(net, SOURCES[0], TEXT[: n + 1], known)
            torch.testing.assert_close(logits_NV[n], wanted_V, rtol=1e-4, atol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize(("block", "first"), BLOCKS)
def test_a_cell_sees_the_blocks_before_and_in_blocks_of_one_every_state(
    block: int, first: int
) -> None:
    """Whatever the large model knows of one cell is changed, and one looks who has noticed."""
    net, N = made(), len(TEXT)
    known_N = known_in_blocks(N, block, first=first)
    assert known_N.tolist() == sorted(known_N.tolist())
    memory, text_1N = net.encode(*padded(SOURCES[:1])), torch.tensor([TEXT])
    large_1NC = torch.randn(1, N, WIDTH.channels)
    before = net.small(text_1N, large_1NC, known_N, memory)
    for cell in range(N):
        other = large_1NC.clone()
        other[0, cell] += 1.0
        noticed_N = (net.small(text_1N, other, known_N, memory) != before).any(-1)[0]
        assert noticed_N.tolist() == (cell < known_N).tolist()
        if block == 1:
            assert noticed_N.tolist() == [n >= cell for n in range(N)], "and its own state, too"


def test_blocks_begin_behind_the_first_cell_and_may_be_cut_short() -> None:
    assert known_in_blocks(6, 1, first=1).tolist() == [1, 2, 3, 4, 5, 6]
    assert known_in_blocks(6, 3, first=3).tolist() == [1, 1, 1, 4, 4, 4]
    assert known_in_blocks(6, 3, first=1).tolist() == [1, 2, 2, 2, 5, 5]
    drawn = {
        tuple(TandemTuning(longest=3).known(6, Generator().manual_seed(seed)).tolist())
        for seed in range(60)
    }
    every = {
        tuple(known_in_blocks(6, block, first=first).tolist())
        for block in (1, 2, 3)
        for first in range(1, block + 1)
    }
    assert drawn == every


@torch.no_grad()
@pytest.mark.parametrize("fast", [False, True])
def test_its_cache_changes_nothing_however_a_text_is_cut(fast: bool) -> None:
    """Two rows at once, of which the large model reads different parts, at different times; the
    small one is asked after every cell, and trimmed when the large one has caught up.
    """
    net = made()
    reads: Any = compiled(net) if fast else net
    lm = reads.read(SOURCES[:2])
    assert isinstance(lm, TandemLM)
    assert isinstance(lm.small, SmallLM)
    large, small = lm.new_cache(2, 12), lm.small.new_cache(2, 12)
    rounds = (([3, 1], 2), ([1, 2], 1), ([1, 0], 2), ([2, 4], 0))  # of the large; of the small
    for counts, more in rounds:
        count_B, at_B = torch.tensor(counts), large.length_B
        small.trim(at_B)
        tokens_BT = torch.tensor([[*TEXT[a:], *[0] * 9][: max(counts)] for a in at_B.tolist()])
        _, features_BTC = lm.extend_with_features(tokens_BT, large)
        cells_BT = torch.arange(max(counts)).expand(2, -1)
        large.keep(cells_BT, count_B)
        lm.small.see(features_BTC, count_B, small)
        small.trim(large.length_B - 1)
        for _ in range(1 + more):
            ends = small.length_B.tolist()
            token_B1 = torch.tensor([[TEXT[end]] for end in ends])
            logits_BV = lm.small.extend(token_B1, small)[:, 0]
            small.keep(torch.zeros_like(token_B1), torch.ones(2, dtype=torch.long))
            for row, end in enumerate(ends):
                known = int(large.length_B[row])
                wanted_V = by_hand(net, SOURCES[row], TEXT[: end + 1], known)
                torch.testing.assert_close(logits_BV[row], wanted_V, rtol=1e-3, atol=1e-3)
    chosen = small.select(torch.tensor([1, 1]))
    chosen.trim(large.length_B[[1, 1]] - 1)
    small.trim(large.length_B - 1)
    token_B1 = torch.tensor([[TEXT[int(large.length_B[1]) - 1]]] * 2)
    both = lm.small.extend(token_B1, chosen)
    torch.testing.assert_close(both[0], both[1])
    torch.testing.assert_close(both[0], lm.small.extend(token_B1, small)[1])


@torch.no_grad()
def test_rows_of_one_length_need_no_mask_and_no_places(monkeypatch: pytest.MonkeyPatch) -> None:
    """And say what they say beside a row of another length."""
    net = made()
    lm = net.read(SOURCES[:3])
    places: list[Any] = []
    write = KeyValues.write

    def noted(own: KeyValues, layer: int, keys: Any, values: Any, at_BT: Any) -> Any:
        places.append(at_BT)
        return write(own, layer, keys, values, at_BT)

    def seen(*counts: int) -> SmallCache:
        small = lm.small.new_cache(3, 12)
        _, features = lm.extend_with_features(torch.tensor([TEXT[:4]] * 3), lm.new_cache(3, 12))
        places.clear()
        lm.small.see(features, torch.tensor(counts), small)
        return small

    token_B1 = torch.full((3, 1), 5)
    beside = lm.small.extend(token_B1, seen(4, 4, 2))
    monkeypatch.setattr(KeyValues, "write", noted)
    monkeypatch.setattr(of_small, "sees_of_new", None)  # nobody asks for one
    level = seen(4, 4, 4)
    said = lm.small.extend(token_B1, level)
    torch.testing.assert_close(said[:2], beside[:2])
    assert places == [None] * 2 * len(net.small.stack.each)
    level.trim(torch.tensor([3, 3, 3]))
    again = lm.small.extend(torch.full((3, 1), TEXT[3]), level)  # the large one knows this cell
    torch.testing.assert_close(again[0, 0], by_hand(net, SOURCES[0], TEXT[:4], 4))


@torch.no_grad()
def test_it_reads_a_tree_of_its_own_guesses() -> None:
    net = made()
    lm = net.read(SOURCES[:1])
    large, small = lm.new_cache(1, 12), lm.small.new_cache(1, 12)
    _, features = lm.extend_with_features(torch.tensor([TEXT[:3]]), large)
    lm.small.see(features, torch.tensor([3]), small)
    tree = Tree(torch.tensor([[-1, 0, 0, 2]]))
    said = lm.small.extend(torch.tensor([[5, 6, 7, 3]]), small, tree=tree)[0]
    for cell, path in enumerate(([5], [5, 6], [5, 7], [5, 7, 3])):
        wanted_V = by_hand(net, SOURCES[0], TEXT[:3] + path, 3)
        torch.testing.assert_close(said[cell], wanted_V, rtol=1e-4, atol=1e-4)
    with pytest.raises(ValueError, match="room for 12"):
        lm.small.extend(torch.zeros(1, 10, dtype=torch.long), small)


@torch.no_grad()
def test_alone_it_sees_nothing_but_the_source_and_itself() -> None:
    net = alone()
    fast: Any = compiled(net)
    wanted_NV = torch.stack([by_hand(net, SOURCES[0], TEXT[: n + 1], 0) for n in range(len(TEXT))])
    known = net(*padded(SOURCES[:1]), torch.tensor([TEXT]))[0]
    torch.testing.assert_close(known, wanted_NV, rtol=1e-4, atol=1e-4)
    for reads in (net, fast):
        lm = reads.read(SOURCES[:1])
        said = lm.extend(torch.tensor([TEXT]), lm.new_cache(1, 9))[0]
        torch.testing.assert_close(said, wanted_NV, rtol=1e-3, atol=1e-3)


def test_the_small_model_alone_learns() -> None:
    for net in (made(), alone()):
        TandemTuning()(net.train(), batch(), progress=0.0, rng=Generator()).total.backward()
        assert net.training
        learnt = {name for name, x in net.named_parameters() if x.grad is not None}
        unseen = set() if type(net) is TandemSeq2Seq else {"known.0", "known.1"}
        wanted = {name for name, _ in net.small.named_parameters() if name[:7] not in unseen}
        assert learnt == {f"small.{name}" for name in wanted}
    wrongs: list[dict[str, Any]] = [{"longest": 0}, {"smoothing": 1.0}]
    for wrong in wrongs:
        with pytest.raises(ValueError, match=r"1 cell or more|label smoothing"):
            TandemTuning(**wrong)


def test_it_begins_as_the_top_of_the_large_model() -> None:
    net = made()
    net.begin_small()
    top, own = net.decoder.each, net.small.stack.each
    for ours, theirs in zip(own, top[-len(own) :], strict=True):
        for name, weight in ours.state_dict().items():
            assert torch.equal(weight, theirs.state_dict()[name])
    assert torch.equal(net.small.target.table.weight, net.target.table.weight)
    narrow = made(channels=8)
    before = narrow.small.target.table.weight.clone()
    narrow.begin_small()
    assert torch.equal(narrow.small.target.table.weight, before), "there is nothing that fits"
    sizes = TandemSizes(**SIZES, small_channels=8)
    assert (sizes.small.channels, sizes.small.heads, sizes.small.middle) == (8, 1, 12)


@torch.no_grad()
def test_the_large_model_says_what_it_said() -> None:
    net = made()
    common = {name: getattr(net.sizes, name) for name in Seq2SeqSizes.__dataclass_fields__}
    plain = Seq2Seq(Seq2SeqSizes(**common)).eval()
    plain.load_state_dict({k: x for k, x in net.state_dict().items() if k[:6] != "small."})
    text_BN = torch.tensor([TEXT] * 4)
    assert torch.equal(net(*padded(SOURCES), text_BN), plain(*padded(SOURCES), text_BN))


def test_it_is_trained_beside_a_model_that_stays_as_it_is(tmp_path: Path) -> None:
    small = {
        name: replace(paradigms()[name], width=WIDTH, encoder_layers=1, decoder_layers=2)
        for name in ("deep", "tandem", "tandem-alone")
    }
    fit(TASK, small["deep"], SHORT, tmp_path / "base")
    base = opened(tmp_path / "base")
    sources = [example.source for example in TASK.splits().test[:8]]
    wanted = translate(base, sources, max_new_tokens=9)
    for name, kind in (("tandem", TandemSeq2Seq), ("tandem-alone", AloneSeq2Seq)):
        fit(TASK, small[name], SHORT, tmp_path / name, begin_from=tmp_path / "base")
        grown = opened(tmp_path / name)
        assert type(grown.net) is kind
        assert grown.is_compiled
        for key, weight in base.net.state_dict().items():
            assert torch.equal(weight, grown.net.state_dict()[key])
        top = grown.net.small.stack.norm.weight  # type: ignore[union-attr]
        assert not torch.equal(top, base.net.state_dict()["decoder.norm.weight"])
        with pytest.raises(ValueError, match="must be there"):
            fit(TASK, small[name], SHORT, tmp_path / "none")
    tandem, by_itself = opened(tmp_path / "tandem"), opened(tmp_path / "tandem-alone")
    for decoder in (None, "left-to-right", "tandem-draft:width=2", "tandem:block=1,free=true"):
        assert translate(tandem, sources, decoder=decoder, max_new_tokens=9) == wanted
    assert (tandem.decoder, by_itself.decoder) == ("tandem-draft", "left-to-right")
    translate(tandem, sources, decoder="tandem:block=2", max_new_tokens=9)
    translate(by_itself, sources, max_new_tokens=9)
    model, canvas = by_itself.begin(sources[:2], max_new_tokens=3)
    assert isinstance(canvas, Canvas)
    assert model.fingerprint == "small-1x16"


def test_every_cut_is_told_apart() -> None:
    """What a cell is told does matter: no two schedules give the same."""
    net = made()
    said = {tuple(by_hand(net, SOURCES[0], TEXT, known).tolist()) for known in range(len(TEXT) + 1)}
    assert len(said) == len(TEXT) + 1
