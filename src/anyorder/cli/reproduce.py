"""`anyorder reproduce`: does a paper's claim hold here?"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from anyorder.cli.options import DeviceName, Model
from anyorder.cli.screen import out, progress, remark, waiting

if TYPE_CHECKING:
    from anyorder.measure.results import Result

System = Annotated[str, typer.Argument(help="Its slug, see `anyorder systems`.")]
Quick = Annotated[
    bool, typer.Option("--quick", help="The whole path in seconds, on random tables; no result.")
]
Seeds = Annotated[int, typer.Option(min=1, help="How often, with other prompts or weights.")]
Folder = Annotated[Path, typer.Option("--out", help="The folder for the result.")]


def reproduce(
    system: System,
    quick: Quick = False,
    seeds: Seeds = 3,
    model: Model = "smollm2",
    device: DeviceName = "cpu",
    results: Folder = Path("results"),
) -> None:
    """Measure whether a system does what its paper claims.

    What was measured before you stop it is kept, and the next run goes on from there.
    """
    if results.exists() and not results.is_dir():
        raise ValueError(f"{results} is a file; name a folder for the result")
    with waiting("Starting ..."):
        from anyorder.measure.results import shown
    result = _measured(
        system, quick=quick, seeds=seeds, model=model, device=device, results=results
    )
    out().print(shown(result), markup=False, soft_wrap=True)
    if quick:
        remark("--quick runs the path on random tables: these numbers and verdicts mean nothing")
    else:
        remark(f"written to {results / f'{system}.json'}")


def _measured(
    slug: str, *, quick: bool, seeds: int, model: str, device: str, results: Path
) -> "Result":
    """The result, with a bar in the terminal."""
    from anyorder.nets.device import device as found
    from anyorder.systems.reproduce import reproduce as run

    with progress() as bar:
        task = bar.add_task("starting", total=None)

        def show(part: str, done: int, parts: int) -> None:
            bar.update(task, completed=done, total=parts, description=part)

        return run(
            slug,
            quick=quick,
            seeds=seeds,
            model=model,
            device=found(device),
            out=results,
            on_progress=show,
            on_remark=remark,
        )
