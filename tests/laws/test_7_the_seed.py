"""Law 7: the seed decides all; a run that was stopped goes on to the same text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anyorder.decode.sampling import Sampling
from anyorder.models.tables.language_model import TableLM
from tests.laws.cases import Case, Row, cases, examples, greedy, warm
from tests.laws.checks import (
    a_longer_limit_goes_on,
    goes_on_where_it_was_stopped,
    the_seed_decides,
)
from tests.laws.subjects import GREEDY, RESTARTS, SUBJECTS


@pytest.mark.parametrize("name", [name for name in SUBJECTS if name not in GREEDY])
@given(case=cases(sampling=warm))
@examples(2)
def test_the_seed_decides(name: str, case: Case) -> None:
    the_seed_decides(SUBJECTS[name](case.draft, case.model.vocab_size), case)


@pytest.mark.parametrize("name", [name for name in SUBJECTS if name not in RESTARTS])
@given(data=st.data(), after=st.integers(0, 6))
@examples(2)
def test_it_goes_on_where_it_was_stopped(name: str, data: st.DataObject, after: int) -> None:
    case = data.draw(cases(sampling=greedy | warm, forced=True))
    decoder = SUBJECTS[name](case.draft, case.model.vocab_size)
    goes_on_where_it_was_stopped(decoder, case, after)


@pytest.mark.parametrize("name", [name for name in SUBJECTS if name not in RESTARTS])
@given(case=cases(), more=st.integers(1, 5))
@examples(2)
def test_a_longer_limit_goes_on(name: str, case: Case, more: int) -> None:
    a_longer_limit_goes_on(SUBJECTS[name](case.draft, case.model.vocab_size), case, more)


@pytest.mark.parametrize("new", range(1, 8))
def test_where_a_text_ends_does_not_shorten_a_judged_draft(new: int) -> None:
    """A guess may be kept that the target would not have written itself."""
    target, draft = (TableLM.random(seed=s, vocab_size=6, order=1) for s in (12, 112))
    case = Case(model=target, draft=draft, rows=(Row(prompt=(1, 2), new=new, seed=12),))
    a_longer_limit_goes_on(SUBJECTS["grouped, speculative"](draft, 6), case, 1)


def test_drawn_drafts_go_on_where_they_were_stopped() -> None:
    target, draft = (TableLM.random(seed=s, vocab_size=6, order=1) for s in (12, 112))
    rows = (Row(prompt=(1, 2), new=9, seed=12),)
    case = Case(model=target, draft=draft, rows=rows, sampling=Sampling(temperature=1.0))
    goes_on_where_it_was_stopped(SUBJECTS["speculative"](draft, 6), case, 2)
