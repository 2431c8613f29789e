"""How often copies are right: by the longest match, and at the first places by themselves."""

import pytest

from benchmarks.copies import count, rows_of


def test_the_longest_match_counts() -> None:
    """Behind 7 5 the text went on with 6; behind 9 nothing is known."""
    every, _ = count([([7, 5, 6, 9], [7, 5, 6, 8])])
    assert dict(every.places) == {1: 1, 2: 1, 3: 1}
    assert {match: every.right[match] for match in (1, 2, 3)} == {1: 1, 2: 1, 3: 0}


def test_of_each_text_the_first_places_stand_apart() -> None:
    text = ([5, 6], [5, 6, 5, 6, 5, 6, 5, 6, 7])
    every, first = count([text, text])
    assert every.places[4] == 2 * 5
    assert first.places[4] == 2 * 2
    rows = rows_of(every, first)
    assert [row["match"] for row in rows] == [1, 2, 3, 4]
    assert rows[-1]["right"] == pytest.approx(0.8)
    assert rows[-1]["first"] == 1
