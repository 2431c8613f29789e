"""A task whose training pairs are others: a teacher's, or a mixture of its own and a teacher's.

    task = TrainedOn(Translate("de"), ("distilled.jsonl",))               # the teacher's alone
    task = TrainedOn(Translate("de"), ("distilled.jsonl",), own=True)     # and its own

Held-out and test pairs stay those of the task, and so do the units: they come of its own pairs.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain

from anyorder.data.own import Fields, OwnPairs
from anyorder.data.pairs import Example, Splits
from anyorder.data.tasks import Task
from anyorder.units.text import TextUnits


@dataclass(frozen=True)
class TrainedOn:
    """`files` of pairs (see `data.own`), each all for training; `own` adds the task's own."""

    task: Task
    files: tuple[str, ...]
    own: bool = False

    @property
    def name(self) -> str:
        """The task's, with the files."""
        parts = ["own"] * self.own + list(self.files)
        return f"{self.task.name} (trained on {' and '.join(parts)})"

    def splits(self) -> Splits:
        """Raises ValueError where a source of a file is one that is tested."""
        splits = self.task.splits()
        kept = {example.source for example in chain(splits.valid, splits.test)}
        train = list(splits.train) if self.own else []
        for file in self.files:
            for example in OwnPairs(file, Fields()).all():
                if example.source in kept:
                    raise ValueError(
                        f"{file} has {example.source[:40]!r}, which {self.task.name} tests on: "
                        "a model must not be trained on it"
                    )
                train.append(example)
        return replace(splits, train=tuple(train))

    def units(self, train: Sequence[Example]) -> tuple[TextUnits, TextUnits]:
        """The units of the task's own pairs: with them teacher and pupil can be compared."""
        return self.task.units(self.task.splits().train)

    def scores(self, hypotheses: Sequence[str], examples: Sequence[Example]) -> dict[str, float]:
        """As the task scores them."""
        return self.task.scores(hypotheses, examples)
