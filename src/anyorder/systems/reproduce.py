"""Measure a system: run its experiments, judge its claims, write `results/<slug>.json`.

    result = reproduce("token-recycling")
    result = reproduce("token-recycling", quick=True)     # seconds, random tables, writes nothing

What was measured is kept in `<slug>.partial.json` part by part, so a run that was stopped goes on
where it was; another recipe, model, number of seeds, version of torch or of the code starts anew.
"""

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from anyorder.measure.machine import code, commit, machine, versions
from anyorder.measure.results import Finding, Measured, Result, write, write_json
from anyorder.nets.device import CPU
from anyorder.systems.bench import QUICK_SEEDS, Bench
from anyorder.systems.catalogue import system as system_of
from anyorder.systems.experiments.guesses import kept_none
from anyorder.systems.system import Experiment, Numbers, Part, System

OnProgress = Callable[[str, int, int], None]  # part, parts done, parts in all


@dataclass(frozen=True)
class Done:
    """A part that was measured."""

    seed: int
    stands_for: str
    seconds: float
    commit: str
    numbers: Numbers


def reproduce(
    slug: str,
    *,
    quick: bool = False,
    seeds: int = 3,
    model: str = "smollm2",
    device: torch.device = CPU,
    out: Path = Path("results"),
    on_progress: OnProgress | None = None,
    on_remark: Callable[[str], None] | None = None,
) -> Result:
    """Measure a system over `seeds` seeds and write the result into the folder `out`.

    `quick` runs the whole path in seconds, with random tables, and writes nothing. `model` is what
    `load` takes; on `device` models are trained, where a system has some.
    `on_progress(part, done, parts)` is told before each part, and at the end;
    `on_remark(sentence)` if what an earlier run has left can't be used.
    Raises ValueError if the system is unknown or still open, or as `load` does.
    """
    chosen = system_of(slug)
    bench = Bench(
        model=model, seeds=min(seeds, QUICK_SEEDS) if quick else seeds, quick=quick, device=device
    )
    kept = Kept(
        None if quick else out / f"{slug}.partial.json", fingerprint(chosen.experiments, bench)
    )
    if on_remark and kept.stale:
        on_remark(f"{kept.path} is of other code or another recipe: all is measured anew")
    done = run(chosen.experiments, bench, kept, on_progress)
    result = finished(chosen, bench, done)
    if not quick:
        write(result, out)
        kept.forget()
    return result


def run(
    experiments: Sequence[Experiment],
    bench: Bench,
    kept: "Kept",
    on_progress: OnProgress | None = None,
) -> list[Done]:
    """All parts of experiments, in order; what is kept is not measured again."""
    parts = [part for experiment in experiments for part in experiment.parts(bench)]
    assert len({part.name for part in parts}) == len(parts), "parts have names of their own"
    for number, part in enumerate(parts):
        if on_progress:
            on_progress(part.name, number, len(parts))
        if part.name not in kept.done:
            kept.add(part.name, measured(part))
    if on_progress:
        on_progress("", len(parts), len(parts))
    return [kept.done[part.name] for part in parts]


def measured(part: Part) -> Done:
    """Run a part; what it measured, as plain numbers."""
    begun = time.perf_counter()
    rows = part.run()
    numbers = {row: {name: float(x) for name, x in of.items()} for row, of in rows.items()}
    seconds = time.perf_counter() - begun
    stands_for = part.stands_for if isinstance(part.stands_for, str) else part.stands_for()
    return Done(part.seed, stands_for, seconds, commit(), numbers)


def finished(system: System, bench: Bench, done: Sequence[Done]) -> Result:
    """All parts as one result, and what they say of the claims."""
    rows = gathered(done, bench.seeds)
    model = bench.language_model().name if bench.quick else Path(bench.model).name
    return Result(
        slug=system.slug,
        number=system.number,
        commit=", ".join(dict.fromkeys(part.commit for part in done)),
        versions={**versions(), "model": model},
        machine=machine(),
        seconds=round(sum(part.seconds for part in done), 1),
        seeds=[named(done, seed) for seed in range(bench.seeds)],
        rows=rows,
        claims=judged(system, rows),
    )


def judged(system: System, rows: Sequence[Measured]) -> list[Finding]:
    """What the rows say of the system's claims."""
    return [claim.finding(rows, system.slug) for claim in system.claims]


def gathered(done: Sequence[Done], seeds: int) -> list[Measured]:
    """One value a seed for every metric of every row, in the order in which they came.

    A seed that drafted nothing, or nothing so deep, kept no guess there: see `kept_none`.
    """
    rows: dict[str, dict[str, list[tuple[int, float]]]] = {}
    for seed in range(seeds):
        for part in done:
            if part.seed == seed:
                for row, numbers in part.numbers.items():
                    for name, value in numbers.items():
                        rows.setdefault(row, {}).setdefault(name, []).append((seed, value))
    return [
        Measured(row, {name: _of_seeds(name, found, seeds) for name, found in metric.items()})
        for row, metric in rows.items()
    ]


def _of_seeds(name: str, found: Sequence[tuple[int, float]], seeds: int) -> list[float]:
    """The values of one metric."""
    none = kept_none(name)
    if none is None:
        return [value for _, value in found]
    told = {seed for seed, _ in found}
    filled = [*found, *((seed, none) for seed in range(seeds) if seed not in told)]
    return [value for _, value in sorted(filled, key=lambda one: one[0])]


def named(done: Sequence[Done], seed: int) -> str:
    """What a seed stood for, over all experiments."""
    return "; ".join(dict.fromkeys(part.stands_for for part in done if part.seed == seed))


def fingerprint(experiments: Sequence[Experiment], bench: Bench) -> str:
    """Of all that decides what is measured: recipe, model, seeds, versions, machine, code."""
    facts = [repr(experiments), bench.model, bench.seeds, versions(), machine(), code()]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]


class Kept:
    """The parts that were measured, in a file (None: in memory alone); `stale`: of another run."""

    def __init__(self, path: Path | None, recipe: str) -> None:
        self.path, self.recipe = path, recipe
        self.done: dict[str, Done] = {}
        self.stale = False
        if path is not None and path.is_file():
            self.done = self._read(path)
            self.stale = not self.done

    def add(self, name: str, done: Done) -> None:
        """Keep a part; after this it is not lost."""
        self.done[name] = done
        if self.path is not None:
            parts = {name: asdict(each) for name, each in self.done.items()}
            write_json({"recipe": self.recipe, "parts": parts}, self.path)

    def forget(self) -> None:
        """All is in the result now."""
        if self.path is not None:
            self.path.unlink(missing_ok=True)

    def _read(self, path: Path) -> dict[str, Done]:
        try:
            data: Any = json.loads(path.read_text(encoding="utf-8"))
            if data["recipe"] != self.recipe:
                return {}
            return {name: Done(**each) for name, each in data["parts"].items()}
        except (ValueError, KeyError, TypeError, AttributeError):
            return {}  # no file of ours, or cut short: measured again
