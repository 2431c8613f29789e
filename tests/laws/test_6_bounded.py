"""Law 6: it always ends, in time, and stops at the very token at which left to right stops."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anyorder.decode.stops import Stops
from tests.laws.cases import VOCAB, Case, cases, examples, greedy, warm
from tests.laws.checks import cuts_where_left_to_right_cuts, ends_in_time, texts, written
from tests.laws.subjects import DRAWS, EXACT, SUBJECTS
from tests.laws.test_3_alone_or_in_company import sampling_of


class Letters:
    """A detokeniser: token n is the n-th letter; the last token is shown with the one after it."""

    def __init__(self) -> None:
        self.held = ""

    def push(self, token: int, /) -> str:
        shown, self.held = self.held + chr(ord("a") + token), ""
        if token == VOCAB - 1:
            shown, self.held = "", shown
        return shown


eos_ids = st.lists(st.integers(0, VOCAB - 1), max_size=2).map(tuple)
strings = st.lists(st.text("abcdef", min_size=1, max_size=3), max_size=2).map(tuple)


@pytest.mark.parametrize("name", SUBJECTS)
@given(data=st.data())
@examples(2)
def test_it_ends_in_time(name: str, data: st.DataObject) -> None:
    case = data.draw(cases(sampling=sampling_of(name), forced=True))
    ends_in_time(SUBJECTS[name](case.draft, case.model.vocab_size), case)


@pytest.mark.parametrize("name", EXACT)
@given(data=st.data(), eos_ids=eos_ids, strings=strings)
@examples(3)
def test_it_stops_where_left_to_right_stops(
    name: str, data: st.DataObject, eos_ids: tuple[int, ...], strings: tuple[str, ...]
) -> None:
    case = data.draw(cases(sampling=greedy if name in DRAWS else greedy | warm))
    decoder = SUBJECTS[name](case.draft, case.model.vocab_size)
    cuts_where_left_to_right_cuts(decoder, case, Stops(eos_ids, strings, Letters))


@pytest.mark.parametrize("name", sorted(DRAWS))
@given(case=cases(sampling=warm), eos=st.integers(0, VOCAB - 1))
@examples(3)
def test_drawn_drafts_stop_at_the_first_end_token(name: str, case: Case, eos: int) -> None:
    """Its text is its own, but a stop only cuts it."""
    decoder = SUBJECTS[name](case.draft, case.model.vocab_size)
    watch = Stops(eos_ids=(eos,)).start(case.canvas())
    cut, whole = texts(written(decoder, case, watch=watch)), texts(written(decoder, case))
    for row, short, long in zip(case.rows, cut, whole, strict=True):
        ends = [cell + 1 for cell in range(len(row.prompt), len(long)) if long[cell] == eos]
        assert short == long[: min(ends, default=len(long))]
