"""`anyorder train`: a model of your own pairs, in any of the ways to write."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from anyorder.cli.options import DeviceName
from anyorder.cli.screen import out, progress, remark, waiting

if TYPE_CHECKING:
    from anyorder.data.tasks import Task
    from anyorder.models.translator import Translator
    from anyorder.objectives.batch import Objective
    from anyorder.train.paradigm import Paradigm
    from anyorder.train.recipe import Recipe

TaskName = Annotated[
    str,
    typer.Argument(
        help="pronounce, translate-en-de, copy-or-reverse, ... or your file (.tsv, .jsonl)."
    ),
]
ParadigmName = Annotated[str, typer.Option("--paradigm", help="How it writes: see --list.")]
Out = Annotated[Path | None, typer.Option("--out", help="The folder for the model.")]
Steps = Annotated[int, typer.Option(min=1, help="Steps of the optimiser.")]
Cells = Annotated[int, typer.Option(min=1, help="Cells of a batch, padding included.")]
Rate = Annotated[float, typer.Option(min=0.0, help="The highest learning rate.")]
Warmup = Annotated[
    int, typer.Option(min=1, help="Steps until then; of a short training, half of its steps.")
]
Patience = Annotated[
    int | None, typer.Option(min=1, help="Checks without a better loss after which to end.")
]
Seed = Annotated[int, typer.Option(min=0, help="Of weights, order and dropout.")]
Precision = Annotated[str, typer.Option(help="bfloat16 or float32.")]
TrainOn = Annotated[
    list[Path] | None,
    typer.Option(
        "--train-on", help="Pairs to learn instead of the task's own (.jsonl, .tsv); repeatable."
    ),
]
Own = Annotated[
    bool, typer.Option("--own", help="With --train-on: learn the task's own pairs, too.")
]
Reverse = Annotated[
    bool, typer.Option("--reverse", help="From targets to sources: for `distill --reverse`.")
]
BeginFrom = Annotated[
    Path | None,
    typer.Option(
        "--begin-from",
        help="The folder of an earlier model: begin with its weights and units. With "
        "semantic-guided also a BERT, RoBERTa or XLM-RoBERTa of Hugging Face.",
    ),
]
Channels = Annotated[
    int | None, typer.Option(min=2, help="How wide the network is; left out: 192, 3 M weights.")
]
EncoderLayers = Annotated[
    int | None, typer.Option(min=1, help="Left out: as `docs/train.md` says of the paradigm.")
]
DecoderLayers = Annotated[int | None, typer.Option(min=1, help="Likewise.")]
Spread = Annotated[
    int | None,
    typer.Option(min=1, help="CTC and DAG: cells for each source token; left out: 3."),
]
List = Annotated[bool, typer.Option("--list", help="Show the paradigms and end.")]


def train(
    task: TaskName = "pronounce",
    paradigm: ParadigmName = "ctc-glancing",
    folder: Out = None,
    steps: Steps = 3000,
    cells: Cells = 4096,
    rate: Rate = 2e-3,
    warmup: Warmup = 400,
    patience: Patience = None,
    seed: Seed = 0,
    precision: Precision = "bfloat16",
    device: DeviceName = "cpu",
    train_on: TrainOn = None,
    own: Own = False,
    reverse: Reverse = False,
    begin_from: BeginFrom = None,
    channels: Channels = None,
    encoder_layers: EncoderLayers = None,
    decoder_layers: DecoderLayers = None,
    spread: Spread = None,
    show: List = False,
) -> None:
    """Train a model of pairs: your own, or those of a built-in task.

    It is written into a folder, which `generate` opens. What was trained before you stop it is
    kept: the same command goes on from there.
    """
    with waiting("Starting ..."):
        from anyorder.train.recipe import Recipe
        from anyorder.train.schedule import InverseRoot
    if show:
        return _list()
    chosen = _paradigm(paradigm, channels, encoder_layers, decoder_layers, spread)
    recipe = Recipe(
        steps=steps,
        cells=cells,
        schedule=InverseRoot(peak=rate, warmup=_rise(warmup, steps)),
        patience=patience,
        seed=seed,
        precision=precision,
        check_every=max(1, min(250, steps // 20)),
    )
    where = folder or Path(f"{Path(task).stem}{'-reversed' * reverse}-{paradigm}")
    chosen_task = _task(task, train_on or [], own=own, reverse=reverse)
    _trained(chosen_task, chosen, recipe, where, begin_from, device)


def _rise(warmup: int, steps: int) -> int:
    """Steps for which the learning rate rises: half of a short training at the most."""
    most = max(1, steps // 2)
    if most < warmup:
        remark(
            f"the learning rate rises for {most} steps, half of this training, not for the "
            f"{warmup} of --warmup"
        )
    return min(warmup, most)


def _list() -> None:
    from anyorder.train.paradigms import paradigms

    for name, each in paradigms().items():
        out().print(f"{name:18} {each.objective}", markup=False)


def _paradigm(
    name: str,
    channels: int | None,
    encoder_layers: int | None,
    decoder_layers: int | None,
    spread: int | None,
) -> "Paradigm":
    from anyorder.train.paradigms import paradigms

    if name not in paradigms():
        raise ValueError(f"there is no paradigm {name!r}; there is {', '.join(paradigms())}")
    return paradigms()[name].resized(
        channels=channels,
        encoder_layers=encoder_layers,
        decoder_layers=decoder_layers,
        spread=spread,
    )


def _task(name: str, files: list[Path], *, own: bool, reverse: bool) -> "Task":
    from anyorder.data.mixtures import Reversed, TrainedOn
    from anyorder.data.tasks import task as task_of

    if own and not files:
        raise ValueError("--own goes with --train-on: without it, a task's own pairs are all")
    task = Reversed(task_of(name)) if reverse else task_of(name)
    return TrainedOn(task, tuple(map(str, files)), own) if files else task


def _trained(
    task: "Task",
    chosen: "Paradigm",
    recipe: "Recipe",
    folder: Path,
    begin_from: Path | None,
    device: str,
) -> None:
    """Train with a bar in the terminal, then score the test pairs, if it is a translator now."""
    from anyorder.data.mixtures import remarks_of
    from anyorder.nets.device import device as found
    from anyorder.train.fit import fit

    where = found(device)
    for sentence in remarks_of(task):
        remark(sentence)
    with progress() as bar:
        line = bar.add_task("reading the pairs", total=recipe.steps)

        def show(step: int, steps: int, loss: float, speed: float) -> None:
            words = f"loss {loss:.3f}, {speed:,.0f} tokens/s"
            if step == steps:  # seconds in which no step moves the bar
                words = "all steps made: a last check, then the model is written"
            bar.update(line, completed=step, total=steps, description=words)

        translator = fit(
            task,
            chosen,
            recipe,
            folder,
            begin_from=begin_from,
            device=where,
            on_step=show,
            on_remark=remark,
        )
    _told(task, translator, folder, chosen.objective)


def _told(task: "Task", translator: "Translator", folder: Path, objective: "Objective") -> None:
    """Say where it is and what it is for; score what makes targets of sources."""
    from anyorder.objectives.block_draft import BlockDrafting
    from anyorder.objectives.infilling import Infilling

    if isinstance(objective, BlockDrafting):
        drafts = f"--model LARGER --decoder block-draft:draft_model={folder}"
        remark(f"written to {folder}: try `anyorder generate ... {drafts}`")
        return
    if translator.fills:
        remark(f'written to {folder}: try `anyorder generate "A ___ text" --model {folder}`')
        return
    if not translator.writes or isinstance(objective, Infilling):  # it never saw a pair
        remark(f"written to {folder}: try `anyorder train ... --begin-from {folder}`")
        return
    _scored(task, translator)
    remark(f"written to {folder}: try `anyorder generate ... --model {folder}`")


def _scored(task: "Task", translator: "Translator") -> None:
    """Score what it makes of test pairs."""
    from anyorder.cli.tasks import too_long
    from anyorder.measure.translation import translate

    test = task.splits().test[:1000]
    too_long(translator, test)
    with progress() as bar:
        line = bar.add_task("testing what it writes", total=len(test))
        sources = [each.source for each in test]
        texts = translate(
            translator, sources, watch=lambda trace: bar.advance(line, len(trace.start.tokens_BN))
        )
    scores = task.scores(texts, test)
    for name, value in scores.items():
        out().print(f"{name:24} {value:.4g}", markup=False)
