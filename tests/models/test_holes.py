"""Prompts with holes: what can't be filled is said in a sentence."""

from dataclasses import replace
from typing import Any

import pytest

from anyorder.decode.generate import generate
from anyorder.models.holes import parts_of, room
from anyorder.models.translator import Translator
from anyorder.units.special import EOS
from anyorder.units.training import words
from tests.train.made import any_subset

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


def test_a_text_without_holes_has_the_room_that_it_leaves() -> None:
    assert room([[5, 6, 7]], longest=12) == 8
    assert room([[5]], longest=12) == 10
    assert room([[5], 9], longest=12) == 0


def test_near_the_end_of_the_context_company_takes_no_room() -> None:
    """Law 3: beside a long text, and beside holes, a short one has as many cells as alone."""
    net = any_subset(UNITS.vocab_size, layers=2).double().eval()
    net.sizes = replace(net.sizes, max_length=12)
    lm = Translator(net, UNITS, UNITS, "filler", UNITS.eos_ids)
    prompts = ["the cat", "the cat sat on a mat the", "a ___:2 mat", "the"]
    more: dict[str, Any] = {"max_new_tokens": 20, "temperature": 1.0, "logit_bias": {EOS: -99.0}}
    together = generate(lm, prompts, seed=5, **more)
    assert [len(tokens) for tokens in together.tokens] == [11, 11, 5, 11]
    for row, prompt in enumerate(prompts):
        alone = generate(lm, prompt, seed=5 + row, **more)
        assert (alone.text, alone.tokens) == (together.text[row], together.tokens[row])
