"""Rows as a table for people: a line a decoder, a column a prompt, tokens per second."""

from collections.abc import Sequence
from statistics import fmean, median
from typing import TYPE_CHECKING

from anyorder.measure.results import Peer
from benchmarks.schedule import HUGGING, Run

if TYPE_CHECKING:
    from rich.table import Table


def table(rows: Sequence[Peer]) -> "Table":
    """Tokens per second on each prompt, and behind them how many times transformers' greedy."""
    from rich.table import Table

    tasks = list(dict.fromkeys(row.task for row in rows))
    shown = Table("precision", "engine", "decoder", title="tokens per second")
    for name in [*tasks, "a call", "same text"]:
        shown.add_column(name, justify="right")
    order = list(dict.fromkeys(row.precision for row in rows))
    for precision, engine, decoder in sorted(
        dict.fromkeys((row.precision, row.engine, row.decoder) for row in rows),
        key=lambda who: order.index(who[0]),
    ):
        who = (precision, engine, decoder)
        own = {row.task: row for row in rows if (row.precision, row.engine, row.decoder) == who}
        cells = [_cell(own[task], rows) if task in own else "" for task in tasks]
        shown.add_row(*who, *cells, _per_call(list(own.values())), _same(list(own.values())))
    return shown


def first_calls(runs: Sequence[Run]) -> list[str]:
    """How long each plain decoder takes to read the prompt: it is part of all seconds."""
    seconds: dict[str, list[float]] = {}
    for run in runs:
        if run.job.contestant.plain:
            name = run.job.contestant.name
            seconds.setdefault(name, []).append(run.written.first_seconds)
    return [f"{name:42}{1000 * median(found):6.0f} ms" for name, found in seconds.items()]


def _cell(row: Peer, rows: Sequence[Peer]) -> str:
    base = row.ratio.get(f"{HUGGING} greedy")
    return f"{row.tokens_per_s:.1f}" + (f" ({base:.2f}x)" if base else "")


def _per_call(rows: Sequence[Peer]) -> str:
    known = [row.tokens_per_call for row in rows if row.tokens_per_call is not None]
    return f"{fmean(known):.2f}" if known else ""


def _same(rows: Sequence[Peer]) -> str:
    known = [row.same_text for row in rows if row.same_text is not None]
    return f"{sum(known)}/{len(known)}" if known else ""
