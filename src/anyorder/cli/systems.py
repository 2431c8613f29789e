"""`anyorder systems`: the published systems, and which of them work here."""

import json as jsons
from dataclasses import asdict
from typing import Annotated

import typer


def systems(
    family: Annotated[
        str | None, typer.Option("--family", "-f", help="Only this family.", show_default=False)
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="As JSON, for programs.")] = False,
) -> None:
    """List the published systems, and which of them work here."""
    from anyorder.systems.catalogue import table

    rows = table()
    families = sorted({row.family for row in rows})
    if family is not None:
        if family not in families:
            raise ValueError(f"there is no family {family!r}; there are: {', '.join(families)}")
        rows = [row for row in rows if row.family == family]
    if json:
        typer.echo(jsons.dumps([asdict(row) for row in rows], indent=2, ensure_ascii=False))
