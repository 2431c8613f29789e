"""What a call costs, by the number of cells that it reads: measured once, then remembered.

    curve = curve_of(model)
    curve.seconds(9)

Shapes: T cells.
"""

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from anyorder.folders import cache_dir
from anyorder.models.capability import CausalLM

SIZES = (1, 2, 4, 8, 16, 32, 64)
CONTEXT = 96  # committed cells while measuring


@dataclass(frozen=True)
class CostCurve:
    """Seconds of a call at some sizes; straight lines between and beyond them."""

    points: tuple[tuple[int, float], ...]

    def seconds(self, cells: int) -> float:
        """
        >>> CostCurve(((1, 1.0), (3, 2.0))).seconds(2)
        1.5
        """
        pairs = list(zip(self.points, self.points[1:], strict=False))
        (a, ta), (b, tb) = next((p for p in pairs if cells <= p[1][0]), pairs[-1])
        return ta + (tb - ta) * (cells - a) / (b - a)


_known: dict[str, CostCurve] = {}


def curve_of(model: Any) -> CostCurve:
    """The curve of this model on this machine, from memory, from the cache folder, or measured.

    A model is known again by its `fingerprint` (models without one are measured each time they
    are first used in a process).
    """
    model = getattr(model, "model", model)  # a meter must not count what is measured here
    name = (
        f"{getattr(model, 'fingerprint', id(model))}-{torch.get_num_threads()}-{torch.__version__}"
    )
    if name not in _known:
        path = cache_dir() / f"cost-{name}.json"
        curve = _read(path) if hasattr(model, "fingerprint") else None
        if curve is None:
            curve = measured(model)
            if hasattr(model, "fingerprint"):
                _write(path, curve)
        _known[name] = curve
    return _known[name]


def measured(model: CausalLM, repeats: int = 5) -> CostCurve:
    """Minima over `repeats`; made to rise, as more cells never cost less."""
    context = min(CONTEXT, max(1, model.max_length - SIZES[-1] - 1))
    cache = model.new_cache(1, context + SIZES[-1])
    points: list[tuple[int, float]] = []
    with torch.inference_mode():
        model.extend(
            torch.zeros(1, context, dtype=torch.long),
            cache,
            score_BS=torch.zeros(1, 1, dtype=torch.long),
        )
        cache.keep(torch.arange(context)[None], torch.tensor([context]))
        for T in SIZES:
            tokens_1T = torch.arange(T)[None] % model.vocab_size
            times = []
            for _ in range(repeats):
                begun = time.perf_counter()
                model.extend(tokens_1T, cache)
                times.append(time.perf_counter() - begun)
            points.append((T, max(min(times), points[-1][1] if points else 0.0)))
    return CostCurve(tuple(points))


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
