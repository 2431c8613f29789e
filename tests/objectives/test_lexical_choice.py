"""The lexical prior: the term of each cell, its weight, and who has none."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Generator

from anyorder.align.translations import Translations
from anyorder.align.words import Aligner
from anyorder.corrupt.glancing import Glancing
from anyorder.objectives import lexical_choice as module
from anyorder.objectives.length_based import LengthBased, Masked
from anyorder.objectives.lexical_choice import LexicalChoice
from anyorder.train.batches import Rows
from anyorder.train.lexicon import LearnsWords, with_words
from tests.train.made import length_based, rows

ORIGINS = ([1, -1], [0, 1, 1])
PAIRS = Rows(([4, 5, 6], [7, 8]), ([5, 6], [9, 8, 7]), origins=ORIGINS)
PRIOR = Translations(
    torch.arange(20).view(10, 2) % 10, torch.tensor([[0.75, 0.25]] * 8 + [[0.0, 0.0]] * 2)
)  # source tokens 8 and 9 were never seen
PLAIN = LengthBased(smoothing=0.0, length_weight=0.0)
CHOICE = LexicalChoice(PLAIN, prior=PRIOR)


def total(objective: Any, batch: Any, progress: float) -> float:
    model = length_based().double().eval()
    loss = objective(model, batch, progress=progress, rng=Generator().manual_seed(0))
    return float(loss.total.detach())


def by_hand(batch: Any, weight: float) -> float:
    """Cell by cell: cross entropy, and the divergence where its source token has translations."""
    model, found = length_based().double().eval(), 0.0
    for b in range(len(batch.target_B)):
        row = PAIRS.batch([b])
        canvas = torch.cat([torch.tensor([[1]]), row.target_BN], 1)
        count_B = row.target_B + 1
        memory = model.encode(row.source_BS, row.source_B)
        begun = model.begin(row.source_BS, row.source_B, memory, count_B)
        first = torch.zeros_like(canvas, dtype=torch.bool)
        first[:, 0] = True
        logp_NV = model.logps(model.features(model.glanced(begun, canvas, first)))[0]
        for n, (token, origin) in enumerate(zip(PAIRS.targets[b], ORIGINS[b], strict=True), 1):
            own, source = -float(logp_NV[n, token]), PAIRS.sources[b][origin]
            if origin < 0 or source >= 8:
                found += own
                continue
            term = sum(
                q * (torch.tensor(q).log().item() - float(logp_NV[n, int(k)]))
                for q, k in zip((0.75, 0.25), PRIOR.token_SK[source], strict=True)
            )
            found += (1 - weight) * own + weight * term
    return found


@torch.no_grad()
@pytest.mark.parametrize("progress", [0.0, 0.1, 0.3])
def test_each_cell_is_drawn_to_its_source_words_prior(progress: float) -> None:
    batch = PAIRS.batch([0, 1])
    wanted = by_hand(batch, CHOICE.weight(progress))
    assert total(CHOICE, batch, progress) == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("divergence", lambda q, logp: (q * logp).sum(-1)),  # a sign
        ("divergence", lambda q, logp: -(q * logp).sum(-1)),  # no entropy: a cross entropy
    ],
)
def test_a_wrong_term_is_noticed(
    name: str, wrong: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, name, wrong)
    with pytest.raises(AssertionError):
        test_each_cell_is_drawn_to_its_source_words_prior(0.1)


@pytest.mark.parametrize("base", [PLAIN, Masked(), LengthBased(Glancing()), LengthBased()])
def test_from_the_middle_on_it_is_the_wrapped_loss(base: Any) -> None:
    batch = replace(rows().batch(range(5)), origin_BN=None)
    choice = LexicalChoice(base)  # no prior is asked for
    assert total(choice, batch, 0.5) == total(base, batch, 0.5)
    assert total(choice, batch, 0.9) == total(base, batch, 0.9)
    assert choice.plain == base.plain


def test_without_links_it_is_the_wrapped_loss_at_any_time() -> None:
    bare = replace(PAIRS, origins=([-1, -1], [-1, -1, -1])).batch([0, 1])
    assert total(CHOICE, bare, 0.0) == pytest.approx(total(PLAIN, bare, 0.0))


def test_the_weight_falls_to_nothing_in_the_first_half() -> None:
    weights = [CHOICE.weight(step / 1200) for step in range(1200)]
    assert weights[0] == 1.0
    assert weights[:600] == sorted(weights[:600], reverse=True)
    assert not any(weights[599:])


def test_what_is_missing_or_wrong_is_one_sentence() -> None:
    batch = PAIRS.batch([0, 1])
    for lacking, given in ((replace(CHOICE, prior=None), batch), (CHOICE, rows().batch([0]))):
        with pytest.raises(ValueError, match="no lexical prior, or the pairs have no alignments"):
            total(lacking, replace(given, origin_BN=None) if lacking.prior else given, 0.0)
    for wrong in ({"most": 0}, {"temperature": 0.0}, {"steps": 3}):
        with pytest.raises(ValueError, match="1 translation or more"):
            replace(CHOICE, **wrong)
    lexicon = Aligner().fit([[1]], [[2]]).lexicon
    with pytest.raises(ValueError, match="are none"):
        Translations.of(lexicon, sources=3, most=0, temperature=1.0)


def test_prior_and_alignments_come_of_the_raw_pairs() -> None:
    raw, taught = rows(300), rows(20, seed=4)
    objective, aligned = with_words(LexicalChoice(), raw, replace(taught, origins=None), sources=10)
    assert isinstance(objective, LearnsWords)
    assert isinstance(objective, LexicalChoice)
    assert objective.prior is not None
    assert objective.prior.token_SK[4:9, 0].tolist() == [5, 6, 7, 8, 9]
    assert aligned.origins is not None
    where = zip(aligned.sources, aligned.targets, aligned.origins, strict=True)
    for source, target, origin in where:
        for token, place in zip(target, origin, strict=True):
            assert place < 0 or source[place] == token - 1
    assert repr(objective) == repr(LexicalChoice()), "the job is named before it is learnt"


def test_a_temperature_makes_the_prior_more_even() -> None:
    lexicon = Aligner(null=0.0).fit([[1]] * 4, [[5]] * 3 + [[6]]).lexicon
    sharp, even, one = (
        Translations.of(lexicon, sources=3, most=most, temperature=temperature).prob_SK[1]
        for most, temperature in ((3, 1.0), (3, 2.0), (1, 2.0))
    )
    assert float(sharp[0]) > float(even[0]) > 0.5
    assert float(one[0]) == 1.0
    assert float(even.sum()) == pytest.approx(1.0)
