"""Word alignment against plain Python, on corpora whose truth is known, and what it promises."""

import itertools
from dataclasses import replace
from types import ModuleType
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anyorder.align import word_pairs
from anyorder.align.links import (
    fertility,
    grow_diag_final_and,
    intersection,
    linked,
    symmetrised,
    union,
)
from anyorder.align.word_pairs import Corpus
from anyorder.align.words import NULL, TENSIONS, Aligner, WordModel
from tests.align import plain_words

EM = Aligner(alpha=0.0)
row = st.lists(st.integers(0, 5), min_size=1, max_size=4)
corpora = st.lists(st.tuples(row, row), min_size=1, max_size=6).map(
    lambda pairs: zip(*pairs, strict=True)
)


def permuted(pairs: int, *, seed: int, words: int = 30, near: float | None = None) -> tuple:
    """Each word has one translation; its place is any (or about the same), and is handed back."""
    rng = np.random.default_rng(seed)
    dictionary = 100 + rng.permutation(words)
    sources, targets, truth = [], [], []
    for _ in range(pairs):
        source = rng.choice(words, size=rng.integers(2, 8), replace=False)
        lots = (
            rng.random(len(source))
            if near is None
            else np.arange(len(source)) + near * rng.random(len(source))
        )
        order = np.argsort(lots)
        sources.append(source.tolist())
        targets.append(dictionary[source[order]].tolist())
        truth.append(order.tolist())
    return sources, targets, truth, dictionary


def probs(model: WordModel, kinds: list[tuple[int, int]]) -> list[float]:
    return [model.lexicon.prob(*kind) for kind in kinds]


@given(corpus=corpora, null=st.sampled_from([0.0, 0.08, 0.5]))
@settings(max_examples=30)
def test_every_round_is_that_of_plain_python(corpus: tuple, null: float) -> None:
    sources, targets = map(list, corpus)
    table = dict.fromkeys(
        itertools.product([NULL, *range(6)], range(6)), 1 / len({t for row in targets for t in row})
    )
    tension = 0.0
    for number in range(1, 5):  # two rounds of each model
        lexical = min(number, 2)
        aligner = replace(EM, lexical_rounds=lexical, diagonal_rounds=number - lexical, null=null)
        model = aligner.fit(sources, targets)
        tension = model_tension = 4.0 if number == 3 else tension
        counts, places, likelihood = plain_words.em_round(sources, targets, table, tension, null)
        assert model.log_likelihoods[-1] == pytest.approx(likelihood)
        table = plain_words.normalised(counts)
        assert probs(model, list(table)) == pytest.approx(list(table.values()), abs=1e-9)
        if number > 2:
            tension = model.tension
            best = plain_words.expected_log_share(places, tension)
            for other in (*TENSIONS, model_tension, tension + 0.01, tension - 0.01):
                inside = min(max(other, TENSIONS[0]), TENSIONS[1])
                assert best >= plain_words.expected_log_share(places, inside) - 1e-9


@given(corpus=corpora, null=st.sampled_from([0.0, 0.08]))
@settings(max_examples=30)
def test_no_round_of_a_model_makes_the_pairs_less_likely(corpus: tuple, null: float) -> None:
    sources, targets = map(list, corpus)
    for rounds in ((12, 0), (0, 12)):
        lexical, diagonal = rounds
        aligner = replace(EM, lexical_rounds=lexical, diagonal_rounds=diagonal, null=null)
        steps = np.diff(aligner.fit(sources, targets).log_likelihoods)
        assert (steps >= -1e-9).all()


@pytest.mark.parametrize("aligner", [Aligner(), EM, Aligner(null=0.0), Aligner(diagonal_rounds=0)])
def test_a_hidden_permutation_is_found(aligner: Aligner) -> None:
    sources, targets, truth, dictionary = permuted(300, seed=1)
    model = aligner.fit(sources, targets)
    assert [link.tolist() for link in model.links(sources, targets)] == truth
    assert [model.lexicon.best(word) for word in range(30)] == dictionary.tolist()
    both = symmetrised(sources, targets, aligner=aligner)
    for links_ST, order in zip(both, truth, strict=True):
        assert (links_ST == linked(np.array(order), len(order))).all()


def test_the_tension_is_that_of_the_corpus() -> None:
    """Words that are drawn from any place have none; those that keep their places have much."""
    free, near = (permuted(300, seed=2, near=spread) for spread in (None, 1.5))
    tensions = [Aligner().fit(sources, targets).tension for sources, targets, *_ in (free, near)]
    assert tensions[0] < 0.5
    assert tensions[1] > 5


def test_places_decide_between_equal_words() -> None:
    sources, targets, _, _ = permuted(100, seed=3, near=0.0)
    model = Aligner().fit(sources, targets)
    twice, target = [*sources[0], *sources[0]], [*targets[0], *targets[0]]
    assert model.links([twice], [target])[0].tolist() == list(range(len(twice)))


def test_a_word_that_is_everywhere_comes_from_none() -> None:
    """It is in every target, at its end, and nothing in the sources is."""
    sources, targets, truth, _ = permuted(200, seed=4)
    ended = [[*target, 999, 998] for target in targets]
    model = Aligner(null=0.3, diagonal_rounds=0, lexical_rounds=10).fit(sources, ended)
    assert [link[:-2].tolist() for link in model.links(sources, ended)] == truth
    assert all(link[-2:].tolist() == [-1, -1] for link in model.links(sources, ended))
    assert set(model.lexicon.given(NULL)[0][:2].tolist()) == {998, 999}
    sure = Aligner(null=0.0).fit(sources, ended)
    assert all((link >= 0).all() for link in sure.links(sources, ended))


def test_the_lexicon_sums_to_one_and_knows_what_it_has_seen() -> None:
    lexicon = Aligner().fit([[1, 2], [1, 3]], [[8, 7], [9, 8]]).lexicon
    for word in (NULL, 1, 2, 3):
        target_X, prob_X = lexicon.given(word)
        assert prob_X.sum() == pytest.approx(1.0)
        assert (np.diff(prob_X) <= 0).all()
        asked = lexicon.probs(np.full(len(target_X), word), target_X)
        assert asked.tolist() == prob_X.tolist()
    assert lexicon.prob(2, 9) == lexicon.prob(5, 8) == 0.0
    assert lexicon.best(5) is None
    assert len(lexicon.given(5)[0]) == 0


def test_unknown_tokens_are_linked_by_their_places() -> None:
    sources, targets, _, _ = permuted(100, seed=5, near=0.0)
    model = Aligner().fit(sources, targets)
    links_T = model.links([[500, 501, sources[0][0]]], [[600, 601, targets[0][0]]])[0]
    assert links_T.tolist() == [0, 1, 2]


def test_how_much_is_worked_on_at_once_changes_nothing() -> None:
    sources, targets, _, _ = permuted(40, seed=6)
    whole = Aligner().fit(sources, targets)
    assert isinstance(word_pairs, ModuleType)
    with patch.object(word_pairs, "BLOCK", 50):
        assert len(list(Corpus.of(sources, targets).blocks(whole.lexicon.kinds_E))) > 10
        parts = Aligner().fit(sources, targets)
        links = parts.links(sources, targets)
    np.testing.assert_allclose(parts.lexicon.prob_E, whole.lexicon.prob_E, atol=1e-12)
    for one, other in zip(links, whole.links(sources, targets), strict=True):
        assert (one == other).all()


@given(
    links=st.lists(
        st.lists(st.sampled_from("-fbx"), min_size=4, max_size=4), min_size=1, max_size=5
    )
)
def test_growing_is_that_of_sets(links: list[list[str]]) -> None:
    table_ST = np.array(links)
    forward_ST, backward_ST = (np.isin(table_ST, [name, "x"]) for name in "fb")
    sets = [set(map(tuple, np.argwhere(each).tolist())) for each in (forward_ST, backward_ST)]
    joined_ST = grow_diag_final_and(forward_ST, backward_ST)
    assert set(map(tuple, np.argwhere(joined_ST).tolist())) == plain_words.grown(*sets)
    assert (intersection(forward_ST, backward_ST) <= joined_ST).all()
    assert (joined_ST <= union(forward_ST, backward_ST)).all()


def test_fertilities_sum_to_the_target_where_each_token_has_a_source() -> None:
    sources, targets, _, _ = permuted(50, seed=7)
    targets = [[*target, 999] for target in targets]
    links = Aligner(null=0.0).fit(sources, targets).links(sources, targets)
    for source, target, link in zip(sources, targets, links, strict=True):
        fertility_S = fertility(link, len(source))
        assert len(fertility_S) == len(source)
        assert fertility_S.sum() == len(target)


@pytest.mark.parametrize(
    ("sources", "targets", "says"),
    [([], [], "there are 0 sources"), ([[1]], [], "and 0 targets"), ([[1]], [[]], "is empty")],
)
def test_what_can_not_be_aligned(sources: list, targets: list, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Aligner().fit(sources, targets)


@pytest.mark.parametrize("option", ["null", "alpha", "tension"])
def test_options_that_can_not_be(option: str) -> None:
    with pytest.raises(ValueError, match="0 or more"):
        replace(Aligner(), **{option: -1.0})
    with pytest.raises(ValueError, match="1 round or more"):
        Aligner(lexical_rounds=-1)
    with pytest.raises(ValueError, match="1 round or more"):
        Aligner(lexical_rounds=0, diagonal_rounds=0)
