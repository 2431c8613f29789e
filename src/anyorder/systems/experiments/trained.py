"""Train models on a task, each in its own way to write, and measure what each way buys.

    Trained(Pronounce(), {"ctc-nat": Way("ctc"), "vanilla-nat": Way("vanilla")})

See `systems.experiments.school` for ways that learn from others. Speeds are measured together, at
the end of a seed: all ways take turns, so that they meet the same machine.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol, runtime_checkable

from anyorder.data.pairs import Example
from anyorder.data.tasks import Task
from anyorder.measure.translation import Reading, speeds, translate
from anyorder.nets.layers import Width
from anyorder.systems.bench import Bench
from anyorder.systems.experiments.guesses import Guesses
from anyorder.systems.experiments.school import LAPTOP, NARROW, School, Way, schooled, stands_for
from anyorder.systems.system import Numbers, Part
from anyorder.train.likelihood import nats_per_token
from anyorder.train.recipe import Recipe


@runtime_checkable
class Scores(Protocol):
    """More numbers that say how good texts are (see `systems.experiments.words`)."""

    def __call__(
        self, texts: Sequence[str], examples: Sequence[Example], train: Sequence[Example]
    ) -> dict[str, float]: ...


@dataclass(frozen=True)
class Trained:
    """Ways by the rows that they belong to. A seed stands for weights, order and dropout.

    Metrics: those of the task, and `also`, over `test` pairs held out (None: all), with `guesses`
    also how far those reach (see `systems.experiments.guesses`), with `likelihood` how likely the
    model finds the references: `nats_per_token` and `perplexity`; `calls`, `cells` that these read,
    and, of `timed` pairs, `latency_ms` of one source alone (of the first hundred) and `per_second`
    at the best batch.
    Speeds are those of the machine at that moment: compare them within one result.
    """

    task: Task
    ways: Mapping[str, Way]
    recipe: Recipe = LAPTOP
    width: Width = NARROW
    test: int | None = 2000
    timed: int = 512
    also: tuple[Scores, ...] = ()
    guesses: bool = False
    likelihood: bool = False

    def parts(self, bench: Bench) -> Sequence[Part]:
        found: list[Part] = []
        for seed in range(bench.seeds):
            for name in self.ways:
                run = partial(self.quality, bench, name, seed)
                told = partial(self.trained_on, bench, [name], seed)
                found.append(Part(f"{self.task.name}: {name} {seed}", seed, told, run))
            run, told = (
                partial(self.speed, bench, seed),
                partial(self.trained_on, bench, list(self.ways), seed),
            )
            found.append(Part(f"{self.task.name}: speed {seed}", seed, told, run))
        return found

    def trained_on(self, bench: Bench, names: Sequence[str], seed: int) -> str:
        """What a seed stands for."""
        return stands_for(self.school(bench, seed), [self.ways[name] for name in names])

    def quality(self, bench: Bench, name: str, seed: int) -> Numbers:
        """Train, if that was not done before, and score what is written of the test pairs."""
        school, way = self.school(bench, seed), self.ways[name]
        translator, decoder = school.translator(way), school.decoder(way)
        splits = school.task.splits()
        examples = splits.test[: 5 if bench.quick else self.test]
        sources = [example.source for example in examples]
        guesses = Guesses()
        texts = translate(
            translator,
            sources,
            decoder=decoder,
            max_new_tokens=school.longest,
            watch=guesses.add if self.guesses else lambda trace: None,
        )
        scores = dict(self.task.scores(texts, examples))
        if self.guesses:  # where nothing was drafted, a call writes one token
            scores |= {"acceptance_length": 1.0, **guesses.scores}
        if self.likelihood:
            nats = nats_per_token(translator, examples)
            scores |= {"nats_per_token": nats, "perplexity": math.exp(nats)}
        for more in self.also:
            scores |= more(texts, examples, splits.train)
        return {name: scores}

    def speed(self, bench: Bench, seed: int) -> Numbers:
        """How fast the models of all ways are, in turns."""
        school = self.school(bench, seed)
        readers = {
            name: Reading(school.translator(way), school.decoder(way))
            for name, way in self.ways.items()
        }
        examples = school.task.splits().test[: bench.reduced(self.timed, 5)]
        found = speeds(
            readers,
            [example.source for example in examples],
            timed=bench.reduced(100, 2),
            passes=bench.reduced(3, 1),
            max_new_tokens=school.longest,
        )
        return {
            name: {
                "calls": x.calls,
                "cells": x.cells,
                "latency_ms": x.latency,
                "per_second": x.throughput,
            }
            for name, x in found.items()
        }

    def school(self, bench: Bench, seed: int) -> School:
        """Where the models of a seed are trained."""
        return schooled(bench, self.task, self.width, self.recipe, seed)
