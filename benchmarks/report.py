"""What benchmarks leave: their rows on the screen, and a file with what they were run on."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from anyorder.cli import screen
from anyorder.measure.machine import commit, machine, versions
from anyorder.measure.results import write_json
from benchmarks.targets import Verdict


def report(
    rows: Sequence[dict[str, Any]], path: Path, *, kept: Sequence[Verdict] = (), **settings: Any
) -> None:
    """Print a line for each row, and what was kept of promises; write the rows with the commit, the
    versions and the machine.
    """
    for row in rows:
        told = (f"{k} {v:.3g}" if isinstance(v, float) else f"{k} {v}" for k, v in row.items())
        screen.out().print("  ".join(told), markup=False)
    facts = {"commit": commit(), "versions": versions(), "machine": machine()}
    write_json({**facts, **settings, "rows": list(rows)}, path)
    for verdict in kept:
        screen.out().print(str(verdict), markup=False)
