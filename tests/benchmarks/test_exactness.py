"""The price of the same bits: rows for both networks, and promises that can be missed."""

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import exactness as bench
from tests.models import made


def test_rows_for_each_network_and_decoder(tmp_path: Path):
    pytest.importorskip("numba")
    folder = made.folder(tmp_path / "tiny", max_position_embeddings=512)
    prompts = tmp_path / "prompts.jsonl"
    prompts.write_text('{"prompt": "one two"}\n{"prompt": "ab ab ab"}\n')
    words = ["--model", str(folder), "--prompts", str(prompts), "--repeats", "2"]
    words += ["--max-new-tokens", "8", "--threads", "1", "--precisions", "float32", "int8"]
    assert bench.main([*words, "--out", str(tmp_path / "out.json")]) == 0
    rows = json.loads((tmp_path / "out.json").read_text())["rows"]
    assert len(rows) == 2 * 2 * len(bench.DECODERS)
    compiled = [row for row in rows if row["network"] == bench.BITWISE]
    assert all(row["bits"] == 1 and row["apart"] == 0 and row["same_text"] for row in compiled)
    assert all(row["price"] == 0 for row in rows if row["network"] == bench.OTHER)


def row(**changed: Any) -> dict[str, Any]:
    plain = {"precision": "int8", "network": bench.BITWISE, "decoder": "a", "bits": 1.0}
    return plain | {"price": 0.1} | changed


def test_a_bit_or_a_price_may_miss_what_was_promised():
    good = [row(), row(decoder="b", price=-0.5), row(network=bench.OTHER, bits=0.3)]
    assert [verdict.word for verdict in bench.verdicts(good)] == ["met", "met"]
    bits, price = bench.verdicts([*good, row(bits=0.999), row(decoder="c", price=0.3)])
    assert (bits.word, price.word, price.where) == ("missed", "missed", "c")


def test_a_model_that_is_not_there_is_one_sentence(capsys: pytest.CaptureFixture[str]):
    assert bench.main(["--model", "no/such/folder", "--threads", "1"]) == 1
    assert "Traceback" not in capsys.readouterr().err
