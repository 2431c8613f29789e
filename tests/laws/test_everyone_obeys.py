"""Nobody is above the law: every decoder of the package is among the subjects."""

from anyorder.decode.catalogue import decoders
from tests.laws.subjects import SUBJECTS, sized


def test_every_decoder_is_a_subject() -> None:
    subjects = {type(make(sized(6), 6)) for make in SUBJECTS.values()}
    assert set(decoders().values()) <= subjects
