"""Models of a task side by side: how good they are, how quick alone, how many a second at best.

compare(task, [Path("pronounce-ctc")], wishes, html=Path("compare.html"), traces=..., json=None)
"""

import json as jsons
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from rich.table import Table

from anyorder.cli.comparison import attempt, write_page, write_traces
from anyorder.cli.screen import complain, out, progress, remark
from anyorder.cli.task_page import (
    Decoders,
    contestants,
    decoders_of,
    middling,
    page,
    replayed,
)
from anyorder.data.tasks import Task
from anyorder.data.tasks import task as task_of
from anyorder.measure.machine import machine, versions
from anyorder.measure.translation import Reading, speeds, translate
from anyorder.models.files.shipped import of_task, shipped
from anyorder.models.load import settled
from anyorder.models.translator import Translator, is_ours, opened
from anyorder.show.page import Group

if TYPE_CHECKING:
    from anyorder.cli.compared import Wishes
    from anyorder.data.pairs import Example

Row = dict[str, float | int | str]
SPREAD = "_spread"


def compare(
    name: str,
    folders: Sequence[Path],
    wishes: "Wishes",
    *,
    html: Path,
    traces: Path,
    json: Path | None,
    wanted: Decoders | None = None,
) -> list[str]:
    """Judge every model on the task's test pairs, each with every decoder that suits it, or those
    of the `wanted` ones that can serve it; a sentence for each file that could not be written.

    No folders: the models of the task that come with the library. Whatever ends it, what was
    measured is shown and written. Raises ValueError where there are no models, and for a folder
    that is none, or of a model that writes nothing.
    """
    if wishes.threads is not None:
        torch.set_num_threads(wishes.threads)
    task = task_of(name)
    precision = settled(wishes.precision)
    models = [_opened(folder, precision) for folder in folders or of_task(task.name)]
    for doubt in filter(None, (model.stranger_to(task.name) for model in models)):
        remark(doubt)
    readers = _readers(models, wanted)
    done = Found(name, wishes, json)
    try:
        with progress() as bar:
            line = bar.add_task("reading the pairs", total=None)
            _measure(done, task, readers, partial(bar.update, line))
    finally:
        problems = done.leave(html, traces)
        complain(*problems)
    return problems


def _readers(
    models: Sequence[Translator], wanted: "Decoders | None"
) -> "list[tuple[Translator, Decoders]]":
    """Each model with its decoders; one that none of those that are wanted can read is left out,
    and told. Raises ValueError where none is left.
    """
    readers, refused = [], []
    for model in models:
        try:
            readers.append((model, decoders_of(model, wanted)))
        except ValueError as error:
            refused.append(error)
    if not readers:
        raise refused[0]
    for error in refused:
        remark(f"left out: {error}")
    return readers


@dataclass
class Found:
    """What was measured so far: rows of figures, and groups of the page. Rows are kept in the file
    of figures as they come.
    """

    task: str
    wishes: "Wishes"
    json: Path | None
    pairs: int = 0
    precision: str = "float32"
    rows: list[Row] = field(default_factory=list)
    groups: list[Group] = field(default_factory=list)

    def keep(self) -> list[str]:
        """Write the rows, if they are wanted as JSON; a sentence if they could not be written."""
        path = self.json
        if path is None:
            return []
        facts = {
            "task": self.task,
            "pairs": self.pairs,
            "max_new_tokens": self.wishes.max_new_tokens,
            "precision": self.precision,
            "threads": torch.get_num_threads(),
            "machine": machine(),
            "versions": versions(),
            "rows": self.rows,
        }
        text = jsons.dumps(facts, indent=1) + "\n"
        return attempt(path, lambda: path.write_text(text, encoding="utf-8"))

    def leave(self, html: Path, traces: Path) -> list[str]:
        """Show the table, write every file; a sentence for each that could not be written."""
        if not self.rows:
            return []
        try:
            out().print(table(self.rows))
            told = "ms: a source alone; /s: at the best batch, which is named; greedy choice"
            remark(f"{self.pairs} test pairs; {told}")
            if find_spec("sacrebleu") is None and "repeated_rate" in self.rows[0]:  # of texts
                remark("BLEU and chrF are left out: they need sacrebleu (pip install sacrebleu)")
        finally:  # a pipe that nobody reads does not cost the files
            problems = self.keep()
            if self.groups:
                shown = page(self.task, self.groups, self.wishes, pairs=self.pairs)
                problems += write_page(shown, html)
                runs = [
                    (f"{g.name}-{run.decoder}", run.trace) for g in self.groups for run in g.runs
                ]
                problems += write_traces(runs, traces)
        return problems


def _measure(
    done: Found,
    task: Task,
    readers: "Sequence[tuple[Translator, Decoders]]",
    tell: Callable[..., None],
) -> None:
    """Quality row by row, then the speeds of all, then the sources of the page."""
    examples = task.splits().test[: done.wishes.pairs]
    done.pairs, most = len(examples), done.wishes.max_new_tokens
    models = [model for model, _ in readers]
    for model in models:
        too_long(model, examples)
    done.precision = ", ".join(dict.fromkeys(model.precision for model in models))
    todo = [(i, name) for i, (_, decoders) in enumerate(readers) for name in decoders]
    notes: dict[tuple[int, str], str] = {}
    tell(total=len(todo) + 1)
    for i, name in todo:
        model, decoders = readers[i]
        tell(description=f"{model.name}, {name}")
        texts = translate(
            model,
            [example.source for example in examples],
            decoder=decoders[name],
            max_new_tokens=most,
        )
        done.rows.append({"model": model.name, "decoder": name, **task.scores(texts, examples)})
        notes[i, name] = noted(done.rows[-1])
        done.keep()
        tell(advance=1)
    tell(description="speeds, all in turns")
    timed = [Reading(readers[i][0], readers[i][1][name]) for i, name in todo]
    _time(done.rows, timed, examples, max_new_tokens=most)
    done.keep()
    runners = contestants(readers, notes, done.task)
    tell(description="the page", advance=1)
    for group in replayed(runners, middling(examples, models), done.wishes):
        done.groups.append(group)


def too_long(model: Translator, examples: "Sequence[Example]") -> None:
    """Say how many of the sources the model can't read: their texts are empty, and count so."""
    if left := sum(not model.reads(example.source) for example in examples):
        remark(
            f"{model.name} can't read {left} of {len(examples)} test sources (it reads "
            f"{model.longest} tokens at most): they count as not translated"
        )


def _time(
    rows: list[Row],
    readers: Sequence[Reading],
    examples: "Sequence[Example]",
    *,
    max_new_tokens: int,
) -> None:
    """Add to each row how fast its model is with its decoder."""
    named = {str(number): reader for number, reader in enumerate(readers)}
    sources = [example.source for example in examples]
    found = speeds(named, sources, timed=100, max_new_tokens=max_new_tokens)
    for each, speed in zip(rows, found.values(), strict=True):
        each |= {"calls": speed.calls}
        each |= {"ms": speed.latency, "ms_spread": speed.latency_spread}
        each |= {"/s": speed.throughput, "/s_spread": speed.throughput_spread}
        each |= {"batch": speed.batch}


def noted(row: Row) -> str:
    """The scores of a row in a few words.

    >>> noted({"model": "a", "decoder": "b", "edit_rate": 0.25})
    'edit rate 0.25'
    """
    scores = ((name, x) for name, x in row.items() if not isinstance(x, str))
    return ", ".join(f"{name.replace('_', ' ')} {x:.3g}" for name, x in scores)


def table(rows: Sequence[Row]) -> Table:
    """A line for each model and decoder; a figure with its spread, where it has one."""
    shown = Table()
    names = [name for name in rows[0] if not name.endswith(SPREAD)]
    for name in names:
        words = name.replace("_", " ")
        shown.add_column(words, justify="left" if name in ("model", "decoder") else "right")
    for each in rows:
        shown.add_row(*(_cell(each, name) for name in names))
    return shown


def _cell(row: Row, name: str) -> str:
    text, spread = _short(row[name]), row.get(f"{name}{SPREAD}")
    return text if spread is None else f"{text} ± {_short(spread)}"


def _short(value: float | int | str) -> str:
    """
    >>> _short(1234.5), _short(0.12345), _short("ctc-greedy")
    ('1234', '0.123', 'ctc-greedy')
    """
    if isinstance(value, str):
        return value
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _opened(folder: Path, precision: str) -> Translator:
    folder = shipped().get(str(folder), folder)
    if not is_ours(folder):
        raise ValueError(
            f"{folder} is no folder of a model that `anyorder train` wrote, and none that comes "
            f"along: {', '.join(shipped())}"
        )
    model = opened(folder, precision)
    if model.fills:
        raise ValueError(
            f"{folder} fills holes in texts and translates nothing: "
            f'`anyorder generate "A ___ text" --model {folder}`'
        )
    if not model.writes:
        raise ValueError(
            f"{folder} is a masked language model, which writes nothing; begin a model that does "
            f"from it: `anyorder train ... --begin-from {folder}`"
        )
    return model
