"""Decoders at several batch sizes: each row is there, and texts do not depend on the batch."""

import json
from pathlib import Path

import pytest

from benchmarks import batches as bench
from tests.models import made


def test_rows_for_each_writer_and_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder = made.folder(tmp_path / "tiny", max_position_embeddings=512)
    monkeypatch.setattr(bench, "chosen", lambda many: ["one two", "ab ab ab", "c"][:many])
    words = ["--model", str(folder), "--precisions", "float32", "--sizes", "1", "2"]
    words += ["--repeats", "2", "--max-new-tokens", "8", "--threads", "1"]
    assert bench.main([*words, "--out", str(tmp_path / "out.json")]) == 0
    rows = json.loads((tmp_path / "out.json").read_text())["rows"]
    assert len(rows) == 2 * (len(bench.DECODERS) + 1)
    assert all(row["same_text"] for row in rows)
    assert all(row["same_as_alone"] for row in rows if row["writer"] != bench.PEER)
    assert {row["batch"] for row in rows} == {1, 2}
    plain = [row for row in rows if row["writer"] == bench.PLAIN]
    assert all(row["over_plain"] == 1 for row in plain)


def test_promises_are_of_eight_texts_together_beside_transformers():
    rates = {(bench.PEER, 1): 10.0, (bench.PEER, 8): 50.0, ("auto", 1): 90.0, ("auto", 8): 95.0}
    rows = [
        {"precision": precision, "writer": writer, "batch": size, "tokens_per_s": rate}
        for precision in ("int8", "float32")
        for (writer, size), rate in rates.items()
        if precision == "float32" or writer != bench.PEER
    ]
    (verdict,) = bench.verdicts(rows)
    assert (verdict.word, verdict.value) == ("missed", 1.9)
    assert "float32" in verdict.text


def test_prompts_are_mixed():
    mixed = bench.chosen(12)
    assert len(set(mixed)) == 12


def test_an_unknown_model_is_one_sentence(capsys: pytest.CaptureFixture[str]):
    assert bench.main(["--model", "no/such/folder", "--threads", "1"]) == 1
    assert "Traceback" not in capsys.readouterr().err
