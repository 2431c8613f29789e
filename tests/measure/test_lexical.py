"""Choices of words, counted; classes of words by how often they occur."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anyorder.measure.lexical import NAMES, Classes, lexical_accuracy, word_recall
from anyorder.measure.reordering import fuzzy_reordering, kendall_distance

rows = st.lists(st.lists(st.sampled_from("abcdefgh"), max_size=9), min_size=1, max_size=6)


@given(texts=rows)
def test_classes_keep_words_of_one_frequency_together(texts: list[list[str]]) -> None:
    classes = Classes.of(texts)
    often = {word: sum(row.count(word) for row in texts) for row in texts for word in row}
    place = {word: NAMES.index(classes.name(word) or "") for word in often}
    for one, other in itertools.combinations(often, 2):
        if often[one] <= often[other]:
            assert place[one] <= place[other]
        if often[one] == often[other]:
            assert place[one] == place[other]
    if len(often) >= 3:
        assert sum(p == 0 for p in place.values()) >= len(often) // 3


def test_a_word_is_right_as_often_as_it_was_written() -> None:
    classes = Classes.of([["der"] * 5, ["die"] * 3, ["Hund"]])
    found = word_recall([["Hund", "der"], []], [["der", "Hund", "der"], ["die", "Maus"]], classes)
    assert found == {
        "recall": 2 / 5,
        "recall_low": 1.0,
        "recall_medium": 0.0,
        "recall_high": 0.5,
    }


def test_a_source_word_is_right_with_the_word_that_it_is_linked_to() -> None:
    classes = Classes.of([["the"] * 3, ["dog"] * 2, ["sleeps"]])
    links = [np.array([[True, False, False], [False, False, True], [False, False, False]])]
    found = lexical_accuracy(
        [["the", "dog", "sleeps"]], [["Hund", "und", "x"]], [["der", "y", "Hund"]], links, classes
    )
    assert found["lexical_accuracy"] == 0.5
    assert (found["lexical_accuracy_medium"], found["lexical_accuracy_high"]) == (1.0, 0.0)
    with pytest.raises(ValueError, match="do not match"):
        lexical_accuracy([], [["a"]], [["a"]], links, classes)
    with pytest.raises(ValueError, match="do not match"):
        word_recall([["a"]], [], classes)


@given(places=st.permutations(range(6)))
def test_order_is_kept_or_lost(places: list[int]) -> None:
    back = places[::-1]
    assert kendall_distance(places) + kendall_distance(back) == pytest.approx(1.0)
    chunks = 1 + sum(b - a != 1 for a, b in itertools.pairwise(places))
    assert fuzzy_reordering(places) == pytest.approx(1 - (chunks - 1) / 5)
    assert fuzzy_reordering(sorted(places)) == 1.0
    assert fuzzy_reordering(places[:1]) == 1.0
    assert kendall_distance(places[:1]) == 0.0
