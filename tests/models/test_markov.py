"""The trained Markov transformer: barriers, spans, ragged rows, lengths."""

import pytest
import torch

from anyorder.canvas import Canvas
from anyorder.decode.catalogue import parse
from anyorder.decode.run import run
from anyorder.decode.sampling import Coins, Sampler, Sampling
from anyorder.models.left_to_right.markov import MarkovSizes, MarkovTransformer
from anyorder.models.sources import padded
from anyorder.nets.layers import Width
from anyorder.objectives.markov import barriers
from anyorder.trace import fold

SOURCES = [[4, 5, 6, 7, 4], [7], [5, 5, 6]]
READ_BN = torch.tensor([[1, 4, 8, 9, 5, 7], [1, 6, 6, 3, 3, 4], [1, 9, 4, 4, 7, 5]])
ORDER, N = 3, READ_BN.shape[1]


@pytest.fixture(scope="module")
def model() -> MarkovTransformer:
    torch.manual_seed(0)
    sizes = MarkovSizes(
        source_vocab=8,
        target_vocab=10,
        bos=1,
        eos=2,
        encoder_layers=2,
        decoder_layers=2,
        order=ORDER,
        longest=9,
        width=Width(channels=16, heads=2, middle=24, dropout=0.3),
    )
    net = MarkovTransformer(sizes).double().eval()
    with torch.no_grad():
        net.target.table.weight.mul_(8)  # logits that lie well apart
    return net


@torch.no_grad()
@pytest.mark.parametrize("tokens", range(ORDER + 1))
def test_a_span_is_what_stands_behind_a_barrier(model: MarkovTransformer, tokens: int) -> None:
    """Law 8: a cell scores in a whole target, with a barrier, as it does after a span alone."""
    lm = model.read(SOURCES)
    spans = [READ_BN[:, n + 1 : n + 1 + tokens] for n in range(N - tokens)]
    other = torch.randint(3, 10, (3, N - tokens, 1, tokens))  # another span of each cell
    read_BNKT = torch.cat([torch.stack(spans, 1)[:, :, None], other], 2)
    read_BNKT = torch.cat([torch.ones(3, N - tokens, 2, 1, dtype=torch.long), read_BNKT], 3)
    logp_BNKV = lm.after(read_BNKT)
    for n in range(N - tokens):
        barriers_BN = torch.zeros(3, N, dtype=torch.bool)
        barriers_BN[:, [0, n]] = True
        known_BNV = model(lm.memory, READ_BN, barriers_BN).log_softmax(-1)
        torch.testing.assert_close(logp_BNKV[:, n, 0], known_BNV[:, n + tokens])


@torch.no_grad()
def test_nothing_before_a_barrier_is_seen(model: MarkovTransformer) -> None:
    memory = model.encode(*padded(SOURCES))
    barriers_BN = barriers(torch.tensor([0, 1, 3]), N, order=2)
    known_BNV = model(memory, READ_BN, barriers_BN)
    for n in range(N):
        other_BN = READ_BN.clone()
        other_BN[:, n] = 3
        found_BNV = model(memory, other_BN, barriers_BN)
        for b in range(3):
            later = [m for m in range(n, N) if not barriers_BN[b, n : m + 1].any()]
            changed_N = (known_BNV[b] - found_BNV[b]).abs().amax(-1) > 1e-9
            assert changed_N.nonzero()[:, 0].tolist() in (later, [])
            assert bool(changed_N.any()) == (bool(later) and int(READ_BN[b, n]) != 3)


@torch.no_grad()
def test_a_row_is_the_same_alone_and_in_company(model: MarkovTransformer) -> None:
    read_BNKT = torch.randint(3, 10, (3, 4, 5, 3))
    together, lengths_BL = (model.read(SOURCES).after(read_BNKT), model.read(SOURCES).lengths())
    for b, source in enumerate(SOURCES):
        lm = model.read([source])
        torch.testing.assert_close(together[b], lm.after(read_BNKT[b : b + 1])[0])
        torch.testing.assert_close(lengths_BL[b], lm.lengths()[0])


def written(model: MarkovTransformer, sources: list[list[int]], name: str) -> list[list[int]]:
    canvas = Canvas.of_prompts([[1]] * len(sources), new_cells=[12] * len(sources))
    sampler = Sampler(Sampling(), Coins.of_seeds([0] * len(sources), cells=13))
    end = fold(run(parse(name), model.read(sources), canvas, sampler))
    return [end.row(b) for b in range(len(sources))]


@pytest.mark.parametrize("name", ["cascade:order=0", "cascade", "cascade:order=3,states=4"])
def test_the_cascade_serves_it(model: MarkovTransformer, name: str) -> None:
    together = written(model, SOURCES, name)
    assert together == [written(model, [source], name)[0] for source in SOURCES]
    assert all(len(row) > 1 for row in together)


def test_more_context_than_it_knows_is_one_sentence(model: MarkovTransformer) -> None:
    with pytest.raises(ValueError, match=r"3 tokens of context .* write cascade:order=3"):
        written(model, SOURCES, "cascade:order=4")


def test_bad_sizes() -> None:
    with pytest.raises(ValueError, match="0 tokens or more"):
        MarkovSizes(source_vocab=8, target_vocab=10, bos=1, eos=2, order=-1)
