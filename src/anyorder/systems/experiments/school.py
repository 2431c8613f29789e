"""Where the models of a measurement are trained: once a seed, whatever systems ask for them.

    school = School(Pronounce(), NARROW, LAPTOP, scratch=None, steps=None)
    school.translator(Way("ctc"))
    Way("nmla", begins_with=Way("ctc"), recipe=FINE)      # a second training, after the first
    Way("ctc", lessons=Taught(Way("deep-shallow")))       # on what a teacher made of the sources
    Way("ctc", decoder=Fluent(width=8))                   # a decoder that learns (`decoders`)

A model is kept in the cache folder under the hash of all that it follows from, and a training that
was stopped goes on.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Protocol, runtime_checkable

import torch

from anyorder.data.copy_or_reverse import CopyOrReverse
from anyorder.data.mixtures import Reversed, TrainedOn
from anyorder.data.sprites import Sprites
from anyorder.data.tasks import Task
from anyorder.decode.run import Decoder
from anyorder.folders import cache_dir
from anyorder.models.translator import Translator, is_ours, opened
from anyorder.nets.device import CPU
from anyorder.nets.layers import Width
from anyorder.systems.bench import Bench
from anyorder.train.distill import distill, never_learnt
from anyorder.train.fit import fit
from anyorder.train.paradigms import paradigms
from anyorder.train.recipe import Recipe
from anyorder.train.schedule import Cosine, InverseRoot

NARROW = Width(channels=128, heads=4, middle=512)  # 1 to 2 M weights: minutes on two cores
LAPTOP = Recipe(steps=1200, cells=2048, schedule=Cosine(peak=4e-3, warmup=100), check_every=200)
PATIENT = replace(LAPTOP, steps=3600, check_every=600)
# An autoregressive step costs half of one of CTC; at a rate of 4e-3 its attention finds the source
# much later (held-out loss after 450 steps: 0.95; with 2e-3 it is 0.63).
SERIAL = Recipe(steps=2400, cells=2048, schedule=Cosine(peak=2e-3, warmup=100), check_every=400)
LONG = replace(SERIAL, steps=7200)  # for teachers: half an hour
# For what is learnt on top of a trained model: heads, or a second way to read
TUNING = Recipe(steps=1200, cells=2048, schedule=Cosine(peak=1e-3, warmup=100), check_every=200)
FINE = Recipe(steps=300, cells=2048, schedule=Cosine(peak=3e-4, warmup=50), check_every=50)
TINY = Recipe(steps=4, cells=200, schedule=InverseRoot(peak=2e-3, warmup=2), check_every=2)


@runtime_checkable
class Learned(Protocol):
    """A decoder that is made of the trained model, its task, or other models."""

    def made(self, translator: Translator, task: Task, school: "School") -> Decoder: ...


@runtime_checkable
class Lessons(Protocol):
    """The pairs that a model learns from. Its repr says all that they follow from."""

    def task(self, school: "School") -> Task:
        """The school's task, with these pairs for training."""
        ...


@dataclass(frozen=True)
class Raw:
    """The task's own pairs."""

    def task(self, school: "School") -> Task:
        return school.task


@dataclass(frozen=True)
class Taught:
    """What another model makes of the sources (see `train.distill`); `own` adds the own pairs.

    All seeds have the teacher of seed 0.
    """

    teacher: "Way"
    own: bool = False
    decoder: str = "beam:width=4"

    def task(self, school: "School") -> Task:
        own = self.own or school.steps is not None  # a teacher of few steps may write nothing
        return TrainedOn(school.task, (str(self.file(school)),), own=own)

    def file(self, school: "School") -> Path:
        """The pairs, written if they were not before."""
        return school.taught(self.teacher, self.decoder)


@dataclass(frozen=True)
class Way:
    """A paradigm by its name (see `train.paradigms`), and a decoder (None: the one that suits).

    `begins_with`: the way whose weights are the first ones. `recipe` None: the experiment's.
    `lessons`: the pairs that it learns from.
    """

    paradigm: str
    decoder: str | Learned | None = None
    begins_with: "Way | None" = None
    recipe: Recipe | None = None
    lessons: Lessons = field(default_factory=Raw)


def read(way: Way, decoder: str | Learned) -> Way:
    """The same model, read in another way."""
    return replace(way, decoder=decoder)


@dataclass(frozen=True)
class School:
    """Models of one task, width and seed, trained in `scratch`, else in the cache folder."""

    task: Task
    width: Width
    recipe: Recipe
    scratch: Path | None
    steps: int | None  # of every training; None: as its recipe says
    device: torch.device = CPU  # where models are trained

    @property
    def longest(self) -> int:
        """Tokens that a text may have."""
        return 200 if self.steps is None else 8

    def translator(self, way: Way) -> Translator:
        """The model of a way, trained if it was not before."""
        folder = self.folder(way)
        if is_ours(folder):
            return opened(folder)
        paradigm = replace(paradigms()[way.paradigm], width=self.width)
        recipe = replace(way.recipe or self.recipe, seed=self.recipe.seed)
        if self.steps is not None:
            recipe = replace(TINY, steps=self.steps, seed=recipe.seed)
        before = way.begins_with
        if before is not None:
            self.translator(before)
        begin_from = None if before is None else self.folder(before)
        task = way.lessons.task(self)
        fit(task, paradigm, recipe, folder, begin_from=begin_from, device=self.device)
        return opened(folder)  # as others find it: compiled, where that can be

    def decoder(self, way: Way) -> Decoder | str | None:
        """How the model of a way is read; what it must learn for that is learnt once."""
        return _learned(self, way) if isinstance(way.decoder, Learned) else way.decoder

    def taught(self, teacher: Way, decoder: str, *, reverse: bool = False, seed: int = 0) -> Path:
        """The pairs that a teacher of this seed makes of the task's own, written if they were not
        before.

        `reverse`: the teacher reads targets (see `distill`).
        """
        task = Reversed(self.task) if reverse else self.task
        school = replace(self, task=task, recipe=replace(self.recipe, seed=seed))
        translator = school.translator(teacher)
        mark = hashlib.sha256(decoder.encode()).hexdigest()[:8]
        path = school.folder(teacher) / f"taught-{mark}.jsonl"
        distill(
            translator,
            task.splits().train,
            path,
            decoder=decoder,
            max_new_tokens=self.longest,
            reverse=reverse,
            never=never_learnt(self.task) if reverse else (),
        )
        return path

    def folder(self, way: Way) -> Path:
        """By the hash of all that the model follows from: not of how it is read."""
        facts = repr((self.task, self.width, self.recipe, self.steps, _lineage(way)))
        digest = hashlib.sha256(facts.encode()).hexdigest()[:16]
        name = f"{Path(self.task.name).stem}-{way.paradigm}-{digest}"
        return (self.scratch or cache_dir() / "trained") / name


def schooled(bench: Bench, task: Task, width: Width, recipe: Recipe, seed: int) -> School:
    """Where the models of a seed are trained; those of a quick bench are tiny, on a tiny task."""
    return School(
        task=_tiny(task) if bench.quick else task,
        width=Width(channels=16, heads=2, middle=32) if bench.quick else width,
        recipe=replace(recipe, seed=seed),
        scratch=bench.scratch,
        steps=TINY.steps if bench.quick else None,
        device=bench.device,
    )


def _tiny(task: Task) -> Task:
    """What a quick bench has instead; images, whose scores know no other texts, are small ones."""
    if isinstance(task, Sprites):
        return Sprites(size=4, levels=5, pairs=50)
    return CopyOrReverse(length=3, alphabet=5, pairs=50)


def stands_for(school: School, ways: Sequence[Way]) -> str:
    """What a seed stands for, with the devices on which its models were trained."""
    devices = [school.translator(way).trained.get("device", "CPU") for way in ways]
    return f"initialisation, trained on {' and '.join(dict.fromkeys(map(str, devices)))}"


@lru_cache(maxsize=16)
def _learned(school: School, way: Way) -> Decoder:
    assert isinstance(way.decoder, Learned), "other decoders need nothing"
    return way.decoder.made(school.translator(way), school.task, school)


def _lineage(way: Way | None) -> tuple[object, ...]:
    """The paradigms, recipes and lessons of all trainings, the last one first; and of all
    teachers.
    """
    if way is None:
        return ()
    facts = (repr(paradigms()[way.paradigm]), repr(way.recipe), repr(way.lessons))
    teachers = [_lineage(teacher) for teacher in _ways_in(way.lessons)]
    return (*facts, *teachers, *_lineage(way.begins_with))


def _ways_in(lessons: object) -> list[Way]:
    """The teachers of lessons, and of the lessons that these are made of."""
    if isinstance(lessons, Way):
        return [lessons]
    if isinstance(lessons, tuple):
        return [way for each in lessons for way in _ways_in(each)]
    if is_dataclass(lessons):
        return [way for each in fields(lessons) for way in _ways_in(getattr(lessons, each.name))]
    return []
