"""Law 5: cells of the prompt and forced cells never change, step by step."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.laws.cases import cases, examples
from tests.laws.checks import given_stays_given
from tests.laws.subjects import SUBJECTS
from tests.laws.test_3_alone_or_in_company import sampling_of


@pytest.mark.parametrize("name", SUBJECTS)
@given(data=st.data())
@examples(2)
def test_given_stays_given(name: str, data: st.DataObject) -> None:
    case = data.draw(cases(sampling=sampling_of(name), forced=True))
    given_stays_given(SUBJECTS[name](case.draft, case.model.vocab_size), case)
