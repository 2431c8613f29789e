"""What is streamed is what is decoded, whatever the ids and whoever made the tokenizer."""

from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anyorder.models.files.checkpoint import read
from anyorder.models.files.fetch import fetch
from anyorder.models.files.tokenizer import units_of
from anyorder.units.text import BROKEN, TextUnits
from tests.units import tokenizers_made_here as made

FAMILIES = [made.byte_level, made.byte_fallback, made.unigram, made.word_piece]
family = pytest.mark.parametrize("family", FAMILIES, ids=lambda f: f.__name__)
lossless = pytest.mark.parametrize("family", FAMILIES[:2], ids=lambda f: f.__name__)
COMMON = "the cat sat né日🤗👩‍🚀\n 1"
texts = st.text(st.sampled_from(COMMON), max_size=20) | st.text(max_size=12)


@cache
def made_by(family) -> TextUnits:
    return TextUnits(family())


def streamed(units: TextUnits, ids: list[int]) -> list[str]:
    stream = units.stream()
    return [*map(stream.push, ids), stream.flush()]


@family
@given(data=st.data())
def test_what_is_streamed_is_what_is_decoded(family, data):
    units = made_by(family)
    ids = data.draw(st.lists(st.integers(0, units.vocab_size + 2), max_size=24))
    assert "".join(streamed(units, ids)) == units.decode(ids)


@given(ids=st.lists(st.integers(3, 260), max_size=24))
def test_runs_of_bytes_are_text_or_all_broken(ids):
    units = made_by(made.byte_fallback)
    assert "".join(streamed(units, ids)) == units.decode(ids)


@lossless
@given(text=texts)
def test_no_half_character_is_ever_shown(family, text):
    units = made_by(family)
    parts = streamed(units, units.encode(text))
    assert "".join(parts) == text
    assert BROKEN in text or not any(BROKEN in part for part in parts)


@given(text=texts)
def test_a_character_is_shown_as_soon_as_it_is_there(text):
    units = made_by(made.byte_level)
    ids = units.encode(text)
    stream, shown = units.stream(), ""
    for n, token in enumerate(ids, 1):
        shown += stream.push(token)
        assert shown == units.decode(ids[:n]).removesuffix(BROKEN) or BROKEN in text


@given(ids=st.lists(st.integers(0, 299), min_size=30, max_size=60))
def test_the_work_for_a_token_does_not_grow(ids):
    units = made_by(made.byte_level)
    stream = units.stream()
    for token in ids:
        stream.push(token)
        assert len(stream._window) <= 5


def test_special_tokens_are_passed_over_by_text_and_named_by_pieces():
    units = made_by(made.byte_level)
    ids = [*units.encode("the cat"), units.eos_ids[0]]
    assert units.decode(ids) == "the cat"
    assert "".join(streamed(units, ids)) == "the cat"
    assert units.piece(units.eos_ids[0]) == "<|end|>"


@lossless
def test_pieces_put_together_are_the_text(family):
    units = made_by(family)
    ids = units.encode("the cat sat")
    assert "".join(map(units.piece, ids)).lstrip() == "the cat sat"


def test_a_broken_piece_shows_as_such_and_an_unknown_id_as_nothing():
    units = made_by(made.byte_level)
    ids = units.encode("🐙")
    assert len(ids) > 1
    assert units.piece(ids[0]) == BROKEN
    assert units.piece(units.vocab_size + 7) == ""


def test_chat_is_one_message_of_a_user():
    units = made_by(made.byte_level)
    ids = units.encode("the cat", chat=True)
    assert "".join(map(units.piece, ids)) == "<|user|>the cat<|end|><|assistant|>"
    assert units.has_chat


def test_without_a_template_chat_is_plain():
    units = TextUnits(made.byte_level(template=None))
    assert not units.has_chat
    assert units.encode("the cat", chat=True) == units.encode("the cat")


def test_the_ids_that_end_a_text_may_be_several():
    tokenizer = made.byte_level()
    assert TextUnits(tokenizer).eos_ids == (0,)
    assert TextUnits(tokenizer, (0, 5)).eos_ids == (0, 5)
    assert TextUnits(tokenizer).vocab_size == 300


def test_a_vocabulary_with_holes():
    units = TextUnits(made.byte_level())
    units.tokenizer.add_tokens(["<extra>"])
    holes = TextUnits(made.with_holes())
    assert units.vocab_size == 301
    assert holes.vocab_size == 12
    for ids in ([9, 11, 9], [4, 9, 5, 11], [11, 10, 300, 9]):
        assert "".join(streamed(holes, ids)) == holes.decode(ids)
    assert holes.decode([9, 11]) == "the cat"


def test_the_empty_text_has_no_ids():
    units = made_by(made.byte_level)
    assert units.encode("") == []
    assert units.decode([]) == ""
    assert streamed(units, []) == [""]


@pytest.mark.slow
@given(text=texts)
def test_a_real_vocabulary_streams_every_text_as_it_is_decoded(text):
    units = smollm2()
    ids = units.encode(text)
    decoded = units.decode(ids)
    parts = streamed(units, ids)
    assert "".join(parts) == decoded
    assert BROKEN in decoded or not any(BROKEN in part for part in parts)
    # the vocabulary lacks some bytes: of control signs, and of characters that nobody assigned
    assert decoded == text or not set(text) <= set(COMMON)


@pytest.mark.slow
@given(ids=st.lists(st.integers(0, 49_151), max_size=30))
def test_a_real_vocabulary_streams_all_ids_as_they_are_decoded(ids):
    assert "".join(streamed(smollm2(), ids)) == smollm2().decode(ids)


@cache
def smollm2() -> TextUnits:
    return units_of(read(fetch("smollm2")))


@lossless
@given(text=texts)
def test_the_bytes_of_tokens_are_those_of_the_text(family, text):
    units = made_by(family)
    told = [units.bytes_of(token) for token in units.encode(text) if token in units.shown_ids]
    assert None not in told
    spelt = b"".join(piece for piece in told if piece is not None).decode()
    assert spelt in (text, " " + text), "some write a space before a text"


def test_a_token_that_is_no_bytes_says_so():
    units = made_by(made.byte_fallback)
    odd = units.tokenizer.convert_tokens_to_ids(BROKEN)
    assert units.bytes_of(odd) is None


def test_a_conversation_is_rendered_as_a_whole():
    units = made_by(made.byte_level)
    turns = [{"role": "user", "content": "the cat"}]
    assert units.encode_messages(turns) == units.encode("the cat", chat=True)
    longer = [*turns, {"role": "assistant", "content": "sat"}, {"role": "user", "content": "on"}]
    assert units.encode_messages(longer)[: len(units.encode_messages(turns))] == (
        units.encode_messages(turns)
    )
    with pytest.raises(ValueError, match="no chat template"):
        made_by(made.byte_fallback).encode_messages(turns)
