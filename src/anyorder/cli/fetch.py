"""`anyorder fetch`: download a model once, for all later runs."""

from typing import Annotated

import typer


def fetch(
    model: Annotated[str, typer.Argument(help="Its name: smollm2.")] = "smollm2",
) -> None:
    """Download a model into the cache folder, and say where it is."""
    from anyorder.models.files.fetch import fetch as fetched

    typer.echo(fetched(model))
