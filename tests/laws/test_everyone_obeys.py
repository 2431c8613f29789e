"""Nobody is above the law: every decoder of the package is among the subjects."""

import pytest

from anyorder.decode.catalogue import decoders
from anyorder.decode.draft_verify.judges.grouped import Grouped
from anyorder.decode.draft_verify.judges.lenient import Lenient
from tests.laws.parallel import PARALLEL
from tests.laws.subjects import CHAINS, DRAFTERS, OF_THE_ROW, SUBJECTS, sized


def test_every_decoder_is_a_subject() -> None:
    subjects = {type(make(sized(6), 6)) for make in SUBJECTS.values()}
    subjects |= {type(decoder) for decoder, _ in PARALLEL.values()}
    missing = {kind.__name__ for kind in set(decoders().values()) - subjects}
    assert not missing, f"give each of {missing} a line in tests/laws/subjects.py or parallel.py"


def test_each_drafter_is_judged_in_every_way_or_refused() -> None:
    for judge, fitting in ((Lenient, OF_THE_ROW), (Grouped, CHAINS)):
        for name, by in DRAFTERS.items():
            assert (f"{judge.__name__.lower()}, {name}" in SUBJECTS) == (name in fitting)
            if name not in fitting:
                with pytest.raises(ValueError, match=type(by).__name__):
                    judge(by)
