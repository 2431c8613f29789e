"""What the page shows of systems and results, as plain data: `page/evidence.json`.

    evidence()["systems"][0]["claims"]      claims with verdict and figures
    evidence()["charts"][0]["points"]       quality against latency, see `systems.frontier`

All comes from the systems' files and from `results/`.
"""

from dataclasses import asdict
from functools import cache
from typing import Any

from anyorder.measure.results import Result, brief, mean_and_spread
from anyorder.systems.catalogue import Listed, listed, result, system, works
from anyorder.systems.families import FAMILIES
from anyorder.systems.frontier import TASKS, charts
from anyorder.systems.page import provenance


@cache
def evidence() -> dict[str, Any]:
    """Families, systems with what was measured of them, charts, and names of tasks."""
    return {
        "families": FAMILIES,
        "systems": [_told(line) if works(line) else _open(line) for line in listed()],
        "tasks": TASKS,
        "charts": [asdict(chart) for chart in charts()],
    }


def _open(line: Listed) -> dict[str, Any]:
    return asdict(line) | {"works": False}


def _told(line: Listed) -> dict[str, Any]:
    chosen, measured = system(line.slug), result(line.slug)
    assert measured is not None, "a system that works was measured"
    return asdict(line) | {
        "works": True,
        "paper": chosen.paper,
        "mechanism": chosen.mechanism,
        "parts": [part.__name__ for part in chosen.parts],
        "laws": list(chosen.laws),
        "minutes": chosen.minutes,
        "claims": [_claim(finding) for finding in measured.claims],
        "tables": _tables(measured),
        "provenance": provenance(measured).split(" Again:")[0],
        "again": f"anyorder reproduce {line.slug}",
    }


def _claim(finding: Any) -> dict[str, str]:
    numbers = {name: brief(getattr(finding, name)) for name in ("value", "against", "spread")}
    return {"text": finding.text, "verdict": finding.verdict, **numbers}


def _tables(measured: Result) -> list[dict[str, Any]]:
    """The rows: those with the same metrics share a table."""
    tables: dict[tuple[str, ...], list[list[str]]] = {}
    for row in measured.rows:
        cells = [row.system, *map(mean_and_spread, row.metric.values())]
        tables.setdefault(tuple(row.metric), []).append(cells)
    return [
        {"columns": [name.replace("_", " ") for name in metrics], "rows": rows}
        for metrics, rows in tables.items()
    ]
