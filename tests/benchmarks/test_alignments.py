"""What sums over alignments cost: ours are the sums that others write."""

import json
from pathlib import Path

import pytest

from benchmarks import alignments as bench


def test_a_row_for_each_loss_and_equal_sums(tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    words = ["--cells", "40", "--repeats", "1", "--threads", "1", "--out", str(out)]
    assert bench.main(words) == 0
    rows = {row["loss"]: row for row in json.loads(out.read_text())["rows"]}
    assert set(rows) == set(bench.LOSSES)
    assert rows["graph"]["nats"] == pytest.approx(rows["graph, autograd"]["nats"], rel=1e-4)
    assert rows["ctc"]["nats"] == pytest.approx(rows["ctc, PyTorch"]["nats"], rel=1e-4)
    assert all(row["seconds"] > 0 <= row["peak_mib"] for row in rows.values())
