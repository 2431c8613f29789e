"""The generator that a masked language model becomes: what its cells see, and what is new."""

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from anyorder.canvas import Canvas
from anyorder.decode.catalogue import parse
from anyorder.decode.run import run
from anyorder.decode.sampling import Coins, Sampler, Sampling
from anyorder.models.bert import Bert
from anyorder.models.capability import CTCDenoiser
from anyorder.models.masked_lm import MaskedLM
from anyorder.models.parallel.semantic_guided import (
    GuidedBertSizes,
    GuidedSizes,
    Prompt,
    SemanticGuided,
)
from anyorder.models.sources import padded
from anyorder.nets.layers import Attention, Layer, Width, waves
from anyorder.nets.post_norm import PostNormLayer
from anyorder.trace import fold

SOURCES = [[4, 5, 6, 7, 4], [7], [5, 5, 6]]
SIZES = GuidedSizes(
    source_vocab=10,
    target_vocab=10,
    encoder_layers=2,
    prompt=3,
    spread=2,
    width=Width(channels=16, heads=2, middle=24, dropout=0.3),
)
DRAFT_BM = torch.tensor(
    [[4, 5, 9, 3, 6, 7, 8, 4, 4, 5], [8, 3, *[0] * 8], [5, 6, 7, 8, 9, 4, *[0] * 4]]
)


BERT = GuidedBertSizes(
    vocab=10,
    hole=3,
    encoder_layers=2,
    places=12,
    prompt=3,
    spread=2,
    epsilon=0.01,
    width=SIZES.width,
)
Sizes = GuidedSizes | GuidedBertSizes
both = pytest.mark.parametrize("sizes", [SIZES, BERT], ids=["ours", "BERT"])


@pytest.fixture(scope="module", params=[SIZES, BERT], ids=["ours", "BERT"])
def net(request: pytest.FixtureRequest) -> SemanticGuided:
    torch.manual_seed(0)
    net = SemanticGuided(request.param).double().eval()
    with torch.no_grad():
        for prompt in (net.reader, net.aligner, net.denoiser):
            prompt.keys_values.mul_(8)  # prompts that matter
        if isinstance(net.lm, Bert):  # norms and small numbers that matter, as after a training
            for weight in net.lm.parameters():
                weight.add_(0.3 * torch.randn_like(weight))
    return net


class WrittenOut:
    """The network, one row and one head at a time, after the paper's equations."""

    def __init__(self, net: SemanticGuided, source: list[int]) -> None:
        self.net = net
        self.said = [(torch.zeros(0, 16).double(),) * 2] * 2
        states = self.climb(net.lm.words.vectors(torch.tensor([source]))[0], net.reader)
        both = [net.guide(net.guide_norm(state_SC)) for state_SC in states]
        self.said = [(x_SC[:, :16], x_SC[:, 16:]) for x_SC in both]

    def climb(self, x_NC: Tensor, prompt: Prompt) -> list[Tensor]:
        x_NC, after = self.placed(x_NC), []
        for number, layer in enumerate(self.net.lm.encoder.each):
            seen = [self.said[number], tuple(prompt.keys_values[number].transpose(1, 2).flatten(2))]
            x_NC = self.layer(layer, x_NC, seen)
            after.append(x_NC)
        return after

    def placed(self, x_NC: Tensor) -> Tensor:
        if isinstance(self.net.lm, Bert):
            return self.net.lm.words.norm(x_NC + self.net.lm.words.places.weight[: len(x_NC)])
        return x_NC + waves(torch.arange(len(x_NC))[None], 16)[0]

    def layer(
        self, layer: Layer | PostNormLayer, x_NC: Tensor, seen: list[tuple[Tensor, ...]]
    ) -> Tensor:
        """The norm is of what a part reads, or of what it leaves."""
        if isinstance(layer, Layer):
            x_NC = x_NC + self.found(layer.own, layer.own_norm(x_NC), seen)
            return x_NC + layer.middle(layer.middle_norm(x_NC))
        x_NC = layer.own_norm(x_NC + self.found(layer.own, x_NC, seen))
        return layer.middle_norm(x_NC + layer.middle(x_NC))

    def found(self, attention: Attention, x_NC: Tensor, seen: list[tuple[Tensor, ...]]) -> Tensor:
        own = attention.key_value(x_NC).split(16, -1)
        keys_EC, values_EC = (torch.cat(each) for each in zip(*seen, own, strict=True))
        query_NC, found = attention.query(x_NC), []
        for head in (slice(8), slice(8, 16)):
            score_NE = query_NC[:, head] @ keys_EC[:, head].T / math.sqrt(8)
            found.append(score_NE.softmax(-1) @ values_EC[:, head])
        return attention.out(torch.cat(found, -1))

    def logps(self, x_MC: Tensor, prompt: Prompt) -> Tensor:
        lm, state_MC = self.net.lm, self.climb(x_MC, prompt)[-1]
        if isinstance(lm, Bert):
            features_MC, bias_V = lm.last(state_MC), lm.bias
        else:
            features_MC, bias_V = lm.encoder.norm(state_MC), torch.zeros(10)
        logits_MV = features_MC @ lm.words.table.weight.T + bias_V
        logits_MV[:, 3] = features_MC @ self.net.blank
        return logits_MV.log_softmax(-1)


@torch.no_grad()
def test_it_is_what_is_written_out(net: SemanticGuided) -> None:
    """Law 8."""
    lm = net.read(SOURCES)
    assert isinstance(lm, CTCDenoiser)
    aligned, denoised = lm.ctc(), lm.denoised(DRAFT_BM)
    for b, source in enumerate(SOURCES):
        plain, M = WrittenOut(net, source), 2 * len(source)
        empty_MC = net.lm.hole.expand(M, -1)
        draft_M = DRAFT_BM[b, :M]
        draft_MC = net.lm.words.vectors(draft_M[None])[0]
        draft_MC = torch.where((draft_M == 3)[:, None], empty_MC, draft_MC)
        expected = plain.logps(empty_MC, net.aligner), plain.logps(draft_MC, net.denoiser)
        for lattice, logp_MV in zip((aligned, denoised), expected, strict=True):
            torch.testing.assert_close(lattice.logp_BMV[b, :M], logp_MV)
            assert (lattice.blank, int(lattice.count_B[b])) == (3, M)


@torch.no_grad()
def test_a_row_is_the_same_alone_and_in_company(net: SemanticGuided) -> None:
    together = net.read(SOURCES)
    for b, source in enumerate(SOURCES):
        alone, M = net.read([source]), 2 * len(source)
        torch.testing.assert_close(together.ctc().logp_BMV[b, :M], alone.ctc().logp_BMV[0])
        draft_1M = DRAFT_BM[b : b + 1, :M]
        denoised = together.denoised(DRAFT_BM).logp_BMV[b, :M]
        torch.testing.assert_close(denoised, alone.denoised(draft_1M).logp_BMV[0])


@torch.no_grad()
def test_the_source_and_the_draft_are_read_and_padding_is_not(net: SemanticGuided) -> None:
    lm = net.read(SOURCES)
    first = lm.denoised(DRAFT_BM).logp_BMV
    other_BM = DRAFT_BM.clone()
    other_BM[1, 2:] = 9
    torch.testing.assert_close(lm.denoised(other_BM).logp_BMV[1, :2], first[1, :2])
    other_BM[1, 0] = 5
    assert not torch.allclose(lm.denoised(other_BM).logp_BMV[1, :2], first[1, :2])
    moved = net.read([[4, 5, 6, 7, 5], *SOURCES[1:]])
    assert not torch.allclose(moved.ctc().logp_BMV[0], lm.ctc().logp_BMV[0])
    assert not torch.allclose(moved.denoised(DRAFT_BM).logp_BMV[0], first[0])


@both
def test_what_it_adopts_stays_as_it_is_and_all_that_is_new_learns(sizes: Sizes) -> None:
    net = SemanticGuided(sizes)
    lm = Bert(sizes.lm) if isinstance(sizes, GuidedBertSizes) else MaskedLM(sizes.lm)
    assert all(weight.requires_grad for weight in net.parameters())
    net.adopt(lm)
    for name, weight in net.lm.named_parameters():
        assert torch.equal(weight, lm.get_parameter(name))
        assert not weight.requires_grad
    assert all(weight.requires_grad for weight in lm.parameters()), "its own training may go on"
    guide = net.begin(*padded(SOURCES))
    for lattice in (net.lattice(guide), net.denoised(guide, DRAFT_BM)):
        lattice.logp_BMV[..., 4:].sum().backward(retain_graph=True)
    for name, weight in net.named_parameters():
        assert (weight.grad is None) == name.startswith("lm."), name


def test_another_language_model_is_refused() -> None:
    deeper = MaskedLM(replace(SIZES.lm, encoder_layers=3))
    with pytest.raises(ValueError, match=r"encoder_layers=3.* not MaskedLMSizes"):
        SemanticGuided(SIZES).adopt(deeper)
    with pytest.raises(ValueError, match=r"has MaskedLMSizes.* not BertSizes"):
        SemanticGuided(BERT).adopt(MaskedLM(SIZES.lm))


def test_a_source_whose_cells_have_no_places_is_refused() -> None:
    assert BERT.max_length == 6
    assert SemanticGuided(BERT).read([[4] * 6]).ctc().logp_BMV.shape == (1, 12, 10)
    with pytest.raises(ValueError, match="14 cells is too long: the network has 12 places"):
        SemanticGuided(BERT).read([[4] * 7]).ctc()


@pytest.mark.parametrize("name", ["ctc-greedy", "align-denoise", "align-denoise:steps=1"])
def test_the_decoders_serve_it(net: SemanticGuided, name: str) -> None:
    def written(sources: list[list[int]]) -> list[list[int]]:
        canvas = Canvas.of_prompts([[1]] * len(sources), new_cells=[12] * len(sources))
        sampler = Sampler(Sampling(), Coins.of_seeds([0] * len(sources), cells=13))
        end = fold(run(parse(name), net.read(sources), canvas, sampler))
        return [end.row(b) for b in range(len(sources))]

    together = written(SOURCES)
    assert together == [written([source])[0] for source in SOURCES]
    assert any(len(row) > 1 for row in together)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"prompt": 0}, "a prompt has a cell or more"),
        ({"spread": 0}, "so has a source token"),
        ({"target_vocab": 9}, "not with 10 and 9 tokens"),
    ],
)
def test_bad_sizes(changes: dict, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        replace(SIZES, **changes)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"prompt": 0}, "a prompt has a cell or more"),
        ({"spread": 13}, "no more cells "),
        ({"hole": 10}, "a hole is one of the tokens"),
        ({"places": 0}, "a text has a place or more"),
    ],
)
def test_bad_sizes_of_bert(changes: dict, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        replace(BERT, **changes)
