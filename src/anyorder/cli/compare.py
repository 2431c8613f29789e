"""`anyorder compare`: the same prompts under several decoders, as a table, a page and traces."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from anyorder.cli import prompts as prompt_file
from anyorder.cli.compared import Job, Wishes
from anyorder.cli.options import (
    Chat,
    Device,
    Exactness,
    Head,
    Precision,
    Threads,
    decoder_of,
    loaded,
    may_write,
    may_write_into,
)
from anyorder.cli.screen import complain, progress, waiting

if TYPE_CHECKING:
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
        f"Left out: {', '.join(DECODERS)}; with --task those that suit each model.",
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
Pairs = Annotated[
    int | None,
    typer.Option(
        min=1, help="With --task: how many test pairs; left out: 500.", show_default=False
    ),
]
Repeats = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Runs of each; the median counts. Left out: 1, and with --task 5 of each source that "
        "the page shows.",
        show_default=False,
    ),
]
NewTokens = Annotated[
    int | None,
    typer.Option(
        "--max-new-tokens",
        "-n",
        min=1,
        help="Tokens to write at most; left out: 128, and with --task 200.",
        show_default=False,
    ),
]
Page = Annotated[Path, typer.Option(help="The page in which every text can be replayed.")]
Traces = Annotated[Path, typer.Option(help="The folder for the traces.")]
Figures = Annotated[
    Path | None, typer.Option(help="Write the figures as JSON, too.", show_default=False)
]


def compare(
    prompts: Prompts = None,
    task: TaskName = None,
    model: Models = None,
    decoder: Specs = None,
    max_new_tokens: NewTokens = None,
    precision: Precision = "auto",
    exactness: Exactness = "usual",
    device: Device = "cpu",
    head: Head = None,
    repeats: Repeats = None,
    chat: Chat = None,
    threads: Threads = None,
    html: Page = Path("compare.html"),
    traces: Traces = Path("traces"),
    json: Figures = None,
    pairs: Pairs = None,
) -> int:
    """Compare decoders on your own prompts, or models on a task.

    Left to right is always there: the others are measured against it. What was measured is shown
    and written even if you stop it with Ctrl-C.
    """
    if task is not None:
        _apart(prompts=prompts, chat=chat, head=head, exactness=exactness, device=device)
    elif prompts is None or len(model or ()) > 1:
        raise typer.BadParameter("name --prompts, a file, and one model; or a --task")
    elif pairs is not None:
        raise typer.BadParameter("--pairs are those of a --task; prompts are all run")
    _may_write_all(html, json, traces)
    if prompts is None:
        wishes = Wishes(pairs or 500, max_new_tokens or 200, repeats or 5, threads, precision)
        files = {"html": html, "traces": traces, "json": json}
        return _on_task(str(task), model or [], decoder or [], wishes, **files)
    lines, broken = _read(prompts)
    specs = dict.fromkeys(decoder or DECODERS)  # a draft model is loaded once for each
    with waiting("Starting ..."):
        import torch  # noqa: F401  (seconds)
    on = {"precision": precision, "threads": threads, "device": device}
    chosen = [decoder_of(spec, **on) for spec in specs]
    lm = loaded(*(model or ["smollm2"]), **on, head=head, exactness=exactness)
    fits, too_long = _fitting(lm, prompts, lines, max_new_tokens or 128, chat)
    job = Job(lm, chosen, fits, max_new_tokens or 128, repeats or 1, chat)
    problems = run(job, html=html, traces=traces, json=json)
    return 1 if broken or too_long or problems else 0


def _read(path: Path) -> tuple[list[prompt_file.Line], list[str]]:
    """The lines of a file of prompts, and a sentence, which is said, for each that is broken."""
    lines, broken = prompt_file.read(path)
    complain(*broken)
    if not lines:
        raise ValueError(f"{path} has no prompt that could be run")
    return lines, broken


def _may_write_all(html: Path | None, json: Path | None, traces: Path) -> None:
    may_write(html)
    may_write(json)
    may_write_into(traces)


def _apart(**given: object) -> None:
    """Raises BadParameter for options that have no meaning beside --task."""
    usual = (None, "usual", "cpu")
    strange = ", ".join(f"--{name}" for name, value in given.items() if value not in usual)
    if strange:
        raise typer.BadParameter(
            f"--task has its own pairs and models, which run on the CPU; leave out {strange}"
        )


def _on_task(
    task: str, models: list[str], specs: list[str], wishes: Wishes, **files: Path | None
) -> int:
    with waiting("Starting ..."):
        from anyorder.cli import tasks
    wanted = {
        spec: decoder_of(spec, precision=wishes.precision, threads=wishes.threads)
        for spec in dict.fromkeys(specs)
    }
    folders = [Path(each) for each in models]
    problems = tasks.compare(task, folders, wishes, wanted=wanted, **files)  # type: ignore[arg-type]
    return 1 if problems else 0


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
    """The prompts that the model can continue, and a sentence, which is said, for each other."""

    fits: dict[str, str] = {}
    problems: list[str] = []
    for line in lines:
        try:
            lm.begin([line.prompt], max_new_tokens=max_new_tokens, chat=chat)
            fits[line.name] = line.prompt
        except ValueError as error:
            problems.append(f"{path}, line {line.number}: {error}")
    complain(*problems)
    if not fits:
        raise ValueError(f"{path} has no prompt that {lm.name} could continue")
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
