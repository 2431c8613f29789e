"""The page on parallel translation says what the stored results say, and types in no figure."""

import json
import re
from pathlib import Path

import pytest

from benchmarks.readme import ROOT
from benchmarks.translation import (
    PAGE,
    At,
    Promise,
    near,
    orders,
    page,
    peers,
    second_ways,
    speeds,
)


@pytest.fixture
def results(tmp_path: Path) -> Path:
    rows = [
        {"system": "a", "metric": {"bleu": [9.0, 9.5], "ms": [1.0, 1.2]}},
        {"system": "b", "metric": {"bleu": [9.8, 10.2], "ms": [6.0, 6.1]}},
    ]
    (tmp_path / "x.json").write_text(json.dumps({"rows": rows}), encoding="utf-8")
    return tmp_path


def test_a_verdict_follows_from_the_rows(results: Path) -> None:
    a, b = At("x", "a"), At("x", "b")
    better = Promise("a < b", "pairs", "bleu", b, a)
    assert better.line(results) == ("| a < b | pairs | 10 ± 0.283 | 9.25 ± 0.354 | **holds** |")
    for promise, verdict in (
        (Promise("", "", "bleu", a, b), "not at this scale"),
        (Promise("", "", "bleu", a, b, less=1.0), "holds"),
        (Promise("", "", "ms", a, b, -1, times=0.25), "holds"),
        (Promise("", "", "ms", a, b, -1, times=0.15), "partly"),
    ):
        assert f"**{verdict}**" in promise.line(results)
    with pytest.raises(KeyError):
        Promise("", "", "chrf", a, b).line(results)


def test_every_promise_was_measured_with_several_seeds() -> None:
    for each in (*orders(), *near(), *speeds()):
        for side in (each.better, each.worse):
            assert len(side.values(ROOT / "results", each.metric)) == 3


def test_engines_stand_beside_each_other() -> None:
    row = {"engine": "e", "model": "t-ar", "task": "t", "decoder": "greedy", "precision": "int8"}
    row |= {"threads": 1, "bleu": 20.04, "latency": 1.5, "throughput": 700.0}
    shown = peers([{**row, "latency_ratio": 1.0, "throughput_ratio": 2.04}], "BLEU").splitlines()
    assert shown[-1] == "| e | ar, greedy | int8, 1 | 20 | 1.5 | 700 | 1.0, 2.0 |"


def test_a_second_way_is_shown_with_what_it_begins_with() -> None:
    metric = {"bleu": [5.0], "chrf": [20.0], "nats": [3.0]}
    row = {"system": "s", "model": "m", "after": None, "seeds": [0], "metric": metric}
    shown = second_ways([row, {**row, "system": "other"}], "s").splitlines()
    assert shown[2:] == ["| m | random weights | 5 | 20 | 3 | 1 |"]


def test_the_page_is_up_to_date() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert page(text, ROOT / "results") == text, "run `python -m benchmarks.translation`"


def test_no_measured_figure_is_typed_in() -> None:
    text = PAGE.read_text(encoding="utf-8")
    prose = re.sub(r"<!-- ([\w-]+) -->.*?<!-- /\1 -->", "", text, flags=re.DOTALL)
    assert "BLEU |" not in prose, "tables stand between their marks"
    found = set(re.findall(r"\d+\.\d+", prose))
    assert found <= {"1.5"}, "sizes and promises alone"
