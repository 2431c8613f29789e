"""Compiled translators say what their networks say, and the same bits in any company."""

import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from anyorder.canvas import Canvas
from anyorder.decode.catalogue import parse
from anyorder.decode.generate import generate
from anyorder.decode.run import run
from anyorder.decode.sampling import Coins, Sampler, Sampling
from anyorder.decode.stops import Stops
from anyorder.masks import Tree
from anyorder.models.compiled.choice import KINDS, compiled
from anyorder.models.left_to_right.headed import HeadedSeq2Seq, HeadedSizes
from anyorder.models.left_to_right.leaping import LeapSeq2Seq, LeapSizes
from anyorder.models.left_to_right.recursive import RecursiveSeq2Seq, RecursiveSizes
from anyorder.models.left_to_right.semi_autoregressive import (
    SemiAutoregressiveSeq2Seq,
    SemiAutoregressiveSizes,
)
from anyorder.models.left_to_right.seq2seq import Seq2Seq, Seq2SeqSizes
from anyorder.models.left_to_right.set_block import SetBlockSeq2Seq, SetBlockSizes
from anyorder.models.left_to_right.tandem import AloneSeq2Seq, TandemSeq2Seq, TandemSizes
from anyorder.models.load import load
from anyorder.models.parallel.one_shot import CTCTransformer, DAGTransformer, ParallelSizes
from anyorder.models.translator import Translator, opened
from anyorder.nets.compiled.stack import CompiledStack, Source
from anyorder.nets.layers import Width
from anyorder.trace import fold
from anyorder.units.training import letters
from tests.train.made import length_based, parallel

VOCAB = 40
WIDTHS = {
    "narrow": Width(channels=16, heads=2, middle=32),
    "odd": Width(channels=72, heads=3, middle=100),
    "wide": Width(channels=128, heads=1, middle=256),
}
LENGTHS = (5, 1, 30, 2, 17)
every = pytest.mark.parametrize("kind", KINDS)


def made(kind: type, width: Width = WIDTHS["odd"], layers: tuple[int, int] = (2, 2)) -> Any:
    """A network with biases, and norms that are not 1."""
    torch.manual_seed(3)
    sizes: dict[str, Any] = {
        "source_vocab": VOCAB,
        "target_vocab": VOCAB,
        "encoder_layers": layers[0],
        "decoder_layers": layers[1],
        "width": width,
    }
    if kind is HeadedSeq2Seq:
        net: nn.Module = HeadedSeq2Seq(HeadedSizes(**sizes, bos=1, eos=2, heads=2))
    elif kind is LeapSeq2Seq:
        net = LeapSeq2Seq(LeapSizes(**sizes, bos=1, eos=2, heads=2))
    elif kind is RecursiveSeq2Seq:
        net = RecursiveSeq2Seq(RecursiveSizes(**sizes, bos=1, eos=2))
    elif kind is SemiAutoregressiveSeq2Seq:
        net = SemiAutoregressiveSeq2Seq(SemiAutoregressiveSizes(**sizes, bos=1, eos=2, mask=3))
    elif kind is SetBlockSeq2Seq:
        net = SetBlockSeq2Seq(SetBlockSizes(**sizes, bos=1, eos=2, mask=3))
    elif issubclass(kind, TandemSeq2Seq):
        net = kind(TandemSizes(**sizes, bos=1, eos=2, small_layers=2))
    elif issubclass(kind, Seq2Seq):
        net = kind(Seq2SeqSizes(**sizes, bos=1, eos=2))
    else:
        net = kind(ParallelSizes(**sizes, spread=2))
    for name, weight in net.named_parameters():
        if weight.dim() == 1:
            weight.data += torch.randn_like(weight) * 0.3
        assert name
    return net.eval()


def sources(*lengths: int) -> list[list[int]]:
    rng = torch.Generator().manual_seed(len(lengths))
    return [torch.randint(4, VOCAB, (n,), generator=rng).tolist() for n in lengths]


@torch.inference_mode()
def said(reads: Any, of: list[list[int]]) -> list[Tensor]:
    """The numbers of each row, without padding."""
    model = reads.read(of)
    if hasattr(model, "ctc"):
        lattice = model.ctc()
        return [logp[:n] for logp, n in zip(lattice.logp_BMV, lattice.count_B, strict=True)]
    if hasattr(model, "dag"):
        lattice = model.dag()
        both = torch.cat([lattice.logp_BMV, lattice.links_BMM.exp()], -1)
        V = lattice.logp_BMV.shape[-1]
        return [row[:n, : V + n] for row, n in zip(both, lattice.count_B.tolist(), strict=True)]
    cache = model.new_cache(len(of), 8)
    tokens_BT = torch.arange(4 * len(of)).reshape(-1, 4) % VOCAB
    return list(model.extend(tokens_BT, cache))


@every
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("layers", [(1, 1), (3, 2)])
def test_it_says_what_the_network_says(kind: type, width: str, layers: tuple[int, int]) -> None:
    net = made(kind, WIDTHS[width], layers)
    fast = compiled(net)
    assert fast is not None
    for of in (sources(*LENGTHS), sources(9), sources(*[3] * 20), sources(200, 290, 7, 255)):
        for ours, theirs in zip(said(fast, of), said(net, of), strict=True):
            torch.testing.assert_close(ours, theirs, atol=2e-4, rtol=2e-4)


@every
@pytest.mark.parametrize("precision", ["float32", "bfloat16", "int8"])
def test_a_row_has_the_same_bits_in_any_company(kind: type, precision: str) -> None:
    fast, of = KINDS[kind](made(kind), precision), sources(*LENGTHS, 240, 3)
    if issubclass(kind, Seq2Seq):  # its rows have tokens of their own, see below
        first, again = said(fast, of), said(fast, [*of[:1], *of[2:][::-1]])
        if kind is AloneSeq2Seq:  # the small model itself is torch's operators
            torch.testing.assert_close(first[0], again[0])
        else:
            assert torch.equal(first[0], again[0])
        return
    same_in_any_company(fast, of)


def same_in_any_company(fast: Any, of: list[list[int]]) -> None:
    """Each source together with the others, in another order, and alone."""
    together, backwards = said(fast, of), said(fast, of[::-1])[::-1]
    alone = [said(fast, [source])[0] for source in of]
    for rows in zip(together, backwards, alone, strict=True):
        tokens = [row[:, :VOCAB] for row in rows]
        assert torch.equal(tokens[0], tokens[1])
        assert torch.equal(tokens[0], tokens[2])
        for row in rows[1:]:  # links are made by torch's operators, whose bits depend on the batch
            torch.testing.assert_close(row, rows[0])


@pytest.mark.parametrize("kind", [CTCTransformer, DAGTransformer])
@pytest.mark.parametrize("what", ["source", "length"])
def test_it_is_noticed_where_rows_look_at_each_other(
    kind: type, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fast, of, right = compiled(made(kind)), sources(*LENGTHS), Source.seen_by

    def wrong(self: Source, rows: Any) -> Any:
        if what == "source":
            return right(self, np.zeros(len(rows), np.int64))
        return right(Source(self.memory, [min(self.counts)] * len(self.counts)), rows)

    monkeypatch.setattr(Source, "seen_by", wrong)
    with pytest.raises(AssertionError):
        same_in_any_company(fast, of)


@pytest.mark.parametrize("precision", ["bfloat16", "int8"])
def test_coarser_weights_say_nearly_the_same(precision: str) -> None:
    net = made(CTCTransformer)
    found = (
        said(reads, sources(*LENGTHS)) for reads in (KINDS[CTCTransformer](net, precision), net)
    )
    for ours, theirs in zip(*found, strict=True):
        assert (ours.exp() - theirs.exp()).abs().max() < 0.1


@torch.inference_mode()
def test_a_text_has_the_same_bits_however_it_is_cut() -> None:
    fast: Any = compiled(made(Seq2Seq))
    lm, tokens_BT = fast.read(sources(*LENGTHS)), torch.arange(30).reshape(5, 6) + 4
    whole = lm.extend(tokens_BT, lm.new_cache(5, 6))
    cache, parts = lm.new_cache(5, 9), []
    for at, count in ((0, 1), (1, 3), (4, 2)):
        parts.append(lm.extend(tokens_BT[:, at : at + count], cache))
        cache.keep(torch.arange(count).expand(5, -1), torch.full((5,), count))
    assert torch.equal(torch.cat(parts, 1), whole)
    one = fast.read(sources(*LENGTHS)[1:2])
    assert torch.equal(one.extend(tokens_BT[1:2], one.new_cache(1, 6))[0], whole[1])
    scored = lm.extend(tokens_BT, lm.new_cache(5, 6), score_BS=torch.tensor([[5, 0]] * 5))
    assert torch.equal(scored, whole[:, [5, 0]])
    with pytest.raises(ValueError, match="room for 9 cells"):
        lm.extend(tokens_BT, cache)


@torch.inference_mode()
def test_rows_that_are_chosen_keep_their_sources() -> None:
    net = made(Seq2Seq)
    fast: Any = compiled(net)
    of, begun = sources(*LENGTHS), torch.arange(5)[:, None] + 4
    rows, path = torch.tensor([4, 4, 0, 2]), torch.zeros(5, 1, dtype=torch.long)
    found = []
    for reads in (fast, net):
        lm: Any = reads.read(of)
        cache = lm.new_cache(5, 6)
        lm.extend(begun, cache)
        cache.keep(path, torch.ones(5, dtype=torch.long))
        chosen = cache.select(rows).select(torch.tensor([1, 2, 3]))
        tree = Tree(torch.tensor([[-1, 0, 0]]))
        found.append(lm.extend(torch.arange(9).reshape(3, 3) + 4, chosen, tree=tree))
    torch.testing.assert_close(*found, atol=2e-4, rtol=2e-4)


@pytest.mark.parametrize("name", ["jacobi:block=4", "token-recycling", "prompt-copy", "auto"])
@pytest.mark.parametrize("temperature", [0.0, 0.9])
def test_drafts_change_no_text(name: str, temperature: float) -> None:
    fast: Any = compiled(made(Seq2Seq))
    texts = []
    for each in ("left-to-right", name):
        canvas = Canvas.of_prompts([[1]] * 5, new_cells=[20] * 5)
        sampler = Sampler(
            Sampling(temperature=temperature), Coins.of_seeds([*range(5)], cells=21), (2,)
        )
        trace = run(parse(each), fast.read(sources(*LENGTHS)), canvas, sampler, Stops((2,)))
        texts.append([fold(trace).row(b) for b in range(5)])
    assert texts[0] == texts[1]


@every
def test_an_opened_model_is_fast_and_writes_the_same(kind: type, tmp_path: Path) -> None:
    units = letters(["abcdefghijklmnopqrstuvwxyzABCDEFGHIJ"])
    net = made(kind)
    plain = Translator(net, units, units, "m", (2,))
    plain.save(tmp_path)
    fast, texts = opened(tmp_path), ["abc", "Jazz", "x", "fedcba"]
    assert fast.fast
    assert not plain.fast, "its network may still be trained"
    found = [
        generate(each, texts, max_new_tokens=20, decoder=plain.decoder) for each in (plain, fast)
    ]
    assert found[0].tokens == found[1].tokens
    if kind is AloneSeq2Seq:  # the encoder alone is compiled
        assert fast.is_compiled
        return
    (model, _), (slow, _) = (each.begin(texts, max_new_tokens=9) for each in (fast, plain))
    assert type(model).__name__.startswith("Compiled")
    assert not type(slow).__name__.startswith("Compiled")
    with pytest.raises(ValueError, match="is empty"):
        fast.begin([""], max_new_tokens=9)
    with pytest.raises(ValueError, match="a source is empty"):
        compiled(net).read([[4], []])  # type: ignore[union-attr]


@pytest.mark.parametrize("precision", ["bfloat16", "int8"])
def test_a_model_is_opened_in_the_precision_one_asks_for(precision: str, tmp_path: Path) -> None:
    units = letters(["abcdefghijklmnopqrstuvwxyzABCDEFGHIJ"])
    Translator(made(CTCTransformer), units, units, "m", (2,)).save(tmp_path / "ctc")
    few = letters(["abcdef"])
    Translator(length_based().eval(), few, few, "m", (2,)).save(tmp_path / "length")
    model = load(tmp_path / "ctc", precision=precision)  # type: ignore[arg-type]
    assert model.precision == precision
    assert isinstance(model, Translator)
    assert model.is_compiled
    assert generate(model, "Jazz", max_new_tokens=20, decoder="ctc-greedy").tokens
    with pytest.raises(ValueError, match=f"a parallel model that can't run in {precision} here"):
        opened(tmp_path / "length", precision)


@torch.inference_mode()
def test_what_does_not_fit_is_refused_before_memory_is_touched() -> None:
    fast: Any = compiled(made(Seq2Seq))
    lm, one = fast.read(sources(*LENGTHS)), fast.read(sources(5))
    with pytest.raises(ValueError, match="5 rows of tokens for a cache of 1 rows"):
        lm.extend(torch.ones(5, 1, dtype=torch.long), one.new_cache(1, 9))
    tree = Tree(torch.tensor([[-1]]))
    with pytest.raises(ValueError, match="a tree of 1 x 1 cells does not fit"):
        one.extend(torch.ones(1, 40, dtype=torch.long), one.new_cache(1, 50), tree=tree)
    other: Any = compiled(made(Seq2Seq, WIDTHS["wide"]))
    with pytest.raises(ValueError, match="made for another network"):
        lm.extend(torch.ones(5, 1, dtype=torch.long), other.read(sources(*LENGTHS)).new_cache(5, 9))
    with pytest.raises(IndexError):
        fast.read([[4, -1]]).new_cache(1, 9)


@torch.inference_mode()
def test_texts_beyond_the_longest_are_those_of_the_network() -> None:
    net = made(Seq2Seq)
    net.sizes = replace(net.sizes, max_length=4)
    tokens_BT = torch.arange(8)[None] + 4
    ours, theirs = (
        lm.extend(tokens_BT, lm.new_cache(1, 8))
        for lm in (each.read(sources(3)) for each in (compiled(net), net))  # type: ignore[union-attr]
    )
    torch.testing.assert_close(ours, theirs, atol=2e-4, rtol=2e-4)


@torch.inference_mode()
def test_links_sum_to_one_whatever_surrounds_the_call() -> None:
    fast: Any = compiled(made(DAGTransformer))
    with torch.autocast("cpu", torch.bfloat16):
        lattice = fast.read(sources(9)).dag()
    sums = lattice.links_BMM[0, :-1].exp().sum(-1)
    torch.testing.assert_close(sums, torch.ones_like(sums), atol=1e-5, rtol=0)


def test_a_translator_that_was_used_is_copied(tmp_path: Path) -> None:
    units = letters(["abcdefghijklmnopqrstuvwxyzABCDEFGHIJ"])
    Translator(made(CTCTransformer), units, units, "m", (2,)).save(tmp_path)
    used = opened(tmp_path)
    assert used.is_compiled
    again = pickle.loads(pickle.dumps(used))
    assert again.is_compiled
    said_by = [said(each._reads, sources(*LENGTHS)) for each in (used, again)]
    assert all(map(torch.equal, *said_by))


def test_where_there_is_no_code_the_network_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    assert compiled(parallel(CTCTransformer, window=2)) is None, "looks twice at its source"
    assert compiled(length_based()) is None
    right = CompiledStack.run

    def wrong(self: Any, x_NC: Tensor, *rest: Any) -> None:
        right(self, x_NC * 1.1, *rest)

    assert compiled(made(CTCTransformer).double()) is None
    assert compiled(made(CTCTransformer).bfloat16()) is None
    monkeypatch.setattr(CompiledStack, "run", wrong)
    for kind in KINDS:
        assert compiled(made(kind)) is None, "wrong numbers are noticed"


@every
def test_it_promises_bits_where_its_cells_have_the_same(kind: type) -> None:
    """Links of a graph, and a small model's own layers, are made by torch's operators."""
    assert KINDS[kind].same_bits is (kind not in (DAGTransformer, AloneSeq2Seq))
