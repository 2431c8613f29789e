"""Law 1: a decoder that calls itself exact writes the very text of left to right.

At temperature 0 with any drafts; above it, with the same seed, wherever drafts are certain. Where a
network is compiled not a bit of a log-probability differs, either.
"""

from functools import cache

import pytest
from hypothesis import given

from anyorder.canvas import Canvas
from anyorder.decode.left_to_right.plain import LeftToRight
from tests.laws.cases import (
    COMPILED,
    RAGGED,
    SHAPES,
    Case,
    Headed,
    cases,
    compiled,
    examples,
    greedy,
    networks,
    warm,
)
from tests.laws.checks import not_a_bit_differs, writes_the_text_of_left_to_right, written
from tests.laws.subjects import DRAWS, EXACT, SUBJECTS, sized


@pytest.mark.parametrize("name", EXACT)
@given(case=cases(sampling=greedy, forced=True))
@examples(3)
def test_it_writes_the_greedy_text(name: str, case: Case) -> None:
    decoder = SUBJECTS[name](case.draft, case.model.vocab_size)
    writes_the_text_of_left_to_right(decoder, case)


@pytest.mark.parametrize("name", [name for name in EXACT if name not in DRAWS])
@given(case=cases(sampling=warm, forced=True))
@examples(3)
def test_it_writes_the_text_of_its_seed(name: str, case: Case) -> None:
    decoder = SUBJECTS[name](case.draft, case.model.vocab_size)
    writes_the_text_of_left_to_right(decoder, case)


@pytest.mark.parametrize("name", EXACT)
@given(case=cases(sampling=greedy, models=networks))
@examples(2)
def test_so_it_does_with_a_transformer(name: str, case: Case) -> None:
    decoder = SUBJECTS[name](case.draft, case.model.vocab_size)
    writes_the_text_of_left_to_right(decoder, case)


def ragged(precision: str, shape: str) -> Case:
    return Case(model=Headed(compiled(precision, shape)), draft=sized(6), rows=RAGGED)


@cache
def alone(precision: str, shape: str) -> list[Canvas]:
    """Each row from left to right, with no other beside it."""
    case = ragged(precision, shape)
    return [written(LeftToRight(), case.only(b)) for b in range(len(case.rows))]


@pytest.mark.parametrize("precision", COMPILED)
@pytest.mark.parametrize("name", EXACT)
def test_not_a_bit_differs_where_a_network_is_compiled(name: str, precision: str) -> None:
    """Each decoder in each precision and on each shape of network: a Latin square."""
    shape = SHAPES[(EXACT.index(name) + COMPILED.index(precision)) % len(SHAPES)]
    case = ragged(precision, shape)
    decoder = SUBJECTS[name](case.draft, case.model.vocab_size)
    not_a_bit_differs(decoder, case, alone(precision, shape))
