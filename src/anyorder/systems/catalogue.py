"""All published systems that anyorder gathers, and which of them work.

    table()                       # a row for each: number, slug, family, title, status, verdicts
    system("token-recycling")     # the System in its file
    result("token-recycling")     # what was measured, or None

A system works when its file is there, which names the laws that hold of it, and its measured
result. Nobody registers one: the file in the folder counts, and the result under `results/`.
"""

import csv
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Literal

from anyorder.measure.machine import root
from anyorder.measure.results import Result, Verdict, read
from anyorder.systems.system import System

HERE = Path(__file__).parent
Status = Literal["works", "open"]


@dataclass(frozen=True)
class Listed:
    """A line of the catalogue."""

    number: int
    slug: str
    family: str
    title: str

    @property
    def module(self) -> str:
        return f"anyorder.systems.{self.family}.{self.slug.replace('-', '_')}"

    @property
    def file(self) -> Path:
        """Where the system's file is, or would be."""
        return HERE / self.family / f"{self.slug.replace('-', '_')}.py"


@dataclass(frozen=True)
class Row:
    """A system as `anyorder systems` shows it; `verdicts` are those of its claims, in order."""

    number: int
    slug: str
    family: str
    title: str
    status: Status
    verdicts: tuple[Verdict, ...]


@cache
def listed() -> tuple[Listed, ...]:
    """The whole catalogue, by number."""
    with (HERE / "catalogue.tsv").open(encoding="utf-8", newline="") as file:
        lines = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        return tuple(
            Listed(int(line["number"]), line["slug"], line["family"], line["title"])
            for line in lines
        )


def table() -> list[Row]:
    """The catalogue with the status of each system and the verdicts of its claims."""
    rows = []
    for line in listed():
        measured = result(line.slug) if works(line) else None
        claims = measured.claims if measured else []
        status: Status = "works" if measured else "open"
        verdicts: tuple[Verdict, ...] = tuple(claim.verdict for claim in claims)
        rows.append(Row(line.number, line.slug, line.family, line.title, status, verdicts))
    return rows


def works(line: Listed) -> bool:
    """Whether the file, the laws and the result of a system are all there."""
    if not line.file.is_file() or result(line.slug) is None:
        return False
    return bool(system(line.slug).laws)


def find(slug: str) -> Listed:
    """The line of a slug. Raises ValueError, with the nearest names, if there is none."""
    by_slug = {line.slug: line for line in listed()}
    if slug not in by_slug:
        near = get_close_matches(slug, by_slug, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(near)}?" if near else "`anyorder systems` lists them all"
        raise ValueError(f"there is no system {slug!r}; {hint}")
    return by_slug[slug]


def system(slug: str) -> System:
    """The system in the file of that name. Raises ValueError if it is unknown or still open."""
    line = find(slug)
    if not line.file.is_file():
        there = ", ".join(other.slug for other in listed() if other.file.is_file())
        raise ValueError(
            f"{slug} (number {line.number}) is still open: nobody has built it yet; "
            f"these are there: {there}"
        )
    return import_module(line.module).SYSTEM


def result(slug: str) -> Result | None:
    """The measured result of a system, if there is one. Raises ValueError if the file is broken."""
    path = results() / f"{slug}.json"
    return read(path) if path.is_file() else None


def results() -> Path:
    """Where measured results lie: in the repository, or inside the installed package."""
    repository = root()
    return repository / "results" if repository else HERE.parent / "results"
