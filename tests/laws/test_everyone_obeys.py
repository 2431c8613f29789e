"""Nobody is above the law: every decoder of the package is among the subjects."""

from anyorder.decode.catalogue import decoders
from tests.laws.parallel import PARALLEL
from tests.laws.subjects import SUBJECTS, sized


def test_every_decoder_is_a_subject() -> None:
    subjects = {type(make(sized(6), 6)) for make in SUBJECTS.values()}
    subjects |= {type(decoder) for decoder, _ in PARALLEL.values()}
    missing = {kind.__name__ for kind in set(decoders().values()) - subjects}
    assert not missing, f"give each of {missing} a line in tests/laws/subjects.py or parallel.py"
