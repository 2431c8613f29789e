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
from anyorder.systems.experiments.pairs import nats_per_token
from anyorder.systems.system import Numbers, Part
from anyorder.trace import fold

BASE = "left-to-right"


@dataclass(frozen=True, kw_only=True)
class Prompted:
    """`decoders` names the rows. `by_kind` adds rows for each kind of prompt: "name (story)".

    `texts` looks at what is written, too, where decoders are not exact: see `judged`.
    """

    kinds: tuple[str, ...]
    decoders: Mapping[str, Decoder]
    max_new_tokens: int = 96
    repeats: int = 2
    precision: Precision = "float32"
    by_kind: bool = False
    texts: bool = False

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
        rows = rows_of(comparison.runs, names, texts=self.texts)
        for kind in self.kinds if self.by_kind else ():
            of_kind = [run for run in comparison.runs if kind_of(run.prompt) == kind]
            of_kind = rows_of(of_kind, names, texts=self.texts)
            rows |= {f"{name} ({kind})": row for name, row in of_kind.items()}
        return rows


def rows_of(
    runs: Sequence[Run], names: Mapping[str, str], *, texts: bool = False
) -> dict[str, dict[str, float]]:
    """What each decoder did on all prompts of these runs together; calls are those of a prompt."""
    order = list(dict.fromkeys(run.decoder for run in runs))
    rows = {label: [run for run in runs if run.decoder == label] for label in order}
    first = rows[order[0]]
    return {
        names.get(label, BASE): numbers(of, rate(first)) | (judged(of, first) if texts else {})
        for label, of in rows.items()
    }


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


def judged(runs: Sequence[Run], exact: Sequence[Run]) -> dict[str, float]:
    """How improbable the model finds what was written: `nats_per_token`, at temperature 1. And the
    share of all tokens that stand before the first one that differs from the exact text's.
    """
    first = {run.prompt: tokens_of(run) for run in exact}
    pairs = [(tokens_of(run), first[run.prompt]) for run in runs]
    return {
        "nats_per_token": nats_per_token([fold(run.output.trace) for run in runs]),
        "same_tokens": sum(agreeing(*pair) for pair in pairs) / sum(len(own) for own, _ in pairs),
    }


def tokens_of(run: Run) -> list[int]:
    """What was written after the prompt."""
    return [token for token in run.output.tokens if isinstance(token, int)]


def agreeing(one: Sequence[int], other: Sequence[int]) -> int:
    """How many tokens two texts begin with in common.

    >>> agreeing([4, 5, 6], [4, 5, 7, 8])
    2
    """
    same = (n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b)
    return next(same, min(len(one), len(other)))


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
