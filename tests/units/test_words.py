"""Words are pieces of their text, and what is not known has one number."""

from hypothesis import given
from hypothesis import strategies as st

from anyorder.units.words import Numbers, spans, words_of


@given(text=st.text(max_size=30))
def test_words_and_white_space_are_the_whole_text(text: str) -> None:
    assert [text[a:b] for a, b in spans(text)] == words_of(text)
    assert "".join("".join(words_of(text)).split()) == "".join(text.split())


def test_numbers_are_those_of_the_texts() -> None:
    numbers = Numbers.of(["Open the file.", "Close the file."])
    assert numbers.size == 6
    assert numbers.rows(["the file. Save it!", ""]) == [[1, 2, 3, 5, 5, 5], []]
