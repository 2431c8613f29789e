"""Spans that are taken out of texts: how many, how long, how far apart, and anywhere."""

from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from torch import Generator

from anyorder.corrupt.spans import Spans

made = st.builds(
    Spans,
    share=st.floats(0.01, 0.99),
    most=st.integers(1, 8),
    shortest=st.integers(1, 9),
    apart=st.integers(1, 9),
)


@given(spans=made, length=st.integers(1, 80), seed=st.integers(0, 999))
def test_spans_are_what_they_are_said_to_be(spans: Spans, length: int, seed: int) -> None:
    found = spans.draw(length, Generator().manual_seed(seed))
    assert found == spans.draw(length, Generator().manual_seed(seed))
    inside = sum(map(len, found))
    assert 1 <= len(found) <= spans.most
    assert inside == min(max(spans.shortest, int(spans.share * length)), max(1, length - 1))
    assert found[0].start >= 0
    assert found[-1].stop <= length
    for one, after in pairwise(found):
        assert after.start - one.stop >= spans.apart
    lengths = [len(span) for span in found]
    assert max(lengths) - min(lengths) <= 1
    assert len(found) == 1 or min(lengths) >= spans.shortest


def test_the_text_of_the_paper_has_six_spans_of_fifteen_tokens() -> None:
    found = Spans().draw(600, Generator().manual_seed(0))
    assert [len(span) for span in found] == [15] * 6


def test_every_place_can_be_taken() -> None:
    spans, rng = Spans(share=0.5, most=2, shortest=2, apart=1), Generator().manual_seed(0)
    drawn = Counter(tuple(span.start for span in spans.draw(8, rng)) for _ in range(3000))
    places = {(a, b) for a in range(4) for b in range(a + 3, 7)}
    assert set(drawn) == places
    even = 3000 / len(places)
    assert all(abs(count - even) < 5 * even**0.5 for count in drawn.values()), "evenly"
    assert Spans().draw(1, rng) == [range(1)]


@pytest.mark.parametrize("odd", [{"share": 0.0}, {"share": 1.0}, {"most": 0}, {"apart": 0}])
def test_what_can_not_be_is_a_sentence(odd: dict) -> None:
    with pytest.raises(ValueError, match=r"between 0 and 1|1 or more"):
        Spans(**odd)
    with pytest.raises(ValueError, match="an empty text"):
        Spans().draw(0, Generator())
