"""What sums over alignments cost: ours are the sums that others write."""

import json
import subprocess
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from benchmarks import alignments as bench


def test_a_row_for_each_loss_and_equal_sums(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One loss in a process of its own, as always; the others, to save its seconds, in this."""
    run, begun = subprocess.run, list[str]()

    def nearer(words: list[str], **options: Any) -> Any:
        if "benchmarks.alignments" not in words:  # git's, say
            return run(words, **options)
        begun.append(words[4])
        if len(begun) == 1:
            return run(words, **options)
        with redirect_stdout(StringIO()) as said:
            assert bench.main(words[3:]) == 0
        return subprocess.CompletedProcess(words, 0, said.getvalue())

    monkeypatch.setattr(bench.subprocess, "run", nearer)
    out = tmp_path / "out.json"
    words = ["--cells", "40", "--repeats", "1", "--threads", "1", "--out", str(out)]
    assert bench.main(words) == 0
    rows = {row["loss"]: row for row in json.loads(out.read_text())["rows"]}
    assert set(rows) == set(bench.LOSSES) == set(begun)
    assert rows["graph"]["nats"] == pytest.approx(rows["graph, autograd"]["nats"], rel=1e-4)
    assert rows["ctc"]["nats"] == pytest.approx(rows["ctc, PyTorch"]["nats"], rel=1e-4)
    assert all(row["seconds"] > 0 <= row["peak_mib"] for row in rows.values())
