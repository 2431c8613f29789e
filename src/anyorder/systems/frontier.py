"""Quality against latency, from the results: what each way to write costs, and how good it is.

    for chart in charts(): chart.task, chart.slug, chart.points

A chart is of one result: its rows took turns on one machine. Points of two charts can't be
compared, even of one task. Nothing is typed in: a row is a point if it has both numbers.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean

from anyorder.measure.results import Measured, Result, spread
from anyorder.systems.catalogue import listed, result, system, works

PROMPTS = "prompts"  # the task of decoders that write the text of a language model
TASKS = {
    "pronounce": "Pronunciation of English words",
    "translate-en-de": "Translation, English to German",
    "translate-en-de-joint": "Translation, English to German, joint vocabulary",
    "modernise": "Old English made new",
    PROMPTS: "Prompts to a language model",
}


@dataclass(frozen=True)
class Quality:
    """A metric that says how good texts are, and in which direction it is better."""

    metric: str
    title: str
    more_is_better: bool


QUALITIES = (
    Quality("bleu", "BLEU", True),
    Quality("phoneme_error_rate", "phoneme error rate", False),
    Quality("same_text", "share of texts as left to right", True),
)


@dataclass(frozen=True)
class Point:
    """A row. `slug`: the system that it is, or the one whose result it stands in; `own`: whether
    it is the system whose result this is, or a variant of it. Means over seeds, with their spread.
    """

    row: str
    slug: str
    own: bool
    quality: float
    quality_spread: float
    milliseconds: float
    milliseconds_spread: float


@dataclass(frozen=True)
class Chart:
    """All rows of one result on one task. `unit` says what the milliseconds are of."""

    slug: str
    title: str
    task: str
    quality: Quality
    unit: str
    points: tuple[Point, ...]


def charts() -> list[Chart]:
    """The charts of all systems that work and were timed; those of one task stand together.

    >>> {chart.task for chart in charts()} <= set(TASKS)
    True
    """
    working = {line.slug: line.title for line in listed() if works(line)}
    found = [
        chart for slug, title in working.items() for chart in _of_system(slug, title, set(working))
    ]
    order = list(TASKS)
    return sorted(found, key=lambda chart: (order.index(chart.task), chart.title))


def _of_system(slug: str, title: str, working: set[str]) -> list[Chart]:
    measured = result(slug)
    assert measured is not None, "a system that works was measured"
    tasks = _tasks(slug)
    found: dict[tuple[str, Quality], list[Point]] = {}
    for row in measured.rows:
        point = _point(row, measured, working)
        if point is not None and not row.system.endswith(")"):  # a kind of prompts: a part of all
            quality, made = point
            found.setdefault((tasks.get(row.system, PROMPTS), quality), []).append(made)
    return [
        Chart(slug, title, task, quality, _unit(task), tuple(points))
        for (task, quality), points in found.items()
        if len(points) > 1 and (task == PROMPTS) == (quality.metric == "same_text")
    ]


def _unit(task: str) -> str:
    if task == PROMPTS:
        return "ms for a token"
    return "ms for a word" if task == "pronounce" else "ms for a sentence"


def _tasks(slug: str) -> dict[str, str]:
    """The task of each row, as the experiments say it."""
    found: dict[str, str] = {}
    for experiment in system(slug).experiments:
        task, ways = getattr(experiment, "task", None), getattr(experiment, "ways", {})
        if task is not None and isinstance(ways, Mapping):
            found |= dict.fromkeys(ways, task.name)
    return found


def _point(row: Measured, measured: Result, working: set[str]) -> tuple[Quality, Point] | None:
    took = row.metric.get("latency_ms")
    if took is None and "tokens_per_s" in row.metric:
        took = [1000 / rate for rate in row.metric["tokens_per_s"]]
    quality = next((each for each in QUALITIES if each.metric in row.metric), None)
    if took is None or quality is None:
        return None
    good = row.metric[quality.metric]
    slug, own = _whose(row.system, measured.slug, working)
    numbers = (fmean(good), spread(good), fmean(took), spread(took))
    return quality, Point(row.system, slug, own, *numbers)


def _whose(row: str, slug: str, working: set[str]) -> tuple[str, bool]:
    """The system that a row is named after, if one is there, and whether the row is all of it.

    >>> _whose("en-de, distilled: ctc-nat, 6-1", "deep-shallow", {"ctc-nat"})
    ('ctc-nat', False)
    """
    name = row.rsplit(": ", 1)[-1]
    base = name.split(" (")[0].split(",")[0]
    return (base, base == slug) if base in working else (slug, False)
