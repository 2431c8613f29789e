"""Runs become rows: medians, spread, calls, and the ratio to each peer.

A ratio is the tokens per second of one row over those of another of the same prompt and precision;
llama.cpp's precision is its file's own, and stands beside int8.
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
    rows = [_row(group, groups, model) for group in groups]
    return [replace(row, ratio=ratios(row, rows)) for row in rows]


def middle(runs: Sequence[Run]) -> Run:
    """The run of median speed; of an even number, the slower of the two in the middle."""
    return sorted(runs, key=lambda run: run.tokens_per_s)[(len(runs) - 1) // 2]


def same_text(runs: Sequence[Run], plain: Sequence[Run]) -> bool | None:
    """Whether every run wrote the ids that the plain decoder wrote; None: it was not run."""
    if not plain:
        return None
    return all(run.written.tokens == plain[0].written.tokens for run in runs)


def ratios(row: Peer, rows: Sequence[Peer]) -> dict[str, float]:
    """Our row's speed over that of every peer that it can be compared with."""
    if row.engine != OURS:
        return {}
    return {
        f"{peer.engine} {peer.decoder}": round(row.tokens_per_s / peer.tokens_per_s, 3)
        for peer in rows
        if peer.engine != OURS and peer.task == row.task and _comparable(row, peer)
    }


def _comparable(row: Peer, peer: Peer) -> bool:
    if peer.engine == LLAMA:
        return row.precision == "int8"
    return row.precision == peer.precision


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
