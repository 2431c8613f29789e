"""`anyorder decoders`: which ways to generate there are."""

from dataclasses import MISSING, Field, dataclass, fields
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.table import Table

ROOMY: Final = 120  # columns of a terminal in which a table reads well


def decoders() -> None:
    """List the decoders: needs, exact or not, what they do, options.

    An option is given behind the name: --decoder jacobi:block=16. Those in brackets are for Python
    alone.
    """
    from rich.padding import Padding

    from anyorder.cli.screen import out
    from anyorder.decode.catalogue import decoders as known

    console, lines = out(), [_line(name, kind) for name, kind in known().items()]
    if console.width >= ROOMY:
        console.print(_table(lines), markup=False)
        return
    for line in lines:
        exact = "exact" if line.exact else "not exact"
        console.print(f"{line.name}  {', '.join(filter(None, [line.needs, exact]))}", markup=False)
        for words in filter(None, [line.does, "  ".join(line.options)]):
            console.print(Padding(words, (0, 0, 0, 4)), markup=False)


@dataclass(frozen=True)
class _Line:
    """What is told of a decoder."""

    name: str
    needs: str
    exact: bool
    does: str
    options: "Sequence[str]"


def _line(name: str, kind: Any) -> _Line:
    from anyorder.decode.catalogue import describe, in_words

    needs = ", ".join(need.__name__ for need in getattr(kind, "needs", ()))
    sayable = in_words(kind)
    shown = [field for field in fields(kind) if field.name in sayable]
    options = [option(field, sayable=sayable[field.name]) for field in shown]
    return _Line(name, needs, getattr(kind, "exact", False), describe(kind), options)


def _table(lines: "Sequence[_Line]") -> "Table":
    from rich.table import Table

    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0))
    for column in ("decoder", "needs", "exact", "what it does", "options"):
        table.add_column(column, no_wrap=column in ("decoder", "needs", "exact"))
    for line in lines:
        exact = "yes" if line.exact else "no"
        table.add_row(line.name, line.needs, exact, line.does, "\n".join(line.options))
    return table


def option(field: "Field[Any]", *, sayable: bool = True) -> str:
    """An option with its default, as it is written on the command line."""
    if not sayable:
        return f"({field.name})"
    if field.default is MISSING:
        return f"{field.name}=..."
    lowered = isinstance(field.default, bool | None)
    return f"{field.name}={str(field.default).lower() if lowered else field.default}"
