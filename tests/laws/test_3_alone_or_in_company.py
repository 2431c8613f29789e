"""Law 3: a row gets the same text alone and in any ragged batch, and its seed goes with it."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anyorder.decode.sampling import Sampling
from anyorder.models.capability import CausalLM
from anyorder.models.tables.language_model import TableLM
from tests.laws.cases import Case, Row, cases, compiled, examples, greedy, networks, warm
from tests.laws.checks import alone_or_in_company, computed_together, texts, written
from tests.laws.subjects import GREEDY, SUBJECTS, sized


def sampling_of(name: str) -> st.SearchStrategy[Sampling]:
    return greedy if name in GREEDY else greedy | warm


@pytest.mark.parametrize("name", SUBJECTS)
@given(data=st.data())
@examples(3)
def test_company_makes_no_difference(name: str, data: st.DataObject) -> None:
    case = data.draw(cases(sampling=sampling_of(name), forced=True, least_rows=2))
    alone_or_in_company(SUBJECTS[name](case.draft, case.model.vocab_size), case)


@pytest.mark.parametrize("name", SUBJECTS)
@given(case=cases(sampling=greedy, models=networks, forced=True, least_rows=2))
@examples(2)
def test_padding_does_not_leak_into_a_transformer(name: str, case: Case) -> None:
    alone_or_in_company(SUBJECTS[name](case.draft, case.model.vocab_size), case)


PLAIN = {name for name in SUBJECTS if SUBJECTS[name](sized(6), 6).needs == (CausalLM,)}


@pytest.mark.parametrize("name", sorted(PLAIN))
@given(data=st.data(), precision=st.sampled_from(["float32", "bfloat16", "int8"]))
@examples(2)
def test_texts_that_are_computed_together_do_not_know_it(
    name: str, data: st.DataObject, precision: str
) -> None:
    case = data.draw(cases(sampling=sampling_of(name), forced=True, least_rows=2))
    case = replace(case, model=compiled(precision))
    computed_together(SUBJECTS[name](case.draft, case.model.vocab_size), case)


@given(case=cases(sampling=warm, least_rows=2), data=st.data())
@examples(10)
def test_a_seed_goes_with_its_row(case: Case, data: st.DataObject) -> None:
    order = data.draw(st.permutations(range(len(case.rows))))
    decoder = SUBJECTS["recycling"](case.draft, case.model.vocab_size)
    together = texts(written(decoder, case))
    assert texts(written(decoder, case.only(*order))) == [together[b] for b in order]


def test_drawn_drafts_keep_their_pace_beside_forced_cells() -> None:
    """A guess that was drawn is judged by other coins than a token that no draft foretold."""
    target, draft = (TableLM.random(seed=s, vocab_size=6, order=1) for s in (12, 112))
    beside = Row(prompt=(1, 2, 3, 1, 2, 3), new=9, forced=((2, 1), (3, 4)))
    rows = (Row(prompt=(1, 2), new=8, seed=12), beside)
    case = Case(model=target, draft=draft, rows=rows, sampling=Sampling(temperature=1.0))
    alone_or_in_company(SUBJECTS["speculative"](draft, 6), case)
