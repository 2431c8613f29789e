"""The trained Levenshtein transformer: ragged rows, open cells, its own end, saving."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from anyorder.canvas import DRAFT, GIVEN, OPEN, PAD, Canvas
from anyorder.decode.catalogue import parse
from anyorder.decode.run import run
from anyorder.decode.sampling import Coins, Sampler, Sampling
from anyorder.models.capability import EditModel
from anyorder.models.parallel.levenshtein import LevenshteinSizes, LevenshteinTransformer
from anyorder.models.translator import Translator, opened
from anyorder.nets.layers import Width
from anyorder.trace import fold
from anyorder.units.training import letters, words

SOURCES = [[4, 5, 6, 7, 4], [7], [5, 5, 6]]
TEXTS = ([1, 4, -1, 8, 9], [1], [1, -1, -1])  # -1: an open cell


@pytest.fixture(scope="module")
def model() -> LevenshteinTransformer:
    torch.manual_seed(0)
    sizes = LevenshteinSizes(
        source_vocab=8,
        target_vocab=10,
        bos=1,
        eos=2,
        encoder_layers=2,
        decoder_layers=2,
        most=5,
        width=Width(channels=16, heads=2, middle=24, dropout=0.3),
    )
    return LevenshteinTransformer(sizes).double().eval()


def canvas(*texts: list[int], junk: int = 0) -> Canvas:
    N = max(map(len, texts))
    tokens = [[token if token >= 0 else junk for token in text] for text in texts]
    status = [[GIVEN, *(OPEN if token < 0 else DRAFT for token in text[1:])] for text in texts]
    return Canvas(
        torch.tensor([[*row, *[junk] * (N - len(row))] for row in tokens]),
        torch.tensor([[*row, *[PAD] * (N - len(row))] for row in status], dtype=torch.uint8),
        torch.zeros(len(texts), N),
    )


def said(model: LevenshteinTransformer, rows: list[int], *, junk: int = 0) -> list[Tensor]:
    """What it says of some of the texts: of all cells, one after the other."""
    lm, seen = model.read([SOURCES[b] for b in rows]), canvas(*(TEXTS[b] for b in rows), junk=junk)
    inside_BN = seen.status_BN != PAD
    return [ask(seen)[inside_BN] for ask in (lm.deletions, lm.insertions, lm.fill)]


@torch.no_grad()
def test_a_row_is_the_same_alone_and_in_company(model: LevenshteinTransformer) -> None:
    for together, *alone in zip(
        *(said(model, rows) for rows in ([0, 1, 2], [0], [1], [2])), strict=True
    ):
        torch.testing.assert_close(together, torch.cat(alone))


@torch.no_grad()
def test_neither_padding_nor_what_lies_in_an_open_cell_is_read(
    model: LevenshteinTransformer,
) -> None:
    for one, other in zip(said(model, [0, 1, 2]), said(model, [0, 1, 2], junk=7), strict=True):
        torch.testing.assert_close(one, other)


@torch.no_grad()
def test_an_open_cell_is_not_a_token_and_each_head_has_its_size(
    model: LevenshteinTransformer,
) -> None:
    lm = model.read(SOURCES[:1])
    assert isinstance(lm, EditModel)
    hole, held = canvas([1, -1]), canvas([1, 0])
    assert not torch.allclose(lm.fill(hole), lm.fill(held))
    assert lm.fill(hole).shape == (1, 2, 10)
    assert lm.insertions(hole).shape == (1, 2, 6)
    assert lm.deletions(hole).shape == (1, 2, 2)
    for said_BNX in (lm.fill(hole), lm.insertions(hole), lm.deletions(hole)):
        torch.testing.assert_close(said_BNX.exp().sum(-1), torch.ones(1, 2).double())


@torch.no_grad()
def test_what_is_inserted_depends_on_both_neighbours_in_their_order(
    model: LevenshteinTransformer,
) -> None:
    """The weights for the left cell meet the left cell; behind the last one stands the end."""
    lm = model.read(SOURCES[:1])
    seen = canvas([1, 4, 8])
    C = model.sizes.width.channels
    x_TC = lm._features(seen)[0]
    left, right = model.insertion.weight[:, :C], model.insertion.weight[:, C:]
    for n in range(3):
        logits = left @ x_TC[n] + right @ x_TC[n + 1] + model.insertion.bias
        torch.testing.assert_close(lm.insertions(seen)[0, n], logits.log_softmax(-1))


@torch.no_grad()
def test_a_model_of_some_rows_is_the_model_that_read_them(model: LevenshteinTransformer) -> None:
    seen, rows_R = canvas(TEXTS[2], TEXTS[0], TEXTS[0]), torch.tensor([2, 0, 0])
    chosen, fresh = model.read(SOURCES).select(rows_R), model.read([SOURCES[b] for b in rows_R])
    for one, other in ((chosen, fresh), (chosen.select(rows_R), fresh.select(rows_R))):
        torch.testing.assert_close(one.fill(seen)[seen.open_BN], other.fill(seen)[seen.open_BN])
        assert one.room_B.tolist() == other.room_B.tolist()


def test_room_grows_with_the_source(model: LevenshteinTransformer) -> None:
    assert model.read([[4] * 9, [4]]).room_B.tolist() == [19, 11]


def test_it_writes_as_far_as_there_is_room(model: LevenshteinTransformer) -> None:
    lm = model.read(SOURCES)
    start = Canvas.of_prompts([[1]] * 3, new_cells=[30] * 3)
    greedy = Sampler(Sampling(), Coins.of_seeds([0] * 3, cells=31))
    end = fold(run(parse("levenshtein:rounds=3,penalty=99"), lm, start, greedy))
    assert not bool(end.live_B.any())
    assert bool((end.length_B > 1).all())
    assert bool((end.length_B <= lm.room_B).all())


@torch.no_grad()
def test_a_folder_gives_it_back(model: LevenshteinTransformer, tmp_path: Path) -> None:
    sources, targets = letters(["abcd"]), words(["K AE T", "S D"])
    net = replaced(model, sources.vocab_size, targets.vocab_size)
    Translator(net, sources, targets, "m", (2,)).save(tmp_path / "m")
    again = opened(tmp_path / "m")
    assert again.decoder == "levenshtein"
    lm, start = again.begin(["abc", "d"], max_new_tokens=9)
    torch.testing.assert_close(
        lm.insertions(start),
        net.read([sources.encode(text) for text in ("abc", "d")]).insertions(start),
    )


def replaced(model: LevenshteinTransformer, sources: int, targets: int) -> LevenshteinTransformer:
    """One of the same sizes for other vocabularies."""
    torch.manual_seed(3)
    sizes = replace(model.sizes, source_vocab=sources, target_vocab=targets)
    return LevenshteinTransformer(sizes).eval()


@pytest.mark.parametrize("size", ["most", "ratio"])
def test_sizes_that_can_not_be(size: str) -> None:
    with pytest.raises(ValueError, match="1 cell or more"):
        LevenshteinSizes(source_vocab=3, target_vocab=3, bos=1, eos=2, **{size: 0})
