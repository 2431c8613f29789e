import json
import math
from dataclasses import asdict, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anyorder.measure.results import (
    Finding,
    Measured,
    Peer,
    Peers,
    Result,
    brief,
    read,
    read_peers,
    shown,
    write,
    write_json,
    write_peers,
)

RESULT = Result(
    slug="token-recycling",
    number=174,
    commit="abc",
    versions={"torch": "2"},
    machine={"cores": 2, "memory_gib": 7.5, "processor": "any"},
    seconds=1.5,
    seeds=["prompt group 1 of 2", "prompt group 2 of 2"],
    rows=[Measured("token-recycling", {"calls": [3.0, 5.0]})],
    claims=[Finding("It is short.", "holds", 4.0, 1.4, 10.0)],
)
PEER = Peer(
    engine="llama.cpp",
    decoder="greedy",
    model="smollm2",
    task="story",
    precision="own",
    batch=1,
    tokens_per_s=77.0,
    spread=2.0,
    calls=None,
    tokens_per_call=None,
    same_text=None,
    ratio={"transformers": 5.5},
)
PEERS = Peers(commit="abc", versions={}, machine={}, rows=[PEER])


def broken(path: Path, change: Any) -> Path:
    data = asdict(RESULT)
    change(data)
    path = path / "token-recycling.json"
    path.write_text(json.dumps(data))
    return path


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = write(RESULT, tmp_path / "new" / "folder")
    assert path.name == "token-recycling.json"
    assert read(path) == RESULT


def test_the_fields_are_those_of_the_design(tmp_path: Path) -> None:
    data = json.loads(write(RESULT, tmp_path).read_text())
    top = "slug number commit versions machine seconds seeds rows claims"
    assert list(data) == top.split()
    assert data["rows"] == [{"system": "token-recycling", "metric": {"calls": [3.0, 5.0]}}]
    assert list(data["claims"][0]) == ["text", "verdict", "value", "spread", "against"]


def test_peers_are_read_as_they_were_written(tmp_path: Path) -> None:
    path = tmp_path / "peers-smollm2.json"
    write_peers(PEERS, path)
    assert read_peers(path) == PEERS
    row = json.loads(path.read_text())["rows"][0]
    fields = "engine decoder model task precision batch tokens_per_s spread calls"
    assert list(row) == [*fields.split(), "tokens_per_call", "same_text", "ratio"]


def test_a_file_of_peers_is_named_so(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"peers-<name>\.json"):
        write_peers(PEERS, tmp_path / "smollm2.json")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda d: d.pop("commit"), "the file lacks the field 'commit'"),
        (lambda d: d.update(colour="red"), "has a field 'colour' that nobody reads"),
        (lambda d: d.update(number="174"), 'number is "174", not int'),
        (lambda d: d.update(number=True), "number is true, not int"),
        (lambda d: d["rows"][0].pop("metric"), r"rows\[0\] lacks the field 'metric'"),
        (lambda d: d["rows"][0]["metric"].update(calls=["x", 1.0]), r"rows\[0\].metric.calls\[0\]"),
        (lambda d: d["rows"][0]["metric"].update(calls=[1.0]), "1 values for 2 seeds"),
        (lambda d: d["claims"][0].update(verdict="proved"), r"claims\[0\].verdict is \"proved\""),
        (lambda d: d.update(rows=[3]), r"rows\[0\] is no object"),
        (lambda d: d.update(slug="other"), "holds the result of 'other'"),
    ],
)
def test_a_file_that_differs_is_refused_by_name(tmp_path: Path, change: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        read(broken(tmp_path, change))


def test_what_is_no_json_is_said_to_be_none(tmp_path: Path) -> None:
    path = tmp_path / "half.json"
    path.write_text('{"slug": ')
    with pytest.raises(ValueError, match="is no JSON"):
        read(path)


def test_whole_numbers_are_numbers(tmp_path: Path) -> None:
    found = read(broken(tmp_path, lambda d: d["rows"][0]["metric"].update(calls=[3, 5])))
    assert found.rows == RESULT.rows


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = write(RESULT, tmp_path)
    bad = replace(RESULT, seconds=math.nan)
    with pytest.raises(ValueError, match="infinite or none at all"):
        write(bad, tmp_path)
    with pytest.raises(TypeError):
        write_json({"a": object()}, path)
    assert read(path) == RESULT
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_may_be_read_by_all(tmp_path: Path) -> None:
    assert write(RESULT, tmp_path).stat().st_mode & 0o777 == 0o644


def test_the_table_shows_rows_and_verdicts() -> None:
    text = shown(RESULT)
    assert "calls  4 ± 1.41" in text
    assert text.splitlines()[-1] == "holds: It is short. (4 against 10 ± 1.4)"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"engine": "vllm"}, r"rows\[0\].engine is \"vllm\""),
        ({"precision": "int4"}, r"rows\[0\].precision is \"int4\""),
        ({"batch": 1.5}, r"rows\[0\].batch is 1.5, not int"),
        ({"same_text": "yes"}, r"rows\[0\].same_text is \"yes\", not bool \| None"),
        ({"ratio": {"greedy": None}}, r"rows\[0\].ratio.greedy is null, not float"),
    ],
)
def test_peers_are_checked_as_well(tmp_path: Path, change: dict[str, Any], says: str) -> None:
    path = tmp_path / "peers-x.json"
    data = asdict(PEERS)
    data["rows"][0].update(change)
    path.write_text(json.dumps(data))
    with pytest.raises(ValueError, match=says):
        read_peers(path)


def test_a_full_disk_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(RESULT, tmp_path)

    def full(*_: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr("anyorder.measure.results.os.replace", full)
    with pytest.raises(OSError, match="no space left"):
        write(replace(RESULT, seconds=2.0), tmp_path)
    assert read(path).seconds == 1.5
    assert list(tmp_path.iterdir()) == [path]


@given(st.floats(1e-6, 1e9))
def test_a_brief_number_is_near_and_short(value: float) -> None:
    text = brief(value)
    assert float(text) == pytest.approx(value, rel=0.006)
    assert len(text) <= 11
    assert brief(-value) == "-" + text


numbers = st.lists(st.floats(-1e9, 1e9), min_size=2, max_size=2)


@given(st.dictionaries(st.text(), numbers, max_size=3), st.text())
def test_any_numbers_and_names_come_back(metric: dict[str, list[float]], name: str) -> None:
    with TemporaryDirectory() as folder:
        result = replace(RESULT, rows=[Measured(name, metric)])
        assert read(write(result, Path(folder))) == result
