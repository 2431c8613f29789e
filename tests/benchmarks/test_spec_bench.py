"""The runner of Spec-Bench's tasks: its figures are those of its own files."""

import json
from collections import Counter
from pathlib import Path

import pytest

from benchmarks import spec_bench as bench
from tests.models import made

LINES = [
    {"question_id": 1, "category": "writing", "turns": ["one two", "again"]},
    {"question_id": 2, "category": "qa", "turns": ["ab ab ab"]},
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made.folder(tmp_path_factory.mktemp("made") / "tiny", max_position_embeddings=512)


def asked(path: Path, *lines: object) -> Path:
    file = path / "question.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return file


def test_our_own_questions_are_of_six_kinds():
    counts = Counter(each.kind for each in bench.questions(bench.QUESTIONS))
    assert set(counts) == {bench.TALK, *bench.KINDS}
    assert min(counts.values()) >= 10
    assert sum(counts.values()) >= 60


def test_rows_and_answers(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    file = asked(tmp_path, *LINES)
    words = ["--model", str(folder), "--questions", str(file), "--max-new-tokens", "12"]
    words += ["--precision", "float32", "--threads", "1", "--out", str(tmp_path / "out.json")]
    assert bench.main([*words, "--answers", str(tmp_path / "answers")]) == 0, capsys.readouterr()
    rows = json.loads((tmp_path / "out.json").read_text())["rows"]
    assert [row["task"] for row in rows[:3]] == ["mt_bench", "qa", "overall"]
    assert all(row["same_text"] == 1 for row in rows)
    assert all(row["speedup"] == row["accepted"] == 1 for row in rows[:3])
    assert max(row["accepted"] for row in rows) > 1
    lines = (tmp_path / "answers" / "tiny-auto.jsonl").read_text().splitlines()
    choice = json.loads(lines[0])["choices"][0]
    assert len(choice["turns"]) == len(choice["wall_time"]) == len(choice["new_tokens"]) == 2
    assert sum(choice["accept_lengths"]) == sum(choice["new_tokens"])


def test_a_line_that_is_no_question_is_named(tmp_path: Path):
    with pytest.raises(ValueError, match="line 2, is no question"):
        bench.questions(asked(tmp_path, LINES[0], {"prompt": "x"}))


def test_no_question_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert bench.main(["--questions", str(asked(tmp_path))]) == 1
    assert "holds no question" in capsys.readouterr().err
