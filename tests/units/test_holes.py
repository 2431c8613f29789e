"""Texts with holes: where they are, how large, and whose the spaces around them are."""

import pytest

from anyorder.units.holes import HOLE, cut, pieces
from anyorder.units.text import TextUnits
from anyorder.units.training import letters, subwords, words

TEXT = "the cat sat on the mat."
EVERY = [subwords([TEXT] * 9, size=330), words([TEXT, "mat"]), letters([TEXT])]


def test_a_hole_may_say_how_large_it_is() -> None:
    assert cut("A ___ cat ____:12.") == ["A ", HOLE, " cat ", 12, "."]
    assert cut("no __ hole") == ["no __ hole"]
    assert cut("___:2___:3") == [2, 3]
    with pytest.raises(ValueError, match="0 tokens is none"):
        cut("a ___:0")


def test_a_colon_behind_the_number_ends_it() -> None:
    """So a digit or a colon may stand behind a hole."""
    assert cut("at ___:2:30") == ["at ", 2, "30"]
    assert cut("at ___:2:___:3:") == ["at ", 2, 3]
    assert cut("at ___:2::30") == ["at ", 2, ":30"]
    assert cut("so ___: then") == ["so ", HOLE, ": then"]


@pytest.mark.parametrize("units", EVERY, ids=["subwords", "words", "letters"])
@pytest.mark.parametrize("hidden", [" sat", " sat on", "the", " mat."])
def test_what_was_cut_out_fits_into_the_hole(units: TextUnits, hidden: str) -> None:
    """The tokens around a hole are those of the text, so that the right ones make it whole."""
    tokens, before, after = units.plain(TEXT), *TEXT.split(hidden, 1)
    space = " " if hidden.startswith(" ") else ""
    some = len(units.plain((before + hidden).strip())) - len(units.plain(before)) if before else 1
    if units is EVERY[2]:
        some, before = len(hidden) - len(space), before + space
        space = ""
    elif units is EVERY[0] and not before:
        some = len(units.plain(hidden))
    found = pieces(units, f"{before}{space}___:{some}{after}")
    left = [part if isinstance(part, list) else [None] * part for part in found]
    cells = [token for part in left for token in part]
    assert len(cells) == len(tokens)
    assert all(token in (None, right) for token, right in zip(cells, tokens, strict=True))
    assert cells.count(None) == some


def test_a_text_without_holes_is_its_tokens() -> None:
    for units in EVERY:
        assert pieces(units, TEXT) == [units.plain(TEXT)]
        assert pieces(units, "") == []
