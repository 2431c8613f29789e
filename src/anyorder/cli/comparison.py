"""What is left of a comparison: a table on stdout, a page, traces, and figures as JSON.

Imported when there is something to show; each file is written for itself, so that one that can't
be written does not cost the others.
"""

import json as jsons
import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import torch

from anyorder.cli.compared_table import fitted, traces_of
from anyorder.cli.plain import plain
from anyorder.cli.screen import out, remark
from anyorder.measure.compare import Comparison
from anyorder.measure.machine import machine, versions
from anyorder.measure.notes import lines
from anyorder.show.page import Group, compare_page
from anyorder.show.page import Run as Replay
from anyorder.show.provenance import acceptance
from anyorder.trace import Trace

if TYPE_CHECKING:
    from anyorder.cli.compared import Job

LISTED: Final = ".compare"  # in the folder of traces: which of them a comparison wrote


def write(
    done: Comparison, job: "Job", *, html: Path, traces: Path, json: Path | None
) -> list[str]:
    """Show and write everything; a sentence for each file that could not be written."""
    try:
        out().print(fitted(done, job, out()))
        for line in noted(done):
            out().print(line, markup=False, soft_wrap=True)
    finally:  # a pipe that nobody reads does not cost the files
        problems = _write_figures(done, job, json) if json else []
        problems += write_page(page(done, job), html)
        runs = [(f"{run.prompt}-{run.decoder}", run.output.trace) for run in done.runs]
        problems += write_traces(runs, traces)
    return problems


def _write_figures(done: Comparison, job: "Job", path: Path) -> list[str]:
    figures = jsons.dumps(report(done, job), indent=2, ensure_ascii=False) + "\n"
    return attempt(path, lambda: path.write_text(figures, encoding="utf-8"))


def write_page(text: str, path: Path) -> list[str]:
    """Write a page, and say so; a sentence if it could not be written."""
    problems = attempt(path, lambda: path.write_text(text, encoding="utf-8"))
    if not problems:
        remark(f"{path}: open it in a browser to replay every text, call by call")
    return problems


def write_traces(named: Iterable[tuple[str, Trace]], folder: Path) -> list[str]:
    """Write each trace into a file of that name, and say so; a sentence for each that was not.

    What an earlier comparison left there goes: its names stand in `LISTED`. Other files stay.
    """
    problems = attempt(folder, lambda: _emptied(folder))
    if problems:
        return problems
    taken: set[str] = set()
    path = folder
    for name, trace in named:
        path = folder / f"{file_name(name, taken)}.jsonl"
        problems += attempt(path, partial(trace.save, path))
        with suppress(OSError), (folder / LISTED).open("a", encoding="utf-8") as listed:
            listed.write(f"{path.name}\n")
    if not problems:
        remark(f"{folder}: a trace of every text, to watch with `anyorder replay {path}`")
    return problems


def _emptied(folder: Path) -> None:
    """The folder, without the traces of an earlier comparison."""
    folder.mkdir(parents=True, exist_ok=True)
    listed = folder / LISTED
    if listed.is_file():
        for name in listed.read_text(encoding="utf-8").splitlines():
            if name == Path(name).name and name.endswith(".jsonl"):  # nothing that lies elsewhere
                (folder / name).unlink(missing_ok=True)
        listed.unlink()


def attempt(path: Path, act: Callable[[], object]) -> list[str]:
    """Do it; what went wrong, if something did."""
    try:
        act()
    except OSError as error:
        return [f"{path} can't be written: {(error.strerror or str(error)).lower()}"]
    return []


def noted(done: Comparison) -> list[str]:
    """A line for each decoder whose runs noted something: that its drafter failed, say."""
    runs = {
        name: [[plain(note) for note in notes] for notes in of] for name, of in done.notes.items()
    }
    return lines(runs)


def facts(done: Comparison, job: "Job") -> dict[str, object]:
    """Under which conditions it was measured."""
    prompts = len({run.prompt for run in done.runs})
    return {
        "model": job.lm.name,
        "precision": done.precision,
        "threads": torch.get_num_threads(),
        "prompts": prompts,
        "new tokens at most": job.max_new_tokens,
        "runs of each": job.repeats,
    }


def page(done: Comparison, job: "Job") -> str:
    """The page with all runs, prompt by prompt."""
    names = list(dict.fromkeys(run.prompt for run in done.runs))
    groups = [
        Group(
            name=name,
            prompt=job.prompts[name],
            runs=tuple(
                Replay(
                    decoder=run.decoder,
                    trace=run.output.trace,
                    cost=run.cost,
                    same_text=run.same_text,
                    baseline=next(iter(done.decoders)),
                )
                for run in done.runs
                if run.prompt == name
            ),
        )
        for name in names
    ]
    return compare_page(groups, facts(done, job))


def report(done: Comparison, job: "Job") -> dict[str, Any]:
    """All figures, for programs."""
    return {
        "versions": versions(),
        "machine": machine(),
        "settings": facts(done, job),
        "near_ties": done.near_ties,
        "left_out": dict(done.left_out),
        "rows": [
            asdict(row) | {"acceptance": acceptance(*traces_of(done, row.decoder))}
            for row in done.rows
        ],
        "runs": [
            {
                "prompt": run.prompt,
                "decoder": run.decoder,
                "same_text": run.same_text,
                "finish": run.output.finish,
                "text": run.output.text,
                "tokens_per_second": run.cost.tokens_per_second,
                "tokens_per_call": run.cost.tokens_per_call,
                **asdict(run.cost),
                "verify_seconds": run.cost.verify_seconds,
                "acceptance": acceptance(run.output.trace),
                "notes": run.output.trace.notes,
            }
            for run in done.runs
        ],
    }


def file_name(words: str, taken: set[str]) -> str:
    """A name that every file system takes, and that is not taken; it is from now on.

    >>> taken = set()
    >>> [file_name(words, taken) for words in ("a/b: c", "a b c", "../..")]
    ['a-b-c', 'a-b-c-2', 'trace']
    """
    name = re.sub(r"[^\w.=,-]+", "-", words).strip("-.")[:100] or "trace"
    number, free = 1, name
    while free.lower() in taken:
        number += 1
        free = f"{name}-{number}"
    taken.add(free.lower())
    return free
