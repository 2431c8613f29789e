"""Words and phrases of sentences whose translation is known word by word."""

import numpy as np
import pytest

from anyorder.data.granules import granules
from anyorder.data.pairs import Example
from anyorder.units.words import words_of

NAMES = "eins zwei drei vier fünf sechs sieben acht".split()


def pair(numbers: list[int]) -> Example:
    """Each number is a word of its own; the last two change places; a full stop ends both."""
    order = [*numbers[:-2], numbers[-1], numbers[-2]]
    source = " ".join(f"w{n}" for n in numbers)
    return Example(source + ".", (" ".join(NAMES[n] for n in order) + ".",), source)


@pytest.fixture(scope="module")
def sentences() -> tuple[Example, ...]:
    rng = np.random.default_rng(0)
    return tuple(pair(rng.permutation(8)[: rng.integers(3, 6)].tolist()) for _ in range(200))


def test_words_are_the_dictionary(sentences: tuple[Example, ...]) -> None:
    words = {example.source: example.targets[0] for example in granules(sentences).words}
    assert words == {**{f"w{n}": name for n, name in enumerate(NAMES)}, ".": "."}


def test_phrases_translate_word_by_word_and_are_pieces(sentences: tuple[Example, ...]) -> None:
    found = granules(sentences, longest=3).phrases
    assert {len(words_of(example.source)) for example in found} == {2, 3}
    turned = 0
    for example in found:
        for target in example.targets:
            written = [NAMES[int(word[1:])] for word in words_of(example.source) if word != "."]
            words = [word for word in words_of(target) if word != "."]
            assert sorted(words) == sorted(written)
            turned += words != written
        assert any(example.source in sentence.source for sentence in sentences)
        assert len(example.targets) == len(set(example.targets))
    assert 0 < turned


def test_a_rare_target_is_left_out() -> None:
    often = [
        Example("a b", ("x y",), "1"),
        Example("b a", ("y x",), "2"),
        Example("a", ("x",), "3"),
    ]
    once = Example("a b", ("z y",), "4")
    words = {e.source: e.targets for e in granules((*often * 9, once), least=0.2).words}
    assert words == {"a": ("x",), "b": ("y",)}


def test_nothing_is_found_in_nothing() -> None:
    assert granules((Example(" ", ("x",), "1"),)).words == ()
