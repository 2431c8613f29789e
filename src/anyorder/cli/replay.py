"""`anyorder replay`: watch in the terminal how a saved text was written."""

from pathlib import Path
from typing import Annotated

import typer


def replay(
    trace: Annotated[
        Path, typer.Argument(help="A file that `generate --trace` or `compare` wrote.")
    ],
    every: Annotated[int, typer.Option(min=1, help="Show one frame in this many.")] = 1,
    delay: Annotated[
        float | None,
        typer.Option(
            min=0, help="Seconds between frames; left out: as long as it took.", show_default=False
        ),
    ] = None,
    row: Annotated[int, typer.Option(min=0, help="Which text, if the trace has several.")] = 0,
) -> None:
    """Show how a text was written, call by call."""
    from rich.console import Console

    from anyorder.show.replay import replay as play
    from anyorder.trace import Trace

    try:
        read = Trace.load(trace)
    except UnicodeDecodeError as error:
        raise ValueError(f"{trace} is no anyorder trace: it is no text") from error
    play(read, Console(), row=row, every=every, delay=delay)
