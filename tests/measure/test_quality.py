"""The nearest target counts; what others compute we compute alike."""

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anyorder.measure.quality import (
    bleu,
    chrf,
    edit_distance,
    edit_rate,
    exact,
    phoneme_scores,
    repeated_rate,
)

rows = st.lists(st.sampled_from("abc"), max_size=8)


def by_definition(one: list[str], other: list[str]) -> int:
    """The oracle: every way to go on from here."""
    if not one or not other:
        return len(one) + len(other)
    changed = by_definition(one[1:], other[1:]) + (one[0] != other[0])
    return min(changed, by_definition(one[1:], other) + 1, by_definition(one, other[1:]) + 1)


@given(
    one=st.lists(st.sampled_from("ab"), max_size=5),
    other=st.lists(st.sampled_from("abc"), max_size=5),
)
def test_the_distance_is_the_least_number_of_edits(one, other):
    assert edit_distance(one, other) == by_definition(one, other)


@given(one=rows, other=rows)
def test_the_distance_is_that_of_a_library(one, other):
    library = pytest.importorskip("rapidfuzz.distance")
    assert edit_distance(one, other) == library.Levenshtein.distance(one, other)


@given(pairs=st.lists(st.tuples(rows, rows.filter(bool)), min_size=1, max_size=5))
def test_the_rate_is_the_word_error_rate_of_a_library(pairs):
    jiwer = pytest.importorskip("jiwer")
    written, right = ([" ".join(row) for row in side] for side in zip(*pairs, strict=True))
    ours = edit_rate(written, [[text] for text in right])
    assert ours == pytest.approx(jiwer.wer(right, written))


def test_the_nearest_target_counts_and_its_length_with_it():
    assert edit_rate(["a b c"], [["a b c d e f", "a b x"]]) == 1 / 3
    assert edit_rate(["a", "b"], [["a b", "a"], ["c d e"]]) == 3 / 4


def test_a_rate_may_exceed_one():
    assert edit_rate(["a b c"], [["x"]]) == 3


def test_words_with_any_of_their_pronunciations_are_right():
    scores = phoneme_scores(["R IY  D", "K AE"], [["R EH D", "R IY D"], ["K AE T"]])
    assert scores == {"phoneme_error_rate": 1 / 6, "word_error_rate": 0.5}


def test_exact_is_sign_by_sign():
    assert exact(["a b", "a  b"], [["a b"], ["a b"]]) == 0.5


@pytest.mark.parametrize(
    ("texts", "rate"), [(["a a a b"], 0.5), (["a b a"], 0), ([""], 0), ([], 0), (["a", "a"], 0)]
)
def test_repetitions_are_counted_within_a_text(texts, rate):
    assert repeated_rate(texts) == rate


@pytest.mark.parametrize("metric", [edit_rate, exact, phoneme_scores, bleu, chrf])
@pytest.mark.parametrize(
    ("written", "targets", "says"),
    [
        (["a"], [], "1 outputs can't be scored by 0 targets"),
        ([], [], "0 outputs"),
        (["a"], [[]], "an output without a target"),
    ],
)
def test_outputs_and_targets_must_match(metric, written, targets, says):
    if metric in (bleu, chrf):
        pytest.importorskip("sacrebleu")
    with pytest.raises(ValueError, match=says):
        metric(written, targets)


def test_empty_targets_cannot_be_compared_with():
    with pytest.raises(ValueError, match="all targets are empty"):
        edit_rate(["a"], [[""]])


def test_bleu_and_chrf_say_how_they_were_computed():
    library = pytest.importorskip("sacrebleu")
    written = ["the cat sat on the mat", "it is raining today"]
    targets = [["the cat sat on a mat", "a cat sat on the mat"], ["it rains today , again"]]
    score = bleu(written, targets)
    assert 0 < score.value < 100
    assert f"version:{library.__version__}" in score.signature
    assert "nrefs:var|case:mixed" in score.signature
    assert bleu(written[:1], [["the cat sat on the mat"]]).value == pytest.approx(100)
    single = library.corpus_bleu(written, [[rights[0] for rights in targets]]).score
    assert bleu(written, [rights[:1] for rights in targets]).value == pytest.approx(single)
    assert score.value > single, "more targets, more matches"
    assert chrf(written, targets).signature.startswith("nrefs:var|case:mixed|eff:yes|nc:6")


def test_without_sacrebleu_it_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "sacrebleu", None)
    monkeypatch.setitem(sys.modules, "sacrebleu.metrics", None)
    with pytest.raises(ValueError, match=r"need sacrebleu; .* 'anyorder\[train\]'"):
        bleu(["a"], [["a"]])
