"""A task whose two sides have one vocabulary, learned from both: the same texts read and written.

task = Joint(Translate("de"))
source_units, units = task.units(task.splits().train)      # the same
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from anyorder.data.mixtures import Instead, Reversed, TrainedOn
from anyorder.data.pairs import Example, Splits
from anyorder.data.tasks import Task
from anyorder.units.text import TextUnits


@dataclass(frozen=True)
class Joint:
    """The pairs and scores of `task`, with one vocabulary of the size and kind of its targets'."""

    task: Task

    @property
    def name(self) -> str:
        """The task's, with a mark."""
        return f"{self.task.name}-joint"

    def splits(self) -> Splits:
        """As the task shares them out. Raises what it raises."""
        return self.task.splits()

    def units(self, train: Sequence[Example]) -> tuple[TextUnits, TextUnits]:
        """The units of targets, had all texts of both sides been targets."""
        texts = [text for each in train for text in (each.source, *each.targets)]
        _, units = self.task.units([Example(text, (text,), text) for text in texts])
        return units, units

    def scores(self, hypotheses: Sequence[str], examples: Sequence[Example]) -> dict[str, float]:
        """As the task scores them."""
        return self.task.scores(hypotheses, examples)


def joint(task: Task) -> Task:
    """The task with one vocabulary, be it that it had one already. What is trained on other pairs
    has the vocabulary of its own ones still.
    """
    if isinstance(task, TrainedOn | Instead | Reversed):
        return replace(task, task=joint(task.task))
    return task if isinstance(task, Joint) else Joint(task)
