"""Law 4: folding the trace gives the text, and its calls are the calls that the models got."""

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.laws.cases import cases, examples
from tests.laws.checks import the_trace_is_the_result
from tests.laws.subjects import SUBJECTS
from tests.laws.test_3_alone_or_in_company import sampling_of


@pytest.mark.parametrize("name", SUBJECTS)
@given(data=st.data())
@examples(2)
def test_the_trace_is_the_result(name: str, data: st.DataObject) -> None:
    case = data.draw(cases(sampling=sampling_of(name), forced=True))
    decoder = SUBJECTS[name](case.draft, case.model.vocab_size)
    with TemporaryDirectory() as folder:
        the_trace_is_the_result(decoder, case, Path(folder) / "trace.jsonl")
