"""Scores of words and order, with an aligner that learns from the training pairs."""

import math

import numpy as np
import pytest

from anyorder.data.pairs import Example
from anyorder.systems.experiments.trained import Scores
from anyorder.systems.experiments.words import ChoiceOfWords, Competences, RareWords, entropy

NAMES = "eins zwei drei vier fünf sechs sieben acht".split()


def made(count: int, seed: int) -> tuple[Example, ...]:
    rng = np.random.default_rng(seed)
    rows = (rng.permutation(8)[: rng.integers(3, 7)].tolist() for _ in range(count))
    return tuple(
        Example(" ".join(f"w{n}" for n in row), (" ".join(NAMES[n] for n in row),), str(row))
        for row in rows
    )


TRAIN, TEST = made(300, 0), made(20, 1)
RIGHT = [example.targets[0] for example in TEST]


@pytest.mark.parametrize("scores", [ChoiceOfWords(), RareWords(), Competences()])
def test_they_are_numbers_even_of_nothing(scores: Scores) -> None:
    assert isinstance(scores, Scores)
    for texts in (RIGHT, [""] * 20):
        assert all(np.isfinite(value) for value in scores(texts, TEST, TRAIN).values())


def test_all_words_are_right_or_wrong() -> None:
    right, wrong = (ChoiceOfWords()(texts, TEST, TRAIN) for texts in (RIGHT, ["neun"] * 20))
    assert right["lexical_accuracy"] == 1.0
    assert wrong["lexical_accuracy"] == 0.0
    recall = RareWords()([text.replace("acht", "") for text in RIGHT], TEST, TRAIN)
    every = [word for text in RIGHT for word in text.split()]
    assert recall["recall"] == pytest.approx(1 - every.count("acht") / len(every))


def test_competences_are_those_of_what_was_written() -> None:
    kept = Competences()(RIGHT, TEST, TRAIN)
    turned = Competences()([" ".join(text.split()[::-1]) for text in RIGHT], TEST, TRAIN)
    strange = Competences()([text.replace("i", "ü") for text in RIGHT], TEST, TRAIN)
    assert (kept["monotonicity"], kept["kendall_distance"]) == (1.0, 0.0)
    assert turned["monotonicity"] < 0.4
    assert turned["kendall_distance"] > 0.6
    assert strange["ngram_perplexity"] > kept["ngram_perplexity"]
    assert turned["entropy"] == pytest.approx(kept["entropy"])


def test_one_word_again_and_again_has_no_entropy() -> None:
    same = Competences()(["eins eins eins"] * 20, TEST, TRAIN)
    assert same["entropy"] == entropy([]) == 0.0
    assert entropy([["a", "b"], ["c", "d"]]) == pytest.approx(math.log(4))
    assert entropy([["a", "a", "a", "b"]]) == pytest.approx(
        -0.75 * math.log(0.75) - 0.25 * math.log(0.25)
    )
