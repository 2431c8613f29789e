"""Law 9: what a decoder declares of itself is measured."""

import pytest
from hypothesis import given

from anyorder.decode.left_to_right.plain import LeftToRight
from anyorder.decode.run import run
from tests.laws.cases import Case, cases, examples
from tests.laws.checks import drafts_no_more_than_it_says
from tests.laws.subjects import SUBJECTS, drafter


@pytest.mark.parametrize("name", [name for name in SUBJECTS if drafter(name) is not None])
@given(case=cases())
@examples(2)
def test_it_drafts_no_more_than_it_says(name: str, case: Case) -> None:
    drafts_no_more_than_it_says(SUBJECTS[name](case.draft, case.model.vocab_size), case)


@given(case=cases(forced=True))
@examples(10)
def test_left_to_right_makes_one_call_a_token(case: Case) -> None:
    """So its bound is no bound but the number itself."""
    trace = run(LeftToRight(), case.model, case.canvas(), case.sampler())
    assert trace.cost.calls == LeftToRight().most_calls(case.canvas())
