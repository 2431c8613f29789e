"""Law 1: a decoder that calls itself exact writes the very text of left to right.

At temperature 0 with any drafts; above it, with the same seed, wherever drafts are certain.
"""

import pytest
from hypothesis import given

from tests.laws.cases import Case, cases, examples, greedy, networks, warm
from tests.laws.checks import writes_the_text_of_left_to_right
from tests.laws.subjects import DRAWS, EXACT, SUBJECTS


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
