"""Models of a task side by side: how good they are, how quick alone, how many a second at best.

compare(task, [Path("pronounce-ctc")], pairs=500, json=None)
"""

import json as jsons
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table

from anyorder.cli.screen import out, progress, remark
from anyorder.data.tasks import Task
from anyorder.data.tasks import task as task_of
from anyorder.measure.machine import machine, versions
from anyorder.measure.translation import speeds, translate
from anyorder.models.shipped import shipped
from anyorder.models.translator import KINDS, Translator, is_ours, opened

if TYPE_CHECKING:
    from anyorder.data.pairs import Example

Row = dict[str, float | str]


def compare(name: str, folders: Sequence[Path], *, pairs: int, json: Path | None) -> None:
    """Judge every model on the task's test pairs, each with every decoder that suits it.

    No folders: the models of the task that come with the library. Raises ValueError where there
    are none, and for a folder that is no model.
    """
    task = task_of(name)
    models = [_opened(folder) for folder in folders or _shipped(name)]
    with progress() as bar:
        line = bar.add_task("reading the pairs", total=None)
        examples = task.splits().test[:pairs]
        todo = [(model, each) for model in models for each in KINDS[model.kind].decoders]
        rows: list[Row] = []
        for done, (model, decoder) in enumerate(todo):
            words = f"{model.name}, {decoder}"
            bar.update(line, completed=done, total=len(todo) + 1, description=words)
            rows.append(row(model, decoder, task, examples))
        bar.update(line, completed=len(todo), description="speeds, all in turns")
        _time(rows, todo, examples)
    out().print(table(rows))
    remark(f"{len(examples)} test pairs; ms: a source alone; /s: at the best batch; greedy choice")
    if json is not None:
        facts = {"task": name, "machine": machine(), "versions": versions(), "rows": rows}
        json.write_text(jsons.dumps(facts, indent=1) + "\n", encoding="utf-8")


def row(model: Translator, decoder: str, task: Task, examples: "Sequence[Example]") -> Row:
    """What a model and a decoder make of the pairs."""
    texts = translate(model, [example.source for example in examples], decoder=decoder)
    return {"model": model.name, "decoder": decoder, **task.scores(texts, examples)}


def _time(
    rows: list[Row], readers: "Sequence[tuple[Translator, str]]", examples: "Sequence[Example]"
) -> None:
    """Add to each row how fast its model is with its decoder."""
    named = {str(number): reader for number, reader in enumerate(readers)}
    found = speeds(named, [example.source for example in examples], timed=100)
    for each, speed in zip(rows, found.values(), strict=True):
        each |= {"calls": speed.calls, "ms": speed.latency, "/s": speed.throughput}


def table(rows: Sequence[Row]) -> Table:
    """A line for each model and decoder."""
    shown = Table()
    for name in rows[0]:
        words = name.replace("_", " ")
        shown.add_column(words, justify="left" if name in ("model", "decoder") else "right")
    for each in rows:
        shown.add_row(*(x if isinstance(x, str) else f"{x:.3g}" for x in each.values()))
    return shown


def _shipped(name: str) -> list[Path]:
    """The models of a task that come with the library."""
    found = [folder for model, folder in shipped().items() if model.startswith(f"{name}-")]
    if not found:
        raise ValueError(
            f"no model of {name} comes with the library; train one (`anyorder train {name}`) "
            "and name its folder with --model"
        )
    return found


def _opened(folder: Path) -> Translator:
    if not is_ours(folder):
        raise ValueError(f"{folder} is no folder of a model that `anyorder train` wrote")
    return opened(folder)
