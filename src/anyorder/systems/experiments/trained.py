"""Train models on a task, each in its own way to write, and measure what each way buys.

    Trained(Pronounce(), {"ctc-nat": Way("ctc"), "vanilla-nat": Way("vanilla")}, LAPTOP)

A model is trained once a seed, whatever systems ask for it: it is kept in the cache folder under
the hash of its recipe, and a training that was stopped goes on.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from anyorder.data.copy_or_reverse import CopyOrReverse
from anyorder.data.tasks import Task
from anyorder.folders import cache_dir
from anyorder.measure.translation import judge
from anyorder.nets.layers import Width
from anyorder.systems.bench import Bench
from anyorder.systems.system import Numbers, Part
from anyorder.train.fit import fit
from anyorder.train.paradigms import Paradigm, paradigms
from anyorder.train.recipe import Recipe
from anyorder.train.schedule import InverseRoot

NARROW = Width(channels=128, heads=4, middle=512)  # 1 to 2 M weights: minutes on two cores
LAPTOP = Recipe(
    steps=1500, cells=2048, schedule=InverseRoot(peak=2e-3, warmup=300), check_every=250
)
TINY = Recipe(steps=4, cells=200, schedule=InverseRoot(peak=2e-3, warmup=2), check_every=2)


@dataclass(frozen=True)
class Way:
    """A paradigm by its name (see `train.paradigms`), and a decoder (None: the one that suits)."""

    paradigm: str
    decoder: str | None = None


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
        way = self.ways[name]
        task = CopyOrReverse(length=3, alphabet=5, pairs=50) if bench.quick else self.task
        width = Width(channels=16, heads=2, middle=32) if bench.quick else self.width
        paradigm = replace(paradigms()[way.paradigm], width=width)
        recipe = replace(TINY if bench.quick else self.recipe, seed=seed)
        with TemporaryDirectory() as scratch:  # a quick run leaves nothing behind
            folder = Path(scratch) if bench.quick else kept(task, paradigm, recipe)
            translator = fit(task, paradigm, recipe, folder)
        examples = task.splits().test[: 5 if bench.quick else self.test]
        judged = judge(
            translator,
            [example.source for example in examples],
            decoder=way.decoder,
            timed=bench.reduced(200, 2),
            max_new_tokens=bench.reduced(200, 8),
        )
        scores = self.task.scores(judged.hypotheses, examples)
        speeds = {"calls": judged.calls, "latency_ms": judged.latency}
        return {name: {**scores, **speeds, "per_second": judged.throughput}}


def kept(task: Task, paradigm: Paradigm, recipe: Recipe) -> Path:
    """The folder of a model in the cache folder, by the hash of all that it follows from."""
    facts = repr((task, paradigm, recipe))
    digest = hashlib.sha256(facts.encode()).hexdigest()[:16]
    return cache_dir() / "trained" / f"{Path(task.name).stem}-{paradigm.kind}-{digest}"
