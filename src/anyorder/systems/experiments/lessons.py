"""What models of a measurement learn from, beside the task's own pairs and a teacher's.

    Way("masked", lessons=TAUGHT)
    Way("masked", lessons=Words(TAUGHT))                          # pairs of words found in those
    Way("masked", lessons=Together((TAUGHT, TaughtBack(TEACHER))))

What a school trains for a lesson (a backward teacher) has the seed 0, like every teacher; what a
model writes for its own parts (`SelfTaught`) has the school's.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from anyorder.data.granules import granules
from anyorder.data.mixtures import Instead, TrainedOn
from anyorder.data.pairs import Example
from anyorder.data.tasks import Task
from anyorder.systems.experiments.school import LONG, SERIAL, Lessons, School, Taught, Way

BASELINE: Final = Way("deep-shallow", recipe=SERIAL)  # as long on the clock as CTC is trained
TEACHER: Final = Way("deep-shallow", recipe=LONG)
EARLY: Final = Way("deep-shallow", recipe=LONG.until(1800))  # a quarter of the teacher's training
MIDDLE: Final = Way("deep-shallow", recipe=LONG.until(3600))
TAUGHT: Final = Taught(TEACHER)
DEEP: Final = Way("deep", recipe=SERIAL)  # six layers each: a target that is worth drafting for


@dataclass(frozen=True)
class Words:
    """The pairs of words that stand in pairs of sentences (see `data.granules`)."""

    of: Lessons

    def task(self, school: School) -> Task:
        found = granules(self.of.task(school).splits().train)
        return Instead(school.task, found.words, "its words")


@dataclass(frozen=True)
class Phrases:
    """The pairs of phrases that stand in pairs of sentences (see `data.granules`). A training of a
    few steps, for a test, has the words where there are none.
    """

    of: Lessons

    def task(self, school: School) -> Task:
        found = granules(self.of.task(school).splits().train)
        instead = found.words if school.steps is not None else ()
        return Instead(school.task, found.phrases or instead, "its phrases")


@dataclass(frozen=True)
class TaughtBack:
    """Real targets, with what a teacher of the other direction makes of them as sources."""

    teacher: Way = TEACHER
    decoder: str = "beam:width=4"

    def task(self, school: School) -> Task:
        own = school.steps is not None  # a teacher of few steps may write nothing
        return TrainedOn(school.task, (str(self.file(school)),), own=own)

    def file(self, school: School) -> Path:
        """The pairs, written if they were not before."""
        return school.taught(self.teacher, self.decoder, reverse=True)


@dataclass(frozen=True)
class SelfTaught:
    """What the model of this seed writes itself, for parts that are to guess just that."""

    model: Way = BASELINE
    decoder: str = "left-to-right"

    def task(self, school: School) -> Task:
        own = school.steps is not None  # a model of few steps may write nothing
        return TrainedOn(school.task, (str(self.file(school)),), own=own)

    def file(self, school: School) -> Path:
        """The pairs, written if they were not before."""
        return school.taught(self.model, self.decoder, seed=school.recipe.seed)


@dataclass(frozen=True)
class Together:
    """The pairs of several lessons, one after the other."""

    lessons: tuple[Lessons, ...]

    def task(self, school: School) -> Task:
        every: list[Example] = []
        for each in self.lessons:
            every += each.task(school).splits().train
        return Instead(school.task, tuple(every), f"{len(self.lessons)} lessons together")
