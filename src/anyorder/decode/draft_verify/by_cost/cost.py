"""What a call costs, by the number of cells that it reads: measured once, then remembered.

    curve = curve_of(model)
    curve.seconds(9)

Shapes: T cells.
"""

import hashlib
import json
import time
import weakref
from bisect import bisect_left
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from anyorder.folders import cache_dir
from anyorder.meter import Metered
from anyorder.models.capability import CausalLM

SIZES = (1, 2, 4, 8, 12, 16, 24, 36)
CONTEXT = 96  # committed cells while measuring
ROUNDS, SECONDS = 9, 1.0  # rounds over all sizes: at most so many, and none begins after this time


@dataclass(frozen=True)
class CostCurve:
    """Seconds of a call at some sizes; straight lines between and beyond them."""

    points: tuple[tuple[int, float], ...]

    def __post_init__(self) -> None:
        sizes, seconds = [T for T, _ in self.points], [s for _, s in self.points]
        if len(sizes) < 2 or sizes != sorted(set(sizes)) or min(seconds) <= 0:
            raise ValueError(
                "costs are two or more pairs: rising numbers of cells, seconds above 0"
            )

    def seconds(self, cells: int) -> float:
        """
        >>> CostCurve(((1, 1.0), (3, 2.0))).seconds(2)
        1.5
        """
        right = min(bisect_left(self.points, (cells, 0.0), lo=1), len(self.points) - 1)
        (a, ta), (b, tb) = self.points[right - 1 : right + 1]
        return ta + (tb - ta) * (cells - a) / (b - a)


_known: dict[str, CostCurve] = {}
_nameless: "weakref.WeakKeyDictionary[Any, CostCurve]" = weakref.WeakKeyDictionary()


def curve_of(model: Any) -> CostCurve:
    """The curve of this model on this machine, from memory, from the cache folder, or measured.

    A model is known again by its `fingerprint` (models without one are measured when they are
    first used in a process).
    """
    if isinstance(model, Metered):
        model = model.model  # a meter must not count what is measured here
    if not hasattr(model, "fingerprint"):
        if model not in _nameless:
            _nameless[model] = measured(model)
        return _nameless[model]
    path = cache_dir() / f"cost-{_name(model)}.json"
    if path.name not in _known:
        curve = _read(path)
        if curve is None:
            curve = measured(model)
            _write(path, curve)
        _known[path.name] = curve
    return _known[path.name]


def _name(model: Any) -> str:
    """All that the cost depends on: the model, the threads, the libraries."""
    libraries = [version(name) for name in ("anyorder", "numpy", "torch")]
    threads = getattr(model, "threads", torch.get_num_threads())  # those that compute
    parts = [model.fingerprint, model.vocab_size, threads, *libraries]
    digest = hashlib.sha256(repr(parts).encode()).hexdigest()[:12]
    return f"{model.fingerprint}-{digest}"


def measured(model: CausalLM) -> CostCurve:
    """Sizes in turns, minima over the rounds, made to rise as more cells never cost less."""
    sizes = [T for T in SIZES if T < model.max_length] or [1, 2]
    context = min(CONTEXT, max(1, model.max_length - sizes[-1] - 1))
    cache = model.new_cache(1, context + sizes[-1])
    least = dict.fromkeys(sizes, float("inf"))
    with torch.inference_mode():
        zeros_1T = torch.zeros(1, context, dtype=torch.long)
        model.extend(zeros_1T, cache, score_BS=torch.zeros(1, 1, dtype=torch.long))
        cache.keep(torch.arange(context)[None], torch.tensor([context]))
        calls = {T: torch.arange(T)[None] % model.vocab_size for T in sizes}
        for tokens_1T in calls.values():  # whatever a first call of a size sets up
            model.extend(tokens_1T, cache)
        started = time.perf_counter()
        for done in range(ROUNDS):
            if done and time.perf_counter() - started > SECONDS:
                break
            for T, tokens_1T in calls.items():
                begun = time.perf_counter()
                model.extend(tokens_1T, cache)
                least[T] = min(least[T], time.perf_counter() - begun)
    return CostCurve(tuple(zip(sizes, rising(list(least.values())), strict=True)))


def rising(values: list[float]) -> list[float]:
    """The nearest sequence that does not fall, in least squares (pool adjacent violators).

    >>> rising([1.0, 4.0, 2.0, 5.0])
    [1.0, 3.0, 3.0, 5.0]
    """
    pools: list[list[float]] = []
    for value in values:
        pools.append([value])
        while len(pools) > 1 and _mean(pools[-2]) > _mean(pools[-1]):
            pools[-2:] = [pools[-2] + pools[-1]]
    return [_mean(pool) for pool in pools for _ in pool]


def _mean(pool: list[float]) -> float:
    return sum(pool) / len(pool)


def _read(path: Path) -> CostCurve | None:
    try:
        return CostCurve(tuple((int(T), float(s)) for T, s in json.loads(path.read_text())))
    except (OSError, ValueError, TypeError):
        return None


def _write(path: Path, curve: CostCurve) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(curve.points))
    except OSError:  # no cache folder: it is measured again next time
        return
