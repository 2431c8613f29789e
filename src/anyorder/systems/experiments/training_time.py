"""How long a step of a training takes, for ways that learn from the same pairs.

    TrainingTime(Translate("de"), {"pard": Way("pard"), "nothing dropped": Way("pard-whole")})

All take turns, each for a few steps from random weights: what a step costs does not depend on them.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from anyorder.data.tasks import Task
from anyorder.measure.turns import in_turn
from anyorder.nets.layers import Width
from anyorder.systems.bench import Bench
from anyorder.systems.experiments.school import LAPTOP, NARROW, TINY, School, Way, schooled
from anyorder.systems.system import Numbers, Part
from anyorder.train.fit import fit
from anyorder.train.paradigms import paradigms
from anyorder.train.recipe import Recipe

WARM = 4  # steps of a turn that are not counted


@dataclass(frozen=True)
class TrainingTime:
    """`ways` by their rows. `step_ms`: the median of `turns` times `steps` steps, forwards,
    backwards and the optimiser's; checks are not counted.
    """

    task: Task
    ways: Mapping[str, Way]
    steps: int = 24
    turns: int = 2
    recipe: Recipe = LAPTOP
    width: Width = NARROW

    def parts(self, bench: Bench) -> Sequence[Part]:
        """One a seed."""
        found = list[Part]()
        for seed in range(bench.seeds):
            school = schooled(bench, self.task, self.width, self.recipe, seed)
            run = partial(self.measured, school)
            name = f"{self.task.name}: speed of trainings {seed}"
            found.append(Part(name, seed, "order of the batches", run))
        return found

    def measured(self, school: School) -> Numbers:
        """The numbers of all ways."""
        took: dict[str, list[float]] = {name: [] for name in self.ways}
        for number in range(self.turns):
            for name in in_turn(list(self.ways), number):
                took[name] += self._steps(school, self.ways[name])
        return {name: {"step_ms": 1000 * median(found)} for name, found in took.items()}

    def _steps(self, school: School, way: Way) -> list[float]:
        """Seconds of each step, behind the first few."""
        paradigm = replace(paradigms()[way.paradigm], width=school.width)
        steps = self.steps if school.steps is None else WARM + 1
        recipe = (way.recipe or school.recipe) if school.steps is None else TINY
        recipe = replace(recipe, steps=steps, check_every=steps, seed=school.recipe.seed)
        with TemporaryDirectory() as made:
            folder = Path(made) / way.paradigm
            fit(way.lessons.task(school), paradigm, recipe, folder, device=school.device)
            lines = (folder / "training" / "log.jsonl").read_text(encoding="utf-8").splitlines()
        found = [row["seconds"] for row in map(json.loads, lines) if "seconds" in row]
        return found[WARM:]
