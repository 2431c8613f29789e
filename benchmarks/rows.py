"""Runs become rows: medians, spread, calls, and the ratio to each peer.

A ratio is the tokens per second of one row over those of another of the same prompt and precision,
turn by turn, and of these the median: what slows a machine for a while slows both. llama.cpp's
precision is its file's own, and stands beside int8.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import median
from typing import Any

from anyorder.measure.results import Peer
from benchmarks.schedule import LLAMA, OURS, PLAIN, Contestant, Run

Group = tuple[str, Contestant]


def rows_of(runs: Sequence[Run], *, model: str) -> list[Peer]:
    """One row a prompt and contestant, in the order in which they were first run."""
    groups: dict[Group, list[Run]] = {}
    for run in runs:
        groups.setdefault((run.job.task, run.job.contestant), []).append(run)
    return [replace(_row(group, groups, model), ratio=ratios(group, groups)) for group in groups]


def middle(runs: Sequence[Run]) -> Run:
    """The run of median speed; of an even number, the slower of the two in the middle."""
    return sorted(runs, key=lambda run: run.tokens_per_s)[(len(runs) - 1) // 2]


def same_text(runs: Sequence[Run], plain: Sequence[Run]) -> bool | None:
    """Whether every run wrote the ids that the plain decoder wrote; None: it was not run."""
    if not plain:
        return None
    return all(run.written.tokens == plain[0].written.tokens for run in runs)


def ratios(of: Group, groups: Mapping[Group, Sequence[Run]]) -> dict[str, float]:
    """Our speed over that of every peer that it can be compared with, and of our plain decoder;
    that of auto over all of ours.
    """
    task, who = of
    if who.engine != OURS:
        return {}
    others = [
        (name, runs)
        for (other_task, other), runs in groups.items()
        if other_task == task and _comparable(who, other)
        for name in [f"{other.engine} {other.decoder}"]
    ]
    paired = {name: by_turn(groups[of], runs) for name, runs in others}
    return {name: round(ratio, 3) for name, ratio in paired.items() if ratio is not None}


def by_turn(ours: Sequence[Run], theirs: Sequence[Run]) -> float | None:
    """The median, over the turns that both took, of our speed over theirs."""
    speeds = {run.job.turn: run.tokens_per_s for run in theirs}
    both = [run for run in ours if run.job.turn in speeds]
    return median(run.tokens_per_s / speeds[run.job.turn] for run in both) if both else None


def _comparable(who: Contestant, other: Contestant) -> bool:
    if other.engine == OURS:
        fixed = other.plain or who.decoder.partition(":")[0] == "auto"
        return fixed and other != who and other.precision == who.precision
    if other.engine == LLAMA:
        return who.precision in ("int8", "own")
    return who.precision == other.precision


def _row(of: Group, groups: Mapping[Group, Sequence[Run]], model: str) -> Peer:
    task, who = of
    runs, written = groups[of], middle(groups[of]).written
    plain = groups.get((task, Contestant(who.engine, PLAIN[who.engine], who.precision)), [])
    speeds = [run.tokens_per_s for run in runs]
    engine: Any = who.engine
    precision: Any = who.precision
    return Peer(
        engine=engine,
        decoder=who.decoder,
        model=model,
        task=task,
        precision=precision,
        batch=1,
        tokens_per_s=round(median(speeds), 3),
        spread=round(max(speeds) - min(speeds), 3),
        calls=float(written.calls),
        tokens_per_call=round(len(written.tokens) / written.calls, 3),
        same_text=same_text(runs, plain),
        ratio={},
    )
