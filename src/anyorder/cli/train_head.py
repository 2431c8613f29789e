"""`anyorder train-head`: a head that drafts for a language model, from what the model writes."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from anyorder.cli import prompts as prompt_file
from anyorder.cli.options import Threads
from anyorder.cli.screen import complain, progress, remark, waiting

if TYPE_CHECKING:
    from anyorder.train.onward import Lessons
    from anyorder.train.recipe import Recipe

Prompts = Annotated[
    Path,
    typer.Argument(help='JSON lines with a "prompt" each, of the kind that will be asked.'),
]
Model = Annotated[
    str,
    typer.Option("--model", "-m", help="smollm2, a Llama-like Hugging Face folder, a .gguf file."),
]
Out = Annotated[
    Path | None, typer.Option("--out", help="The folder for the head; left out: MODEL-head, here.")
]
Steps = Annotated[int, typer.Option(min=1, help="Steps of the optimiser.")]
Cells = Annotated[int, typer.Option(min=1, help="Cells of a batch, padding included.")]
Rate = Annotated[float, typer.Option(min=0.0, help="The highest learning rate.")]
New = Annotated[
    int, typer.Option("--max-new-tokens", "-n", min=8, help="Tokens to write after each prompt.")
]
Frequent = Annotated[
    int, typer.Option(min=1, help="Among how many tokens is guessed: those written most.")
]
Precision = Annotated[
    Literal["float32", "bfloat16", "int8"], typer.Option(help="Of the model that writes.")
]
Seed = Annotated[int, typer.Option(min=0, help="Of weights and order.")]


def train_head(
    prompts: Prompts,
    model: Model = "smollm2",
    folder: Out = None,
    steps: Steps = 900,
    cells: Cells = 2048,
    rate: Rate = 1e-3,
    max_new_tokens: New = 224,
    frequent: Frequent = 6144,
    precision: Precision = "int8",
    seed: Seed = 0,
    threads: Threads = None,
) -> None:
    """Train a head that drafts for your language model.

    The model stays as it is. It writes after each prompt, and the head learns to foretell what it
    writes. What was made before you stop it is kept, in MODEL-head or the folder of --out: the same
    command goes on from there.
    """
    lines, broken = prompt_file.read(prompts)
    complain(*broken)
    with waiting("Starting ..."):
        import torch

        from anyorder.train.onward import Lessons
        from anyorder.train.recipe import Recipe
        from anyorder.train.schedule import Cosine
    if threads is not None:
        torch.set_num_threads(threads)
    lessons = Lessons(
        prompts=tuple(line.prompt for line in lines),
        new=max_new_tokens,
        precision=precision,
        frequent=frequent,
    )
    recipe = Recipe(
        steps=steps,
        cells=cells,
        schedule=Cosine(peak=rate, warmup=max(1, min(100, steps // 4))),
        check_every=max(1, min(200, steps // 2)),
        seed=seed,
    )
    _trained(model, lessons, recipe, folder or Path(f"{Path(model).stem}-head"))


def _trained(model: str, lessons: "Lessons", recipe: "Recipe", where: Path) -> None:
    """Write and train with a bar in the terminal."""
    from anyorder.train.onward import fit_head

    with progress() as bar:
        line = bar.add_task("opening the model", total=len(lessons.prompts))

        def wrote(texts: int) -> None:
            bar.update(line, completed=texts, description=f"{texts} texts written")

        def show(step: int, steps: int, loss: float, speed: float) -> None:
            words = f"loss {loss:.3f}, {speed:,.0f} tokens/s"
            bar.update(line, completed=step, total=steps, description=words)

        try:
            trained = fit_head(
                model, lessons, recipe, where, on_text=wrote, on_step=show, on_remark=remark
            )
        except KeyboardInterrupt:
            if where.is_dir():
                remark(f"what was made is kept in {where}: the same command goes on from there")
            raise
    remark(
        f"{trained.steps} steps in {trained.seconds:.0f} s; held-out loss {trained.held_out:.3f}"
    )
    remark(f"written to {where}: try `anyorder generate ... --model {model} --head {where}`")
