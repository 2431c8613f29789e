"""How well models say the next token, beside what they write."""

from pathlib import Path

import pytest

from anyorder.data.copy_or_reverse import CopyOrReverse
from anyorder.nets.layers import Width
from anyorder.systems.bench import Bench
from anyorder.systems.experiments.next_token import Asked, NextToken
from anyorder.systems.experiments.school import TINY, Way, schooled
from anyorder.train.next_token import next_tokens

TASK = CopyOrReverse(length=3, alphabet=5, pairs=50)
WIDTH = Width(channels=16, heads=2, middle=32)
DEEP = Way("deep")
TANDEM, ALONE = (Way(name, begins_with=DEEP) for name in ("tandem", "tandem-alone"))


def test_rows_are_models_of_the_school(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANYORDER_CACHE", str(tmp_path))
    asked = {"tandem": Asked(TANDEM, block=2), "alone": Asked(ALONE), "large": Asked(TANDEM)}
    measured = NextToken(TASK, asked, TINY, WIDTH, test=7)
    bench = Bench(seeds=1)
    (part,) = measured.parts(bench)
    rows = part.run()
    school = schooled(bench, TASK, WIDTH, TINY, 0)
    examples = TASK.splits().test[:7]
    for name, each in asked.items():
        wanted = next_tokens(school.translator(each.way), examples, block=each.block)
        found = {"nats_per_token": wanted.nats, "next_token_accuracy": wanted.right}
        assert rows[name] == found
    assert next_tokens(school.translator(DEEP), examples).nats == rows["large"]["nats_per_token"]
    assert rows["tandem"] != rows["alone"]
    assert not callable(part.stands_for) or part.stands_for().startswith("initialisation")
