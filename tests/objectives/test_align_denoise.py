"""Align, then denoise: two likelihoods, the second one after the model's own draft."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Generator, Tensor

from anyorder.align.ctc import log_likelihood
from anyorder.corrupt.drafts import DraftNoise
from anyorder.models.parallel.semantic_guided import Guide, SemanticGuided
from anyorder.objectives.align_denoise import AlignThenDenoise
from anyorder.objectives.masked_lm import MaskedTexts
from anyorder.train.batches import Rows
from anyorder.train.loop import train
from anyorder.train.recipe import Recipe
from anyorder.train.schedule import Cosine
from tests.train.made import guided, guided_bert, masked_lm, rows

BATCH = rows().batch(range(6))


@pytest.mark.parametrize("make", [guided, guided_bert])
def test_it_is_the_sum_of_both_likelihoods(make: Callable[[], SemanticGuided]) -> None:
    net = make().double().eval()
    loss = AlignThenDenoise().plain(net, BATCH, progress=0.0, rng=Generator())
    lm = net.read(
        [row[:n].tolist() for row, n in zip(BATCH.source_BS, BATCH.source_B, strict=True)]
    )
    first = lm.ctc()
    draft_BM = first.token_BM
    assert not bool((draft_BM == 3).any())
    blank_BM = first.logp_BMV.argmax(-1) == 3
    assert torch.equal(draft_BM[~blank_BM], first.logp_BMV.argmax(-1)[~blank_BM])
    assert torch.equal(draft_BM[blank_BM], first.logp_BMV.topk(2).indices[..., 1][blank_BM])
    second = lm.denoised(draft_BM)
    total = -sum(log_likelihood(x, BATCH.target_BN, BATCH.target_B).sum() for x in (first, second))
    torch.testing.assert_close(loss.total, total)
    assert loss.units == int(BATCH.target_B.sum())


def test_noise_is_drawn_and_held_out_pairs_have_none() -> None:
    net = guided().eval()
    losses = {
        float(each(net, BATCH, progress=0.0, rng=Generator().manual_seed(seed)).total.detach())
        for each in (AlignThenDenoise(DraftNoise(most=1.0)), AlignThenDenoise().plain)
        for seed in range(4)
    }
    assert len(losses) == 5  # four that are drawn, one that stays


def test_the_denoiser_does_not_teach_the_aligner(monkeypatch: pytest.MonkeyPatch) -> None:
    net = guided()
    seen: list[Tensor] = []
    denoised = SemanticGuided.denoised

    def spy(self: SemanticGuided, guide: Guide, draft_BM: Tensor) -> object:
        seen.append(draft_BM)
        lattice = denoised(self, guide, draft_BM)
        grads = torch.autograd.grad(
            lattice.logp_BMV[..., 4].sum(),
            [net.aligner.keys_values, net.denoiser.keys_values],
            allow_unused=True,
            retain_graph=True,
        )
        assert [grad is None for grad in grads] == [True, False]
        return lattice

    monkeypatch.setattr(SemanticGuided, "denoised", spy)
    AlignThenDenoise()(net, BATCH, progress=0.0, rng=Generator()).total.backward()
    assert len(seen) == 1
    assert net.aligner.keys_values.grad is not None


def test_targets_that_do_not_fit_are_counted_once() -> None:
    long = Rows(([4], [4, 5]), ([5] * 9, [5, 6]))
    loss = AlignThenDenoise()(guided(), long.batch([0, 1]), progress=0.0, rng=Generator())
    assert loss.notes["too long"] == 1
    assert loss.units == 2
    assert bool(loss.total.isfinite())


def test_few_new_weights_learn_to_write(tmp_path: Path) -> None:
    """The language model has seen the texts, and stays as it is."""
    texts = tuple([4 + (n + i) % 6 for i in range(2 + n % 4)] for n in range(60))
    pairs = Rows(texts, tuple([4 + (token - 2) % 6 for token in text] for text in texts))
    recipe = Recipe(steps=160, cells=120, schedule=Cosine(peak=1e-2, warmup=20), check_every=20)
    net, lm = guided(), masked_lm()
    train(lm, MaskedTexts(share=0.3), pairs, pairs, recipe, tmp_path / "lm")
    net.adopt(lm)
    trained = train(net, AlignThenDenoise(), pairs, pairs, recipe, tmp_path / "net")
    lines = map(json.loads, (tmp_path / "net" / "log.jsonl").read_text().splitlines())
    first = next(line["held_out"] for line in lines if "held_out" in line)
    assert trained.held_out < 0.7 * first
    for name, weight in net.lm.named_parameters():
        assert torch.equal(weight, lm.get_parameter(name))
