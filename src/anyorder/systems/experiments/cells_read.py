"""What trainings read: cells of targets that go through a decoder.

    CellsRead(Translate("de"), {"pard": Way("pard", begins_with=BASELINE, recipe=RECIPE)})

They are counted from the recipe and the pairs; no model of these ways is needed.
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
from anyorder.systems.experiments.school import LAPTOP, NARROW, TINY, School, Way, schooled
from anyorder.systems.system import Numbers, Part
from anyorder.train.batches import Rows, plan
from anyorder.train.fit import rows_of
from anyorder.train.paradigms import paradigms
from anyorder.train.recipe import Recipe


@dataclass(frozen=True)
class CellsRead:
    """`ways` by their rows: those whose paradigms learn left to right, with masks or without.

    `training_cells`: cells of targets that the decoder reads in all steps, padding included, of
    what is drawn the expectation.
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
            name = f"{self.task.name}: cells of trainings {seed}"
            run = partial(self.counted, school)
            found.append(Part(name, seed, "order of the batches", run))
        return found

    def counted(self, school: School) -> Numbers:
        """The numbers of all ways."""
        return {name: {"training_cells": _counted(school, way)} for name, way in self.ways.items()}


def _counted(school: School, way: Way) -> float:
    train = way.lessons.task(school).splits().train
    source_units, units = school.task.units(school.task.splits().train)
    rows = rows_of(train, source_units, units, longest=school.longest)
    recipe = TINY if school.steps is not None else way.recipe or school.recipe
    return cells_read(
        paradigms()[way.paradigm].objective,
        rows,
        steps=recipe.steps * recipe.accumulate,
        cells=recipe.cells,
        seed=school.recipe.seed,
    )


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
