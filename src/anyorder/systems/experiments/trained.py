"""Train models on a task, each in its own way to write, and measure what each way buys.

    Trained(Pronounce(), {"ctc-nat": Way("ctc"), "vanilla-nat": Way("vanilla")})
    Way("nmla", begins_with=Way("ctc"), recipe=FINE)          # a second training, after the first
    Way("ctc", decoder=Fluent(width=8))                       # a decoder that learns, too

A model is trained once a seed, whatever systems ask for it: it is kept in the cache folder under
the hash of its recipe, and a training that was stopped goes on.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol, runtime_checkable

from anyorder.data.copy_or_reverse import CopyOrReverse
from anyorder.data.tasks import Task
from anyorder.decode.one_shot.ctc_fluency import CTCFluency
from anyorder.decode.one_shot.fertility import NoisyParallel
from anyorder.decode.run import Decoder
from anyorder.folders import cache_dir
from anyorder.measure.translation import judge
from anyorder.models.translator import Translator
from anyorder.nets.layers import Width
from anyorder.systems.bench import Bench
from anyorder.systems.system import Numbers, Part
from anyorder.train.fit import fit
from anyorder.train.fluency import learn_fluency
from anyorder.train.paradigms import Paradigm, paradigms
from anyorder.train.recipe import Recipe
from anyorder.train.schedule import InverseRoot

NARROW = Width(channels=128, heads=4, middle=512)  # 1 to 2 M weights: minutes on two cores
LAPTOP = Recipe(
    steps=1500, cells=2048, schedule=InverseRoot(peak=2e-3, warmup=300), check_every=250
)
FINE = Recipe(steps=300, cells=2048, schedule=InverseRoot(peak=3e-4, warmup=50), check_every=50)
TINY = Recipe(steps=4, cells=200, schedule=InverseRoot(peak=2e-3, warmup=2), check_every=2)


@runtime_checkable
class Learned(Protocol):
    """A decoder that is made of the trained model, its task, or other models."""

    def made(self, translator: Translator, task: Task, school: "School") -> Decoder: ...


@dataclass(frozen=True)
class Way:
    """A paradigm by its name (see `train.paradigms`), and a decoder (None: the one that suits).

    `begins_with`: the way whose weights are the first ones. `recipe` None: the experiment's.
    """

    paradigm: str
    decoder: str | Learned | None = None
    begins_with: "Way | None" = None
    recipe: Recipe | None = None


@dataclass(frozen=True)
class Fluent:
    """CTC beams with a language model and weights that are tuned on `pairs` held-out pairs."""

    width: int = 8
    pairs: int = 500

    def made(self, translator: Translator, task: Task, school: "School") -> Decoder:
        splits = task.splits()
        held_out = splits.valid[: self.pairs]
        fluency = learn_fluency(translator, splits.train, held_out, width=self.width)
        return CTCFluency(fluency, width=self.width)


@dataclass(frozen=True)
class Rescored:
    """Noisy parallel decoding, with the model of another way as teacher (None: its own score)."""

    samples: int = 10
    teacher: Way | None = None
    length_penalty: float = 0.6

    def made(self, translator: Translator, task: Task, school: "School") -> Decoder:
        teacher = school.translator(self.teacher) if self.teacher else None
        return NoisyParallel(self.samples, teacher, self.length_penalty)


@dataclass(frozen=True)
class School:
    """Where models of one seed are trained, and kept: in `scratch`, else in the cache folder."""

    task: Task
    width: Width
    recipe: Recipe
    scratch: Path | None
    steps: int | None  # of every training; None: as its recipe says

    def translator(self, way: Way) -> Translator:
        """The model of a way, trained if it was not before."""
        paradigm = replace(paradigms()[way.paradigm], width=self.width)
        recipe = replace(way.recipe or self.recipe, seed=self.recipe.seed)
        if self.steps is not None:
            recipe = replace(TINY, steps=self.steps, seed=recipe.seed)
        before = way.begins_with
        if before is not None:
            self.translator(before)
        return fit(
            self.task,
            paradigm,
            recipe,
            self.folder(way),
            begin_from=self.folder(before) if before is not None else None,
        )

    def folder(self, way: Way) -> Path:
        """By the hash of all that the model follows from: not of how it is read."""
        facts = repr((self.task, self.width, self.recipe, self.steps, _lineage(way)))
        digest = hashlib.sha256(facts.encode()).hexdigest()[:16]
        name = f"{Path(self.task.name).stem}-{way.paradigm}-{digest}"
        return (self.scratch or cache_dir() / "trained") / name


def _lineage(way: Way | None) -> tuple[object, ...]:
    """The paradigms and recipes of all trainings, the last one first."""
    if way is None:
        return ()
    paradigm: Paradigm = paradigms()[way.paradigm]
    return (repr(paradigm), repr(way.recipe), *_lineage(way.begins_with))


@dataclass(frozen=True)
class Trained:
    """Ways by the rows that they belong to. A seed stands for weights, order and dropout.

    Metrics: those of the task, over `test` pairs that were held out (None: all); `calls` and
    `latency_ms` of one source alone, `per_second` at the best batch. Speeds are those of the
    machine at that moment: compare them within one result.
    """

    task: Task
    ways: Mapping[str, Way]
    recipe: Recipe = LAPTOP
    width: Width = NARROW
    test: int | None = 2000

    def parts(self, bench: Bench) -> Sequence[Part]:
        return [
            Part(f"{name} {seed}", seed, "initialisation", partial(self.run, bench, name, seed))
            for seed in range(bench.seeds)
            for name in self.ways
        ]

    def run(self, bench: Bench, name: str, seed: int) -> Numbers:
        """Train, if that was not done before, and judge."""
        with TemporaryDirectory() as scratch:  # a quick run leaves nothing behind
            school = School(
                task=CopyOrReverse(length=3, alphabet=5, pairs=50) if bench.quick else self.task,
                width=Width(channels=16, heads=2, middle=32) if bench.quick else self.width,
                recipe=replace(self.recipe, seed=seed),
                scratch=Path(scratch) if bench.quick else None,
                steps=TINY.steps if bench.quick else None,
            )
            return {name: self._judged(bench, self.ways[name], school)}

    def _judged(self, bench: Bench, way: Way, school: School) -> dict[str, float]:
        translator, decoder = school.translator(way), way.decoder
        if isinstance(decoder, Learned):
            decoder = decoder.made(translator, school.task, school)
        examples = school.task.splits().test[: 5 if bench.quick else self.test]
        judged = judge(
            translator,
            [example.source for example in examples],
            decoder=decoder,
            timed=bench.reduced(200, 2),
            max_new_tokens=bench.reduced(200, 8),
        )
        scores = self.task.scores(judged.hypotheses, examples)
        speeds = {"calls": judged.calls, "latency_ms": judged.latency}
        return {**scores, **speeds, "per_second": judged.throughput}
