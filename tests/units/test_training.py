"""Units that are learned here: what they write, they read; and no text means a special token."""

from functools import cache
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anyorder.units.special import BLANK, BOS, EOS, SPECIAL, UNKNOWN
from anyorder.units.text import TextUnits
from anyorder.units.training import SMALLEST, letters, load_units, save_units, subwords, words

CORPUS = [
    "Choose Format - Character, and then click the Font tab.",
    "Wählen Sie Format > Zeichen… und klicken Sie auf das Register Schrift.",
    "the cat sat on the mat, and then the cat sat on the hat: 1234",
] * 3
PHONEMES = ["K AE T", "S AE T", "HH AE T"]


def some_subwords() -> TextUnits:
    return subwords(CORPUS, size=400)


def some_letters() -> TextUnits:
    return letters(CORPUS)


def some_words() -> TextUnits:
    return words(PHONEMES)


@cache
def made_by(maker) -> TextUnits:
    return maker()


every = pytest.mark.parametrize("maker", [some_subwords, some_letters, some_words])
texts = st.text(st.sampled_from("the cat  sät,日🤗▁<0x41>\n\t1…"), max_size=25) | st.text(
    max_size=15
)
texts |= st.lists(st.sampled_from([*SPECIAL, "<0x41>", " ", "the", "K"]), max_size=6).map("".join)
known = st.text(st.sampled_from(sorted(set().union(*CORPUS))), max_size=25)
said = st.lists(st.sampled_from(["K", "AE", "T", "S", "HH"]), max_size=8).map(" ".join)


@given(text=texts)
def test_subwords_give_every_text_back(text):
    units = made_by(some_subwords)
    ids = units.encode(text)
    assert units.decode(ids) == text
    assert not set(ids) & {UNKNOWN, BOS, EOS, BLANK}


@given(text=known)
def test_letters_give_known_texts_back_one_token_a_letter(text):
    units = made_by(some_letters)
    assert units.decode(units.encode(text)) == text
    assert len(units.encode(text)) == len(text)


@given(text=said)
def test_words_give_known_words_back_with_one_space_between(text):
    units = made_by(some_words)
    assert units.decode(units.encode(f"  {text.replace(' ', '   ')}\n")) == text
    assert len(units.encode(text)) == len(text.split())


@every
@given(text=texts)
def test_no_text_begins_ends_or_is_blank(maker, text):
    assert not set(made_by(maker).encode(text)) & {BOS, EOS, BLANK}


@every
@given(data=st.data())
def test_what_is_streamed_is_what_is_decoded(maker, data):
    units = made_by(maker)
    ids = data.draw(st.lists(st.integers(0, units.vocab_size + 2), max_size=20))
    stream = units.stream()
    assert "".join([*map(stream.push, ids), stream.flush()]) == units.decode(ids)


@every
def test_all_begin_with_the_four_special_tokens(maker):
    units = made_by(maker)
    assert tuple(units.piece(i).strip() for i in range(4)) == SPECIAL
    assert units.decode([UNKNOWN, BOS, EOS, BLANK]) == ""
    assert units.eos_ids == (EOS,)
    assert not units.has_chat


@pytest.mark.parametrize(
    ("maker", "text"),
    [(some_subwords, "the cat"), (some_letters, "the cat"), (some_words, "K AE T")],
)
def test_pieces_put_together_are_the_text(maker, text):
    units = made_by(maker)
    assert "".join(map(units.piece, units.encode(text))).lstrip() == text


def test_what_was_not_seen_is_unknown_where_nothing_can_spell_it():
    assert made_by(some_letters).encode("日a") == [UNKNOWN, *made_by(some_letters).encode("a")]
    assert made_by(some_words).encode("K X") == [*made_by(some_words).encode("K"), UNKNOWN]
    assert made_by(some_words).encode("<eos> K<bos>")[0] == UNKNOWN


def test_subwords_are_shorter_than_letters_and_no_more_than_was_asked_for():
    units, text = made_by(some_subwords), CORPUS[2]
    assert len(units.encode(text)) < len(text) / 2
    assert units.vocab_size <= 400
    assert subwords(CORPUS * 2, size=SMALLEST).vocab_size <= SMALLEST


@every
def test_the_same_texts_give_the_same_units_and_a_file_keeps_them(maker, tmp_path: Path):
    paths = [tmp_path / "one.json", tmp_path / "deeper" / "two.json"]
    for path in paths:
        save_units(maker(), path)
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert [p.name for p in tmp_path.iterdir() if p.is_file()] == ["one.json"], "no leftovers"
    loaded, made = load_units(paths[0]), made_by(maker)
    assert loaded.vocab_size == made.vocab_size
    for text in [*CORPUS, *PHONEMES, "<eos> 日"]:
        assert loaded.encode(text) == made.encode(text)
        assert loaded.decode(made.encode(text)) == made.decode(made.encode(text))


def test_which_letters_are_kept_does_not_depend_on_the_order_of_the_texts():
    rare = [chr(0x4E00 + i) for i in range(300)]
    made = [subwords(texts, size=SMALLEST) for texts in (rare, rare[::-1])]
    assert made[0].tokenizer.get_vocab() == made[1].tokenizer.get_vocab()
    assert made[0].decode(made[0].encode(rare[-1])) == rare[-1], "in bytes, if it must be"


@pytest.mark.parametrize(
    "make", [letters, words, lambda texts: subwords(texts, size=SMALLEST)], ids="lws"
)
@pytest.mark.parametrize("nothing", [[], [""]], ids=["none", "empty"])
def test_from_nothing_nothing_is_learned(make, nothing):
    with pytest.raises(ValueError, match="there is no text to learn units from"):
        make(nothing)


def test_too_few_subwords_are_refused():
    with pytest.raises(ValueError, match=r"299 subwords are too few; .* need 300"):
        subwords(CORPUS, size=299)


def test_a_file_of_another_kind_is_refused(tmp_path: Path):
    path = tmp_path / "units.json"
    with pytest.raises(FileNotFoundError):
        load_units(path)
    path.write_text("{}", encoding="utf-8")
    with pytest.raises(ValueError, match=r"units\.json holds no tokenizer that can be read"):
        load_units(path)


def test_texts_without_spaces_begin_with_no_byte():
    texts = ["日本語", "日本", "本日"] * 5
    units = subwords(texts, size=SMALLEST)
    assert all(not units.piece(units.encode(text)[0]).startswith("<0x") for text in texts)
    assert " " in units.tokenizer.get_vocab() or " 日" in units.tokenizer.get_vocab()
    assert [units.decode(units.encode(text)) for text in texts] == texts
