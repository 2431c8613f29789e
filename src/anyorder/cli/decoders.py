"""`anyorder decoders`: which ways to generate there are."""

from dataclasses import MISSING, Field, fields
from typing import Any


def decoders() -> None:
    """List the decoders: needs, exact or not, what they do, options.

    An option is given behind the name: --decoder jacobi:block=16. Those in brackets are for Python
    alone.
    """
    from rich.table import Table

    from anyorder.cli.screen import out
    from anyorder.decode.catalogue import decoders as known
    from anyorder.decode.catalogue import describe, in_words

    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0))
    for column in ("decoder", "needs", "exact", "what it does", "options"):
        table.add_column(column, no_wrap=column in ("decoder", "needs", "exact"))
    for name, kind in known().items():
        needs = ", ".join(need.__name__ for need in getattr(kind, "needs", ()))
        sayable = in_words(kind)
        shown = [field for field in fields(kind) if field.name in sayable]
        options = "\n".join(option(field, sayable=sayable[field.name]) for field in shown)
        exact = "yes" if getattr(kind, "exact", False) else "no"
        table.add_row(name, needs, exact, describe(kind), options)
    out().print(table, markup=False)


def option(field: "Field[Any]", *, sayable: bool = True) -> str:
    """An option with its default, as it is written on the command line."""
    if not sayable:
        return f"({field.name})"
    if field.default is MISSING:
        return f"{field.name}=..."
    lowered = isinstance(field.default, bool | None)
    return f"{field.name}={str(field.default).lower() if lowered else field.default}"
