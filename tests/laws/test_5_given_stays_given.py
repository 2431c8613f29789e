"""Law 5: cells of the prompt and forced cells never change, step by step, while the text goes on.

A text that has ended has ended: a stop cuts off forced cells that were still to come.
"""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from anyorder.canvas import DONE, GIVEN, PAD
from anyorder.decode.stops import Stops
from anyorder.trace import Trace
from tests.laws.cases import VOCAB, cases, examples
from tests.laws.checks import given_stays_given, history
from tests.laws.subjects import SUBJECTS
from tests.laws.test_3_alone_or_in_company import sampling_of


@pytest.mark.parametrize("name", SUBJECTS)
@given(data=st.data())
@examples(2)
def test_given_stays_given(name: str, data: st.DataObject) -> None:
    case = data.draw(cases(sampling=sampling_of(name), forced=True))
    given_stays_given(SUBJECTS[name](case.draft, case.model.vocab_size), case)


@pytest.mark.parametrize("name", SUBJECTS)
@given(data=st.data(), eos=st.integers(0, VOCAB - 1))
@examples(2)
def test_given_stays_given_until_the_text_ends(name: str, data: st.DataObject, eos: int) -> None:
    """A row ends at its first end token after the prompt, written or forced, and nowhere else."""
    case = data.draw(cases(sampling=sampling_of(name), forced=True))
    canvas = case.canvas()
    watch = Stops(eos_ids=(eos,)).start(canvas)
    begins, given_BN = list(watch.looked), canvas.status_BN == GIVEN
    decoder = SUBJECTS[name](case.draft, case.model.vocab_size)
    made = history(decoder, case, canvas, watch=watch)
    for _, after in made:
        inside_BN = after.status_BN != PAD
        assert torch.equal(after.status_BN == GIVEN, given_BN & inside_BN)
        assert torch.equal(after.tokens_BN[given_BN], canvas.tokens_BN[given_BN])
    end = made[-1][1]
    for row, begin in enumerate(begins):
        tokens, whole = end.row(row), int(canvas.length_B[row])
        ends = [cell + 1 for cell in range(begin, len(tokens)) if tokens[cell] == eos]
        assert len(tokens) == min(ends, default=whole)
    trace = Trace(canvas, tuple(step for step, _ in made))
    assert trace.cost.tokens == int((end.status_BN == DONE).sum())
