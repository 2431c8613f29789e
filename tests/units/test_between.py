"""Between two tokenizers: what stands, stands; what can't be said is left out."""

import pytest

from anyorder.units.between import Between
from anyorder.units.text import TextUnits
from anyorder.units.training import letters
from tests.units import tokenizers_made_here as made

UNITS = {
    kind.__name__: TextUnits(kind())
    for kind in (made.byte_level, made.byte_fallback, made.unigram, made.word_piece)
}
BYTES, PIECES = UNITS["byte_level"], UNITS["byte_fallback"]
PAIRS = [(a, b) for a in UNITS for b in UNITS if a != b]
TEXTS = [
    "the cat sat on the mat, and then the cat",
    "naïve café 🤗 日本語 über die Brücke",
    "def f(x):\n    return x + 1\n",
]


def ids(units: TextUnits, *names: str) -> list[int]:
    found = units.tokenizer.convert_tokens_to_ids(list(names))
    assert isinstance(found, list)
    return found


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize(("ours", "theirs"), PAIRS)
def test_whatever_is_said_stands_behind_the_tokens_as_they_are(ours, theirs, text):
    """Cut anywhere, also within a word or a character: our tokens go on as the text does."""
    between = Between(UNITS[ours], UNITS[theirs])
    tokens, said = UNITS[ours].plain(text), between.theirs_of(UNITS[ours].plain(text))
    went_on = 0
    for cut in range(len(tokens)):
        read = between.theirs_of(tokens[:cut])
        if read != said[: len(read)]:
            continue
        new = between.ours_of(tokens[:cut], read, said[len(read) : len(read) + 4])
        assert set(new) <= UNITS[ours].shown_ids
        whole = UNITS[ours].decode(tokens[:cut] + new).rstrip("\ufffd")
        lossless = theirs in ("byte_level", "byte_fallback")
        assert not lossless or UNITS[ours].decode(tokens).startswith(whole)
        went_on += new[:1] == tokens[cut : cut + 1]
    assert went_on >= len(tokens) / 4


def test_a_word_that_was_cut_goes_on_in_tokens_that_fit() -> None:
    """Encoded as a whole "the" is another token; what stands is not taken back."""
    between = Between(BYTES, PIECES)
    tokens = BYTES.plain("on ") + BYTES.plain("t")
    assert BYTES.plain("on the")[-1:] == ids(BYTES, "Ġthe")
    read = between.theirs_of(tokens)
    new = between.ours_of(tokens, read, ids(PIECES, "he"))
    assert BYTES.decode(tokens + new) == "on the"
    assert new


def test_half_a_character_is_not_read_but_is_finished() -> None:
    between = Between(BYTES, PIECES)
    whole = BYTES.plain("a 🎈 b")
    cut = next(n for n in range(len(whole)) if BYTES.decode(whole[:n]).endswith("\ufffd"))
    tokens = whole[:cut]
    assert "\ufffd" not in PIECES.decode(between.theirs_of(tokens))
    said = ids(PIECES, "<0xF0>", "<0x9F>", "<0x8E>", "<0x88>", "▁", "b")
    read = between.theirs_of(tokens)
    assert tokens + between.ours_of(tokens, read, said) == whole
    assert between.ours_of(tokens, read, said[:2]) == []  # they did not finish it either
    assert between.ours_of(tokens, read, ids(PIECES, "b")) == []  # another character


def test_special_tokens_go_by_name_and_role() -> None:
    chat = TextUnits(made.byte_level(), eos_ids=tuple(ids(BYTES, "<|end|>")))
    between = Between(chat, PIECES)
    tokens = chat.encode("the cat", chat=True)
    assert tokens[0] == ids(chat, "<|user|>")[0]
    read = between.theirs_of(tokens)
    assert PIECES.tokenizer.convert_ids_to_tokens(read).count("</s>") == 1  # the end of a turn
    assert not any("user" in piece for piece in PIECES.tokenizer.convert_ids_to_tokens(read))
    same = Between(chat, TextUnits(made.byte_level(vocab_size=280)))
    assert same.theirs_of(tokens)[0] == ids(same.theirs, "<|user|>")[0]


def test_their_end_is_our_end() -> None:
    between = Between(BYTES, PIECES)
    tokens = BYTES.plain("on the")
    said = ids(PIECES, "▁", "c", "</s>", "d")
    new = between.ours_of(tokens, between.theirs_of(tokens), said)
    assert BYTES.decode(new) == " c"
    assert new[-1:] == ids(BYTES, "<|end|>")


def test_a_first_token_of_theirs_stands_once() -> None:
    from tokenizers.processors import TemplateProcessing

    begins = made.byte_fallback()
    first = begins.convert_tokens_to_ids("<s>")
    begins.backend_tokenizer.post_processor = TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", first), ("</s>", first + 1)]
    )
    theirs = TextUnits(begins)
    assert Between(BYTES, theirs).theirs_of(BYTES.plain("the"))[0] == first
    assert Between(BYTES, theirs).theirs_of([]) == [first]
    again = Between(TextUnits(made.byte_fallback()), theirs).theirs_of([first, *PIECES.plain("he")])
    assert again == [first, *PIECES.plain("he")]


def test_signs_that_one_vocabulary_lacks() -> None:
    few, many = letters(["abc "]), letters(["abcd "])
    there = Between(few, many)  # the draft says "d", which we can't
    assert there.ours_of([5], there.theirs_of([5]), many.encode("bdb")) == few.encode("b")
    back = Between(many, few)  # the draft reads "?" where "d" stands, and goes on
    tokens = many.encode("ad")
    assert back.theirs_of(tokens) == [*few.encode("a"), 0]
    assert back.ours_of(tokens, back.theirs_of(tokens), few.encode("bc")) == many.encode("bc")
