"""`anyorder compare`: the same prompts under several decoders, as a table, a page and traces."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from anyorder.cli import prompts as prompt_file
from anyorder.cli.options import (
    Chat,
    NewTokens,
    Precision,
    Threads,
    decoder_of,
    loaded,
    may_write,
    may_write_into,
)
from anyorder.cli.screen import complain, progress, waiting

if TYPE_CHECKING:
    from anyorder.decode.run import Decoder
    from anyorder.measure.compare import Comparison
    from anyorder.models.writer import Writer

DECODERS = ("left-to-right", "prompt-copy", "token-recycling", "jacobi", "auto")
Prompts = Annotated[
    Path | None,
    typer.Option(
        "--prompts", "-p", help='JSON lines: {"name": "story", "prompt": "Once upon a time"}.'
    ),
]
Specs = Annotated[
    list[str] | None,
    typer.Option(
        "--decoder",
        "-d",
        help="A name or name:option=value, see `anyorder decoders`; may be repeated. "
        f"Left out: {', '.join(DECODERS)}.",
        show_default=False,
    ),
]
TaskName = Annotated[
    str | None,
    typer.Option(
        "--task",
        help="Compare trained models on the test pairs of a task (pronounce, ... or your file).",
        show_default=False,
    ),
]
Models = Annotated[
    list[str] | None,
    typer.Option(
        "--model",
        "-m",
        help="A name, a Hugging Face folder or hub name, a GGUF file; with --task folders that "
        "`anyorder train` wrote, several of them. Left out: smollm2, or those that come along.",
        show_default=False,
    ),
]
Pairs = Annotated[int, typer.Option(min=1, help="With --task: how many test pairs.")]
Repeats = Annotated[int, typer.Option(min=1, help="Runs of each; the median counts.")]
Page = Annotated[Path, typer.Option(help="The page in which every text can be replayed.")]
Traces = Annotated[Path, typer.Option(help="The folder for the traces.")]
Figures = Annotated[
    Path | None, typer.Option(help="Write the figures as JSON, too.", show_default=False)
]


@dataclass(frozen=True)
class Job:
    """What is compared, settled before the first run."""

    lm: "Writer"
    decoders: list["Decoder"]
    prompts: dict[str, str]
    max_new_tokens: int
    repeats: int
    chat: bool | None


def compare(
    prompts: Prompts = None,
    task: TaskName = None,
    model: Models = None,
    decoder: Specs = None,
    max_new_tokens: NewTokens = 128,
    precision: Precision = "auto",
    repeats: Repeats = 1,
    chat: Chat = None,
    threads: Threads = None,
    html: Page = Path("compare.html"),
    traces: Traces = Path("traces"),
    json: Figures = None,
    pairs: Pairs = 500,
) -> int:
    """Compare decoders on your own prompts, or models on a task.

    Left to right is always there: the others are measured against it. What was measured is shown
    and written even if you stop it with Ctrl-C.
    """
    for path in (html, json):
        if path is not None:
            may_write(path)
    if task is not None:
        return _on_task(task, model or [], pairs, json, alone=prompts is None and not decoder)
    if prompts is None or len(model or ()) > 1:
        raise typer.BadParameter("name --prompts, a file, and one model; or a --task")
    may_write_into(traces)
    lines, broken = prompt_file.read(prompts)
    complain(*broken)
    if not lines:
        raise ValueError(f"{prompts} has no prompt that could be run")
    specs = dict.fromkeys(decoder or DECODERS)  # a draft model is loaded once for each
    with waiting("Starting ..."):
        import torch  # noqa: F401  (seconds)
    chosen = [decoder_of(spec, precision=precision, threads=threads) for spec in specs]
    lm = loaded(*(model or ["smollm2"]), precision=precision, threads=threads)
    fits, too_long = _fitting(lm, prompts, lines, max_new_tokens, chat)
    complain(*too_long)
    if not fits:
        raise ValueError(f"{prompts} has no prompt that {lm.name} could continue")
    job = Job(lm, chosen, fits, max_new_tokens, repeats, chat)
    problems = run(job, html=html, traces=traces, json=json)
    return 1 if broken or too_long or problems else 0


def _on_task(task: str, models: list[str], pairs: int, json: Path | None, *, alone: bool) -> int:
    if not alone:
        raise typer.BadParameter("--task has its own pairs and decoders; leave the others out")
    with waiting("Starting ..."):
        from anyorder.cli import tasks
    tasks.compare(task, [Path(each) for each in models], pairs=pairs, json=json)
    return 0


def run(job: Job, *, html: Path, traces: Path, json: Path | None) -> list[str]:
    """Compare and show; whatever ends it, what was measured is written. The files that were not."""
    from anyorder.cli.comparison import write

    done: Comparison | None = None
    try:
        for so_far in _growing(job):
            done = so_far
    finally:
        problems = write(done, job, html=html, traces=traces, json=json) if done else []
        problems += (
            [f"{name}: {done.left_out[name]}" for name in sorted(done.failed)] if done else []
        )
        complain(*problems)
    return problems


def _fitting(
    lm: "Writer",
    path: Path,
    lines: list[prompt_file.Line],
    max_new_tokens: int,
    chat: bool | None,
) -> tuple[dict[str, str], list[str]]:
    """The prompts that the model can continue, and a sentence for each of the others."""

    fits: dict[str, str] = {}
    problems: list[str] = []
    for line in lines:
        try:
            lm.begin([line.prompt], max_new_tokens=max_new_tokens, chat=chat)
            fits[line.name] = line.prompt
        except ValueError as error:
            problems.append(f"{path}, line {line.number}: {error}")
    return fits, problems


def _growing(job: Job) -> "Iterator[Comparison]":
    """The comparison after each run, with a bar in the terminal."""
    from anyorder.measure.compare import comparing
    from anyorder.measure.contestants import with_baseline

    each = len(job.prompts) * job.repeats
    with progress() as bar:
        task = bar.add_task("warming up", total=each * len(with_baseline(job.decoders)))
        for done in comparing(
            job.lm,
            job.prompts,
            job.decoders,
            max_new_tokens=job.max_new_tokens,
            repeats=job.repeats,
            chat=job.chat,
            on_run=lambda kind, name: bar.update(task, description=f"{name}: {kind}"),
        ):
            bar.update(task, advance=1, total=each * len(done.decoders))
            yield done
