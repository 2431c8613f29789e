"""`anyorder distill`: what a teacher makes of the training sources, for pupils to learn."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from anyorder.cli.screen import progress, remark, waiting

if TYPE_CHECKING:
    from anyorder.train.distill import Distilled

Teacher = Annotated[Path, typer.Argument(help="The folder of a trained model.")]
TaskName = Annotated[str, typer.Argument(help="The task, or file, that it was trained on.")]
Out = Annotated[Path, typer.Option("--out", help="The file of pairs to write (.jsonl).")]
Spec = Annotated[str, typer.Option("--decoder", "-d", help="See `anyorder decoders`.")]
Reverse = Annotated[
    bool,
    typer.Option(
        "--reverse",
        help="The teacher was trained with `train --reverse`: it writes sources for the targets.",
    ),
]
BatchSize = Annotated[int, typer.Option("--batch", min=1, help="Sources at a time.")]


def distill(
    teacher: Teacher,
    task: TaskName,
    out: Out = Path("distilled.jsonl"),
    decoder: Spec = "beam:width=4",
    batch: BatchSize = 64,
    reverse: Reverse = False,
) -> None:
    """Let a trained model write the targets that others learn.

    With --reverse it writes the sources, for real targets. Train on them with `anyorder train TASK
    --train-on FILE`. What was written before you stop it is kept: the same command goes on from
    there.
    """
    with waiting("Starting ..."):
        from anyorder.data.mixtures import Reversed
        from anyorder.data.tasks import task as task_of
        from anyorder.models.files.shipped import shipped
        from anyorder.models.translator import Translator, is_ours, opened
        from anyorder.train.distill import distill as run
        from anyorder.train.distill import never_learnt
    teacher = shipped().get(str(teacher), teacher)
    if not is_ours(teacher):
        raise ValueError(f"{teacher} is no folder of a model that `anyorder train` wrote")
    model: Translator = opened(teacher)
    own = task_of(task)
    asked = Reversed(own) if reverse else own
    if doubt := model.stranger_to(asked.name):
        remark(doubt)
    examples = asked.splits().train
    with progress() as bar:
        line = bar.add_task("translating", total=len(examples))
        found = run(
            model,
            examples,
            out,
            decoder=decoder,
            batch=batch,
            reverse=reverse,
            never=never_learnt(own) if reverse else (),
            on_progress=lambda done, _: bar.update(line, completed=done),
        )
    remark(_told(found, teacher, task, out))


def _told(found: "Distilled", teacher: Path, task: str, out: Path) -> str:
    """What the file holds, and what to do with it; or with a teacher that has nothing to teach."""
    words = f"{out}: {found.pairs} pairs written, {found.empty} left empty"
    if found.pairs:
        return f"{words}; `anyorder train {task} --train-on {out}` learns from the former"
    return (
        f"{words}, so there is nothing to learn from: the teacher's texts are empty, or do not "
        "end. Train it for longer, into another folder, or look at what it writes: "
        f'`anyorder generate "..." --model {teacher}`'
    )
