"""Perplexity: its arithmetic, and its file."""

import json
import math
from pathlib import Path

import pytest

from benchmarks import perplexity
from benchmarks.perplexity import Scores, rows_of, texts, windows
from tests.benchmarks.made import FakeWorker, crew_of, hiring

BASE = ("anyorder", "float32")


def test_perplexity_is_the_inverse_of_the_mean_probability() -> None:
    assert Scores([math.log(1 / 8)] * 5, [1] * 5).perplexity == pytest.approx(8)
    assert Scores([math.log(1 / 2), math.log(1 / 8)], [1, 1]).perplexity == pytest.approx(4)


def test_every_row_is_held_against_our_float32() -> None:
    scores = {
        BASE: {"ruth": Scores([-1.0, -2.0], [7, 8])},
        ("anyorder", "int8"): {"ruth": Scores([-1.5, -1.7], [7, 9])},
    }
    base, int8 = rows_of(scores, model="tiny")
    assert (base.ratio, base.agreement, base.logprob_shift, base.tokens) == (1.0, 1.0, 0.0, 2)
    assert int8.ratio == pytest.approx(math.exp(0.1), abs=1e-5)
    assert (int8.agreement, int8.logprob_shift) == (0.5, 0.4)


def test_windows_hold_all_tokens_once() -> None:
    pieces = windows(list(range(10)), 4)
    assert [len(piece) for piece in pieces] == [4, 4, 2]
    assert [token for piece in pieces for token in piece] == list(range(10))


def test_texts_are_there_and_long_enough() -> None:
    found = texts()
    assert sorted(found) == ["python-help", "ruth"]
    assert all(len(text) > 10_000 for text in found.values())
    assert "\n\n" in found["ruth"]
    assert all("\n" not in part for part in found["ruth"].strip().split("\n\n"))


def test_the_file_and_the_table(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    crew = crew_of(ours=FakeWorker(), llama=FakeWorker())
    monkeypatch.setattr(perplexity, "hired", hiring(crew))
    out = tmp_path / "perplexity-tiny.json"
    assert perplexity.main(["--model", "tiny.gguf", "--out", str(out)]) == 0
    found = json.loads(out.read_text(encoding="utf-8"))
    assert sorted(found) == ["commit", "machine", "rows", "versions"]
    assert len(found["rows"]) == 2 * 4
    assert {row["perplexity"] for row in found["rows"]} == {round(math.e, 4)}
    assert "+0.00 %" in capsys.readouterr().out
