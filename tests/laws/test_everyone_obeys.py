"""Nobody is above the law: every decoder of the package is among the subjects."""

from anyorder.decode.catalogue import decoders
from tests.laws.subjects import SUBJECTS, sized


def test_every_decoder_is_a_subject() -> None:
    subjects = {type(make(sized(6), 6)) for make in SUBJECTS.values()}
    missing = {kind.__name__ for kind in set(decoders().values()) - subjects}
    assert not missing, f"give each of {missing} a line in tests/laws/subjects.py"
