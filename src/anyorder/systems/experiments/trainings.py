"""What trainings cost: seconds, and cells that decoders read.

    Trainings(Translate("de"), {"pard": Way("pard", begins_with=BASELINE)})

The models are those that `Trained` measures. Seconds are those of the device that trained the
model, so compare trainings on one device alone; cells are counted, and the same everywhere.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import count, islice

from anyorder.data.tasks import Task
from anyorder.nets.layers import Width
from anyorder.objectives.cross_entropy import CrossEntropy
from anyorder.objectives.masked_ahead import MaskedAhead
from anyorder.systems.bench import Bench
from anyorder.systems.experiments.school import (
    LAPTOP,
    NARROW,
    TINY,
    School,
    Way,
    schooled,
    stands_for,
)
from anyorder.systems.system import Numbers, Part
from anyorder.train.batches import Rows, plan
from anyorder.train.fit import rows_of
from anyorder.train.paradigms import paradigms
from anyorder.train.recipe import Recipe


@dataclass(frozen=True)
class Trainings:
    """`ways` by their rows: those whose paradigms learn left to right, with masks or without.

    `training_seconds`, and `training_cells`: cells of targets that the decoder reads in all steps,
    padding included, of what is drawn the expectation.
    """

    task: Task
    ways: Mapping[str, Way]
    recipe: Recipe = LAPTOP
    width: Width = NARROW

    def parts(self, bench: Bench) -> Sequence[Part]:
        """One a seed."""
        found = list[Part]()
        for seed in range(bench.seeds):
            school = schooled(bench, self.task, self.width, self.recipe, seed)
            told = partial(stands_for, school, list(self.ways.values()))
            name = f"{self.task.name}: trainings {seed}"
            found.append(Part(name, seed, told, partial(self.spent, school)))
        return found

    def spent(self, school: School) -> Numbers:
        """The numbers of all ways."""
        return {name: _spent(school, way) for name, way in self.ways.items()}


def _spent(school: School, way: Way) -> dict[str, float]:
    translator = school.translator(way)
    facts, train = translator.trained, way.lessons.task(school).splits().train
    units = (translator.source_units, translator.units)
    rows = rows_of(train, *units, longest=translator.longest)
    recipe = TINY if school.steps is not None else way.recipe or school.recipe
    options = {"cells": recipe.cells, "seed": school.recipe.seed}
    objective = paradigms()[way.paradigm].objective
    steps = int(facts["steps"]) * recipe.accumulate
    return {
        "training_seconds": float(facts["seconds"]),
        "training_cells": cells_read(objective, rows, steps=steps, **options),
    }


def cells_read(objective: object, rows: Rows, *, steps: int, cells: int, seed: int) -> float:
    """Cells of targets in the first `steps` batches of a training. Raises ValueError for an
    objective that reads them in another way.
    """
    if not isinstance(objective, CrossEntropy | MaskedAhead):
        raise ValueError(f"{type(objective).__name__} does not read targets left to right")
    batches = (
        batch for number in count() for batch in plan(rows, cells=cells, seed=seed, number=number)
    )
    total = 0.0
    for batch in islice(batches, steps):
        places = 1 + max(len(rows.targets[i]) for i in batch)
        own = objective.cells(places) if isinstance(objective, MaskedAhead) else places
        total += len(batch) * own
    return total
