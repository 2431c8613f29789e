"""Verdicts come from numbers: what must hold, what overlaps, what is not there at all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anyorder.measure.results import Measured, Verdict
from anyorder.systems.claims import AtLeast, AtMost, Claim, Less, More, Rule

HOLDS, PARTLY, NOT = "holds", "partly", "not at this scale"


def rows(own: list[float], other: list[float]) -> list[Measured]:
    return [Measured("own", {"m": own}), Measured("other", {"m": other})]


def verdict(rule: Rule, own: list[float], other: list[float] | None = None) -> Verdict:
    return Claim("It is so.", rule).finding(rows(own, other or own), "own").verdict


@pytest.mark.parametrize(
    ("own", "other", "says"),
    [
        ([3.0, 4.0, 5.0], [6.0, 7.0, 8.0], HOLDS),  # paired: the spread between seeds is no matter
        ([3.0, 4.0, 9.0], [6.0, 7.0, 8.0], PARTLY),  # the gaps 3, 3, -1 overlap with 0
        ([7.0, 8.0, 9.0], [6.0, 7.0, 8.0], NOT),
        ([6.0, 7.0, 8.0], [6.0, 7.0, 8.0], NOT),  # equal is not less
        ([3.0], [6.0], PARTLY),  # one seed shows no spread
    ],
)
def test_less_and_more_are_mirrors(own: list[float], other: list[float], says: Verdict) -> None:
    assert verdict(Less("m", than="other"), own, other) == says
    mirrored = [-x for x in own], [-x for x in other]
    assert verdict(More("m", than="other"), *mirrored) == says


def test_less_than_was_claimed_is_partly() -> None:
    own, other = [20.0, 21.0], [10.0, 10.0]
    assert verdict(More("m", than="other", times=2.0), own, other) == PARTLY
    assert verdict(More("m", than="other", times=1.5), own, other) == HOLDS
    assert verdict(More("m", than="other", times=9.0), own, other) == PARTLY
    assert verdict(More("m", than="other", times=2.0), [9.0, 9.0], other) == NOT
    assert verdict(Less("m", than="other", times=0.5), [3.0, 3.0], other) == HOLDS
    assert verdict(Less("m", than="other", times=0.5), [6.0, 6.0], other) == PARTLY


@pytest.mark.parametrize(
    ("own", "says"),
    [
        ([1.0, 1.0, 1.0], HOLDS),
        ([0.5, 0.5, 0.6], HOLDS),
        ([0.5, 0.9, 1.2], PARTLY),
        ([1.1, 1.1, 1.1], NOT),
        ([0.5], PARTLY),
    ],
)
def test_limits_may_be_touched(own: list[float], says: Verdict) -> None:
    assert verdict(AtMost("m", 1.0), own) == says
    assert verdict(AtLeast("m", -1.0), [-x for x in own]) == says


def test_one_text_that_differs_is_seen() -> None:
    assert verdict(AtLeast("m", 1.0), [1.0, 1.0, 0.9]) == NOT


def test_the_numbers_are_those_of_the_verdict() -> None:
    claim = Claim("Half.", Less("m", than="other", times=0.5))
    found = claim.finding(rows([1.0, 2.0], [8.0, 10.0]), "own")
    assert (found.value, found.against) == (1.5, 4.5)
    assert found.spread == pytest.approx(0.0)


def test_another_row_may_be_meant() -> None:
    claim = Claim("The other one.", AtMost("m", 5.0, of="other"))
    assert claim.finding(rows([9.0, 9.0], [1.0, 1.0]), "own").verdict == HOLDS


def test_what_was_not_measured_is_named() -> None:
    with pytest.raises(ValueError, match="'third', which was not measured"):
        verdict(Less("m", than="third"), [1.0])
    with pytest.raises(ValueError, match="'n' of own was not measured; there is m"):
        verdict(AtMost("n", 1.0), [1.0])


@given(st.lists(st.floats(-9, 9), min_size=2, max_size=5), st.floats(0.1, 9))
def test_a_shift_beyond_the_spread_always_holds(own: list[float], shift: float) -> None:
    below = [x - shift for x in own]
    assert verdict(Less("m", than="other"), below, own) == HOLDS
    assert verdict(More("m", than="other"), below, own) == NOT
