"""The trained transformer that writes left to right: cache, ragged rows, trees, decoders."""

import pytest
import torch

from anyorder.canvas import Canvas
from anyorder.decode.catalogue import parse
from anyorder.decode.run import run
from anyorder.decode.sampling import Coins, Sampler, Sampling
from anyorder.decode.stops import Stops
from anyorder.masks import Tree
from anyorder.models.left_to_right.seq2seq import Seq2Seq, Seq2SeqSizes
from anyorder.models.sources import padded
from anyorder.nets.layers import Width
from anyorder.trace import fold

SOURCES = [[4, 5, 6, 7, 4], [7], [5, 5, 6]]
TARGETS = [[1, 4, 8, 9], [1, 6, 6], [1, 9, 4, 4, 7, 5]]


@pytest.fixture(scope="module")
def model() -> Seq2Seq:
    torch.manual_seed(0)
    width = Width(channels=16, heads=2, middle=24, dropout=0.3)
    sizes = Seq2SeqSizes(
        source_vocab=8,
        target_vocab=10,
        bos=1,
        eos=2,
        encoder_layers=2,
        decoder_layers=2,
        width=width,
        max_length=30,
    )
    net = Seq2Seq(sizes).double().eval()
    with torch.no_grad():
        net.target.table.weight.mul_(8)  # logits that lie well apart
    return net


@torch.no_grad()
def known(model: Seq2Seq) -> torch.Tensor:
    return model(*padded(SOURCES), padded(TARGETS)[0])


@torch.no_grad()
def test_a_cache_changes_nothing_however_a_target_is_cut(model: Seq2Seq) -> None:
    expected_BNV, (targets_BN, count_B) = known(model), padded(TARGETS)
    lm = model.read(SOURCES)
    cache = lm.new_cache(3, room=8)
    found: list[list[torch.Tensor]] = [[], [], []]
    for begin, end in ((0, 1), (1, 3), (3, 6)):
        count = (count_B - begin).clamp(0, end - begin)
        logits_BTV = lm.extend(targets_BN[:, begin:end], cache)
        cache.keep(torch.arange(end - begin).expand(3, -1), count)
        for b in range(3):
            found[b] += list(logits_BTV[b, : int(count[b])])
    for b in range(3):
        torch.testing.assert_close(
            torch.stack(found[b]), expected_BNV[b, : count_B[b]].float(), rtol=1e-5, atol=1e-5
        )


@torch.no_grad()
def test_a_row_is_the_same_alone_and_in_company(model: Seq2Seq) -> None:
    expected_BNV, rows = known(model), zip(SOURCES, TARGETS, strict=True)
    for b, (source, target) in enumerate(rows):
        alone_1NV = model(*padded([source]), torch.tensor([target]))
        torch.testing.assert_close(expected_BNV[b, : len(target)], alone_1NV[0])


@torch.no_grad()
def test_the_branches_of_a_tree_are_texts_of_their_own(model: Seq2Seq) -> None:
    lm = model.read(SOURCES[:1])
    cache = lm.new_cache(1, room=9)
    tree = Tree(torch.tensor([[-1, 0, 0, 2]]))
    logits_1TV = lm.extend(torch.tensor([[1, 4, 5, 6]]), cache, tree=tree)
    for tokens, cell in (([1, 4], 1), ([1, 5, 6], 3)):
        straight = model(*padded(SOURCES[:1]), torch.tensor([tokens]))
        torch.testing.assert_close(logits_1TV[0, cell], straight[0, -1].float())
    cache.keep(torch.tensor([[0, 2, 3]]), torch.tensor([3]))
    after = lm.extend(torch.tensor([[7]]), cache)
    straight = model(*padded(SOURCES[:1]), torch.tensor([[1, 5, 6, 7]]))
    torch.testing.assert_close(after[0, 0], straight[0, -1].float())


@pytest.mark.parametrize("name", ["jacobi:block=4", "token-recycling", "prompt-copy", "beam"])
@pytest.mark.parametrize("temperature", [0.0, 0.9])
def test_decoders_of_language_models_serve_it(
    model: Seq2Seq, name: str, temperature: float
) -> None:
    if name == "beam" and temperature:
        pytest.skip("beam search draws none")
    texts = []
    for each in ("left-to-right", "beam:width=1" if name == "beam" else name):
        canvas = Canvas.of_prompts([[1]] * 3, new_cells=[12] * 3)
        sampler = Sampler(
            Sampling(temperature=temperature), Coins.of_seeds([1, 2, 3], cells=13), (2,)
        )
        trace = run(parse(each), model.read(SOURCES), canvas, sampler, Stops((2,)))
        texts.append([fold(trace).row(b) for b in range(3)])
    assert texts[0] == texts[1]


def test_dropout_acts_while_training_alone(model: Seq2Seq) -> None:
    first, second = known(model), known(model)
    assert torch.equal(first, second)
    model.train()
    assert not torch.equal(known(model), known(model))
    model.eval()


def test_an_empty_source_is_named() -> None:
    with pytest.raises(ValueError, match="a source is empty"):
        padded([[3], []])
