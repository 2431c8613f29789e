"""The picture of a training."""

import json
from pathlib import Path

import pytest

from anyorder.train.plot import SMOOTH, curves, plot


def written(folder: Path, *lines: dict[str, float]) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder / "log.jsonl"


def test_a_step_that_was_made_twice_counts_once(tmp_path: Path) -> None:
    log = written(
        tmp_path / "training",
        {"step": 1, "loss": 4.0},
        {"step": 2, "loss": 9.0},
        {"step": 2, "held_out": 8.0},
        {"step": 2, "loss": 2.0},
        {"step": 2, "held_out": 3.0},
    )
    assert curves(log) == ([1, 2], [4.0, 3.0], [2], [3.0])


def test_the_training_loss_is_a_running_mean(tmp_path: Path) -> None:
    lines = [{"step": step, "loss": float(step)} for step in range(1, SMOOTH + 11)]
    _, smooth, _, _ = curves(written(tmp_path / "training", *lines))
    assert smooth[-1] == pytest.approx(11 + (SMOOTH - 1) / 2)


def test_it_is_drawn(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    written(tmp_path / "training", {"step": 1, "loss": 4.0}, {"step": 1, "held_out": 4.0})
    path = plot(tmp_path / "training")
    assert path is not None
    assert path.read_bytes().startswith(b"\x89PNG")
