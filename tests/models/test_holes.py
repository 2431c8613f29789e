"""Prompts with holes: what can't be filled is said in a sentence."""

import pytest

from anyorder.models.holes import parts_of, room
from anyorder.units.training import words

UNITS = words(["the cat sat on a mat"])


def parts(*prompts: str, most: int = 10, longest: int = 12) -> object:
    return parts_of(prompts, UNITS, max_new_tokens=most, longest=longest)


def test_prompts_are_tokens_and_holes() -> None:
    the, cat, mat = (UNITS.plain(word) for word in ("the", "cat", "mat"))
    assert parts("the ___:2 mat", "the cat") == [[the, 2, mat], [the + cat]]


@pytest.mark.parametrize(
    ("prompt", "words"),
    [
        ("", "the prompt is empty"),
        ("the ___:11", "have 11 tokens, and 10 may be written"),
        ("the cat sat ___:8", "has 11 tokens with its holes; the model reads 10"),
        ("the cat sat on a mat the cat sat on", "has 10 tokens with its holes"),
    ],
)
def test_what_can_not_be_filled(prompt: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parts(prompt)


def test_texts_without_holes_have_room_for_what_the_longest_leaves() -> None:
    assert room([[[5, 6, 7]], [[5], 9]], longest=12) == 8
    assert room([[[5], 9]], longest=12) == 11
