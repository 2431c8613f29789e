"""`anyorder systems`: the published systems, and which of them work here."""

import json as jsons
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from anyorder.cli.screen import out, remark, waiting

if TYPE_CHECKING:
    from anyorder.systems.catalogue import Row

Family = Annotated[
    str | None, typer.Option("--family", "-f", help="Only this family.", show_default=False)
]


def systems(
    family: Family = None,
    works: Annotated[bool, typer.Option("--works", help="Only what works here.")] = False,
    json: Annotated[bool, typer.Option("--json", help="As JSON, for programs.")] = False,
) -> None:
    """List the published systems, and which of them work here."""
    with waiting("Looking through the results ..."):
        from anyorder.systems.catalogue import table

        rows = table()
    families = list(dict.fromkeys(row.family for row in rows))
    if family is not None:
        if family not in families:
            raise ValueError(f"there is no family {family!r}; there are: {', '.join(families)}")
        rows = [row for row in rows if row.family == family]
    total = len(rows)
    if works:
        rows = [row for row in rows if row.status == "works"]
    if json:
        typer.echo(jsons.dumps([asdict(row) for row in rows], indent=2, ensure_ascii=False))
        return
    _show(rows)
    working = sum(row.status == "works" for row in rows)
    remark(f"{working} of {total} work; measure one with `anyorder reproduce <slug>`")


def _show(rows: "list[Row]") -> None:
    from rich.table import Table

    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0))
    table.add_column("number", justify="right")
    for column in ("slug", "family", "status"):
        table.add_column(column, no_wrap=True)
    table.add_column("claims", no_wrap=True)
    table.add_column("title", no_wrap=True, overflow="ellipsis")
    for row in rows:
        claims = ", ".join(row.verdicts)
        table.add_row(str(row.number), row.slug, row.family, row.status, claims, row.title)
    out().print(table, markup=False)
