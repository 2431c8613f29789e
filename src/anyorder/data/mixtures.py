"""A task whose training pairs are others, a teacher's, say; and a task that is turned round.

    task = TrainedOn(Translate("de"), ("distilled.jsonl",))               # the teacher's alone
    task = TrainedOn(Translate("de"), ("distilled.jsonl",), own=True)     # and its own
    task = Instead(Translate("de"), examples, "words")                    # pairs at hand
    task = Reversed(Translate("de"))                                      # from German
    task.remarks                                                          # which pairs are left out

Held-out and test pairs stay those of the task, and so do the units: they come of its own pairs.
A reversed task has all its pairs turned round, those that are tested, too.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
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

    @property
    def remarks(self) -> tuple[str, ...]:
        """The task's and the files': what could not be used."""
        return tuple(chain(remarks_of(self.task), *(file.remarks for file in self._pairs)))

    @cached_property
    def _pairs(self) -> tuple[OwnPairs, ...]:
        return tuple(OwnPairs(file, Fields()) for file in self.files)

    def splits(self) -> Splits:
        """Raises ValueError where a source of a file is one that is tested."""
        splits = self.task.splits()
        kept = {example.source for example in chain(splits.valid, splits.test)}
        train = list(splits.train) if self.own else []
        for file in self._pairs:
            for example in file.all():
                if example.source in kept:
                    raise ValueError(
                        f"{file.place} has {example.source[:40]!r}, which {self.task.name} tests "
                        "on: a model must not be trained on it"
                    )
                train.append(example)
        return replace(splits, train=tuple(train))

    def units(self, train: Sequence[Example]) -> tuple[TextUnits, TextUnits]:
        """The units of the task's own pairs: with them teacher and pupil can be compared."""
        return self.task.units(self.task.splits().train)

    def scores(self, hypotheses: Sequence[str], examples: Sequence[Example]) -> dict[str, float]:
        """As the task scores them."""
        return self.task.scores(hypotheses, examples)


@dataclass(frozen=True)
class Instead:
    """`examples` for training; those whose source is tested are left out. `called`: what they are,
    for the name.
    """

    task: Task
    examples: tuple[Example, ...] = field(repr=False)
    called: str

    @property
    def name(self) -> str:
        """The task's, with what is learnt."""
        return f"{self.task.name} (trained on {self.called})"

    @property
    def remarks(self) -> tuple[str, ...]:
        """The task's, and how many examples are left out."""
        learnt = len(self.splits().train)
        return (*remarks_of(self.task), *_left_out(self.examples, learnt))

    def splits(self) -> Splits:
        """Held-out and test pairs are the task's."""
        splits = self.task.splits()
        train = _untested(self.examples, splits.valid, splits.test)
        return replace(splits, train=train)

    def units(self, train: Sequence[Example]) -> tuple[TextUnits, TextUnits]:
        """The units of the task's own pairs."""
        return self.task.units(self.task.splits().train)

    def scores(self, hypotheses: Sequence[str], examples: Sequence[Example]) -> dict[str, float]:
        """As the task scores them."""
        return self.task.scores(hypotheses, examples)


@dataclass(frozen=True)
class Reversed:
    """From targets to sources: what teaches a backward model."""

    task: Task

    @property
    def name(self) -> str:
        """The task's, marked."""
        return f"{self.task.name} reversed"

    @property
    def remarks(self) -> tuple[str, ...]:
        """The task's, and how many texts are left out."""
        every = turned(self.task.splits().train)
        return (*remarks_of(self.task), *_left_out(every, len(self.splits().train)))

    def splits(self) -> Splits:
        """All pairs turned round. A text that is tested is not learnt, though its pair was."""
        splits = self.task.splits()
        valid, test = turned(splits.valid), turned(splits.test)
        return Splits(_untested(turned(splits.train), valid, test), valid, test)

    def units(self, train: Sequence[Example]) -> tuple[TextUnits, TextUnits]:
        """The task's own, sides exchanged."""
        source, target = self.task.units(self.task.splits().train)
        return target, source

    def scores(self, hypotheses: Sequence[str], examples: Sequence[Example]) -> dict[str, float]:
        """As the task scores them."""
        return self.task.scores(hypotheses, examples)


def turned(examples: Sequence[Example]) -> tuple[Example, ...]:
    """Each target as a source, in its group: one example for all sources that it stands for.

    >>> turned([Example("a", ("x", "y"), "1"), Example("b", ("x",), "1")])[0]
    Example(source='x', targets=('a', 'b'), group='1')
    """
    found: dict[tuple[str, str], dict[str, None]] = {}  # an inner dict is a set with an order
    for example in examples:
        for target in example.targets:
            found.setdefault((target, example.group), {})[example.source] = None
    return tuple(Example(text, tuple(of), group) for (text, group), of in found.items())


def remarks_of(task: Task) -> tuple[str, ...]:
    """Sentences on pairs that a task can't use or leaves out; a task need not have any."""
    return tuple(getattr(task, "remarks", ()))


def _untested(examples: Iterable[Example], *tested: Sequence[Example]) -> tuple[Example, ...]:
    """Those whose source is none that is tested."""
    kept = {example.source for example in chain(*tested)}
    return tuple(example for example in examples if example.source not in kept)


def _left_out(examples: Sequence[Example], learnt: int) -> tuple[str, ...]:
    left = len(examples) - learnt
    return (f"{left} of {len(examples)} sources are tested, and not learnt",) if left else ()


def own_pairs(task: Task) -> tuple[Example, ...]:
    """The training pairs of the task itself, whatever it is trained on."""
    if isinstance(task, TrainedOn | Instead):
        return own_pairs(task.task)
    return task.splits().train
