"""`anyorder compare`: the table, the files that it leaves, and what goes wrong."""

import json
from pathlib import Path

import pytest

from anyorder.trace import Trace, fold
from tests.cli.conftest import Invoke

PROMPTS = '{"name": "cat", "prompt": "the cat sat on"}\n{"name": "hat", "prompt": "the hat"}\n'


@pytest.fixture
def prompts(tmp_path: Path) -> Path:
    path = tmp_path / "prompts.jsonl"
    path.write_text(PROMPTS, encoding="utf-8")
    return path


def test_it_prints_a_table_and_writes_the_page_and_the_traces(
    invoke: Invoke, folder: Path, prompts: Path, tmp_path: Path
) -> None:
    done = invoke("compare", "-m", folder, "-p", prompts, "-n", 6, "--json", "figures.json")
    assert done.code == 0, done.err
    for name in ("left-to-right", "prompt-copy", "token-recycling", "jacobi", "auto"):
        assert name in done.out
    assert "<html" in (tmp_path / "compare.html").read_text(encoding="utf-8")
    assert len(list((tmp_path / "traces").glob("*.jsonl"))) == 10
    trace = Trace.load(tmp_path / "traces" / "hat-jacobi.jsonl")
    assert fold(trace).final_BN.all()
    figures = json.loads((tmp_path / "figures.json").read_text(encoding="utf-8"))
    assert [row["same_text"] for row in figures["rows"]] == [2] * 5
    assert figures["versions"]["python"]
