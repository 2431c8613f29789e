"""What a step of a training takes: of all ways in turn, without the first few."""

import json
from pathlib import Path
from typing import Any

import pytest

from anyorder.data.copy_or_reverse import CopyOrReverse
from anyorder.systems.experiments import training_time
from anyorder.systems.experiments.school import LAPTOP, School, Way
from anyorder.systems.experiments.training_time import WARM, TrainingTime
from anyorder.train.recipe import Recipe
from tests.systems.test_cells_read import WIDTH

TASK = CopyOrReverse(length=3, alphabet=5, pairs=50)


def test_steps_count_in_turns_and_checks_do_not(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked = list[str]()

    def fit(task: Any, paradigm: Any, recipe: Recipe, folder: Path, **rest: Any) -> None:
        asked.append(folder.name)
        assert recipe.steps == recipe.check_every == 6
        step = 0.5 if folder.name == "ctc" else 0.25
        rows = [{"step": i + 1, "seconds": 99.0 if i < WARM else step} for i in range(6)]
        (folder / "training").mkdir(parents=True)
        lines = [*rows, {"step": 6, "held_out": 1000.0}]
        (folder / "training" / "log.jsonl").write_text("\n".join(map(json.dumps, lines)))

    monkeypatch.setattr(training_time, "fit", fit)
    ways = {"slow": Way("ctc"), "quick": Way("deep-shallow")}
    school = School(TASK, WIDTH, LAPTOP, tmp_path, None)
    found = TrainingTime(TASK, ways, steps=6).measured(school)
    assert found == {"slow": {"step_ms": 500.0}, "quick": {"step_ms": 250.0}}
    assert asked == ["ctc", "deep-shallow", "deep-shallow", "ctc"]
