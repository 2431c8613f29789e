"""`anyorder decoders`: which ways to generate there are."""

from dataclasses import MISSING, Field, fields
from typing import Any


def decoders() -> None:
    """List the decoders: needs, exact or not, what they do, options.

    An option is given behind the name: --decoder jacobi:block=16
    """
    from rich.table import Table

    from anyorder.cli.screen import out
    from anyorder.decode.catalogue import decoders as known
    from anyorder.decode.catalogue import describe

    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0))
    for column in ("decoder", "needs", "exact", "what it does", "options"):
        table.add_column(column, no_wrap=column in ("decoder", "needs", "exact"))
    for name, kind in known().items():
        needs = ", ".join(need.__name__ for need in getattr(kind, "needs", ()))
        options = "\n".join(option(field) for field in fields(kind) if field.repr)
        exact = "yes" if getattr(kind, "exact", False) else "no"
        table.add_row(name, needs, exact, describe(kind), options)
    out().print(table, markup=False)


def option(field: "Field[Any]") -> str:
    """An option with its default, as it is written on the command line."""
    if field.default is not MISSING:
        value = str(field.default)
        return f"{field.name}={value.lower() if isinstance(field.default, bool) else value}"
    return f"{field.name}=..."
