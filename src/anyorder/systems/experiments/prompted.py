"""Decoders side by side on prompts of some kinds: calls, speed, and whether the text is the same.

    Prompted(kinds=("edit",), decoders={"aggressive-decoding": AggressiveDecoding()})

At temperature 0 nothing is drawn by chance, so a seed stands for a group of prompts; the groups
are disjoint. Left to right is always in it, first. All decoders run in alternating order in one
process; a run's time is the median of its repeats.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from anyorder.decode.catalogue import label
from anyorder.decode.run import Decoder
from anyorder.measure.compare import Run, compare
from anyorder.models.load import Precision
from anyorder.systems.bench import Bench
from anyorder.systems.system import Numbers, Part

BASE = "left-to-right"


@dataclass(frozen=True, kw_only=True)
class Prompted:
    """`decoders` names the rows. `by_kind` adds rows for each kind of prompt: "name (story)"."""

    kinds: tuple[str, ...]
    decoders: Mapping[str, Decoder]
    max_new_tokens: int = 96
    repeats: int = 2
    precision: Precision = "float32"
    by_kind: bool = False

    def parts(self, bench: Bench) -> Sequence[Part]:
        return [
            Part(
                name=f"prompts {seed} ({', '.join(self.kinds)}, {self.precision})",
                seed=seed,
                stands_for=group_name(seed, bench.seeds),
                run=partial(self.measure, bench, prompts),
            )
            for seed, prompts in enumerate(bench.prompts(self.kinds))
        ]

    def measure(self, bench: Bench, prompts: Mapping[str, str]) -> Numbers:
        """All decoders on these prompts: a row for each, and for each kind if that is wanted."""
        comparison = compare(
            bench.language_model(self.precision),
            prompts,
            list(self.decoders.values()),
            max_new_tokens=bench.reduced(self.max_new_tokens, 12),
            repeats=bench.reduced(self.repeats, 1),
        )
        names = {label(decoder): name for name, decoder in self.decoders.items()}
        rows = rows_of(comparison.runs, names)
        for kind in self.kinds if self.by_kind else ():
            of_kind = [run for run in comparison.runs if kind_of(run.prompt) == kind]
            rows |= {f"{name} ({kind})": row for name, row in rows_of(of_kind, names).items()}
        return rows


def rows_of(runs: Sequence[Run], names: Mapping[str, str]) -> dict[str, dict[str, float]]:
    """What each decoder did on all prompts of these runs together; calls are those of a prompt."""
    order = list(dict.fromkeys(run.decoder for run in runs))
    rows = {label: [run for run in runs if run.decoder == label] for label in order}
    base = rate(rows[order[0]])
    return {names.get(label, BASE): numbers(of, base) for label, of in rows.items()}


def numbers(runs: Sequence[Run], base: float) -> dict[str, float]:
    """Sums over prompts as ratios, so that long texts weigh as much as they cost."""
    calls = sum(run.cost.calls for run in runs)
    tokens = sum(run.cost.tokens for run in runs)
    return {
        "calls": calls / len(runs),
        "tokens_per_call": tokens / calls,
        "cells_per_token": sum(run.cost.cells for run in runs) / tokens,
        "tokens_per_s": rate(runs),
        "speedup": rate(runs) / base,
        "same_text": sum(run.same_text for run in runs) / len(runs),
    }


def rate(runs: Sequence[Run]) -> float:
    """Tokens a second."""
    return sum(run.cost.tokens for run in runs) / sum(run.cost.seconds for run in runs)


def kind_of(prompt: str) -> str:
    """
    >>> kind_of("story-3")
    'story'
    """
    return prompt.rpartition("-")[0]


def group_name(seed: int, seeds: int) -> str:
    """What a seed stands for where it is a group of prompts."""
    return f"prompt group {seed + 1} of {seeds}"
