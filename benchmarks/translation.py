"""The tables of docs/translation.md: what issue and papers promised, and what results/ say of it.

python -m benchmarks.translation       # writes them; a test asserts that they are up to date

A verdict is computed as those of systems are (see `systems.claims`), seed by seed.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from anyorder.measure.results import brief, mean_and_spread
from anyorder.systems.claims import compared
from benchmarks.readme import ROOT, placed

PAGE: Final = ROOT / "docs" / "translation.md"
PER, BLEU = "phoneme_error_rate", "bleu"
Row = Mapping[str, Any]


@dataclass(frozen=True)
class At:
    """A row of a result: `results/<file>.json`."""

    file: str
    row: str

    def values(self, results: Path, metric: str) -> list[float]:
        """One value a seed. Raises KeyError where that was not measured."""
        rows = json.loads((results / f"{self.file}.json").read_text(encoding="utf-8"))["rows"]
        return {row["system"]: row["metric"] for row in rows}[self.row][metric]


@dataclass(frozen=True)
class Promise:
    """`better` beats `worse`: by `times` of it, or, if it may be `less` by so much, nearly."""

    text: str
    where: str
    metric: str
    better: At
    worse: At
    sign: int = 1
    times: float = 1.0
    less: float = 0.0

    def line(self, results: Path) -> str:
        """What was measured of both, and the verdict."""
        values = self.better.values(results, self.metric)
        against = self.worse.values(results, self.metric)
        bars = [bar - self.less for bar in against]
        found = compared(values, bars, self.times, sign=self.sign)
        cells = [self.text, self.where, mean_and_spread(values), mean_and_spread(against)]
        return _line([*cells, f"**{found.verdict}**"])


CTC, GLANCING, GRAPH, DEEP = "ctc-nat", "glancing-transformer", "predat", "deep-shallow"
TAUGHT, LONG = "en-de, distilled", "en-de, distilled, 3600 steps"
SAID, RAW, FROM, MORE = "phonemes", "own pairs", "a teacher's pairs", "a teacher's, 3,600 steps"


def orders() -> list[Promise]:
    """From left to right as they were promised, each on pronunciation and on translation."""
    vanilla, ctc = At(CTC, "vanilla-nat"), At(CTC, "ctc-nat")
    glancing, both = At(GLANCING, GLANCING), At(GLANCING, f"{GLANCING}, CTC")
    graph, plain = At(GRAPH, "dag, raw data"), At(GLANCING, f"{TAUGHT}: {GLANCING}")
    taught = At(GLANCING, f"{TAUGHT}: {GLANCING}, CTC")
    learnt, base = At(GRAPH, f"{TAUGHT}: dag"), At(CTC, f"{TAUGHT}: ctc-nat")
    pairs = (
        ("vanilla < CTC", SAID, ctc, vanilla),
        ("", RAW, At(CTC, "en-de: ctc-nat"), At(CTC, "en-de: vanilla-nat")),
        ("", FROM, base, At(CTC, f"{TAUGHT}: vanilla-nat")),
        ("vanilla < glancing", SAID, glancing, vanilla),
        ("", FROM, plain, At(CTC, f"{TAUGHT}: vanilla-nat")),
        ("CTC < glancing", SAID, glancing, ctc),
        ("", FROM, plain, base),
        ("CTC < CTC with glancing", SAID, both, ctc),
        ("", FROM, taught, base),
        ("", MORE, At(GLANCING, f"{LONG}: {GLANCING}, CTC"), At(GLANCING, f"{LONG}: ctc-nat")),
        ("glancing ≤ CTC with glancing", SAID, both, glancing),
        ("", FROM, taught, plain),
        ("CTC with glancing ≤ graph", SAID, graph, both),
        ("", FROM, learnt, taught),
    )
    return [
        Promise(text, where, PER if where == SAID else BLEU, good, bad, -1 if where == SAID else 1)
        for text, where, good, bad in pairs
    ]


def near() -> list[Promise]:
    """The graph beside autoregressive models; the last one has six decoder layers."""
    graph = At(GRAPH, f"{TAUGHT}: dag")
    others = {
        "12-1": At(DEEP, "en-de: twelve and one"),
        "6-1": At(GRAPH, "en-de: deep-shallow"),
        "6-6": At(DEEP, "en-de: six and six"),
    }
    found = [
        Promise(f"graph within 1 BLEU of {name}", FROM, BLEU, graph, other, less=1.0)
        for name, other in others.items()
    ]
    teacher = At("nmt-training-process", "teacher, 7200 steps")
    long = At(GLANCING, f"{LONG}: {GLANCING}, CTC")
    said = At(GRAPH, "dag, raw data"), At(GRAPH, "deep-shallow")
    return [
        *found,
        Promise("graph within 1 BLEU of the teacher", FROM, BLEU, graph, teacher, less=1.0),
        Promise("CTC with glancing within 1 BLEU of it", MORE, BLEU, long, teacher, less=1.0),
        Promise("CTC with glancing above it", MORE, BLEU, long, teacher),
        Promise("graph ≤ 1.1 times the errors of 6-1", SAID, PER, *said, -1, times=1.1),
    ]


def speeds() -> list[Promise]:
    """The quickest model of one call, which has six layers and one, beside 6-1 with a cache."""
    word = At(CTC, "ctc-nat, 6-1"), At(CTC, "deep-shallow")
    text = At(CTC, f"{TAUGHT}: ctc-nat, 6-1"), At(CTC, "en-de: deep-shallow")
    alone, many = "milliseconds", "a second"
    return [
        Promise("a sentence in a fifth of the time", alone, "latency_ms", *text, -1, times=0.2),
        Promise("a word in a fifth of the time", alone, "latency_ms", *word, -1, times=0.2),
        Promise("1.5 times as many sentences", many, "per_second", *text, times=1.5),
        Promise("1.5 times as many words", many, "per_second", *word, times=1.5),
    ]


def promised(every: Sequence[Promise], results: Path) -> str:
    """A line each; one without words belongs to the promise above."""
    head = [_line(["promised", "measured on", "it", "the other", "verdict"]), "|---" * 5 + "|"]
    return "\n".join([*head, *(each.line(results) for each in every)]) + "\n"


GAINS: Final = {
    "vanilla": (At(CTC, "en-de: vanilla-nat"), At(CTC, f"{TAUGHT}: vanilla-nat")),
    "fertility": (
        At("fertility-nat", "en-de: fertility-nat"),
        At("fertility-nat", f"{TAUGHT}: fertility-nat"),
    ),
    "CTC": (At(CTC, "en-de: ctc-nat"), At(CTC, f"{TAUGHT}: ctc-nat")),
    "graph": (At(GRAPH, "en-de: dag"), At(GRAPH, f"{TAUGHT}: dag")),
}


def gains(results: Path) -> str:
    """BLEU on own pairs, on a teacher's, and what the teacher gave; then the order of these."""
    lines = [_line(["model", RAW, FROM, "gain"]), "|---" * 4 + "|"]
    found: dict[str, list[float]] = {}
    for name, (before, after) in GAINS.items():
        raw, taught = before.values(results, BLEU), after.values(results, BLEU)
        found[name] = [new - old for old, new in zip(raw, taught, strict=True)]
        cells = [mean_and_spread(values) for values in (raw, taught, found[name])]
        lines.append(_line([name, *cells]))
    told = []
    for more, fewer in (("vanilla", "CTC"), ("CTC", "graph")):
        verdict = compared(found[more], found[fewer], 1.0, sign=1).verdict
        told.append(f"{more} gains more than {fewer}: **{verdict}**")
    return "\n".join(lines) + "\n\n" + "; ".join(told) + ".\n"


def peers(rows: Sequence[Row], score: str) -> str:
    """Each engine and precision: the score, milliseconds alone, a second at the best batch."""
    first = rows[0]
    lines = [_line(["engine", "writes", "precision, threads", score, "ms", "a second", "times"])]
    lines += ["|---|---|---" + "|---:" * 4 + "|"]
    for row in rows:
        metric = row[{"BLEU": BLEU, "phoneme errors": PER}[score]]
        quicker, more = row["latency_ratio"], row["throughput_ratio"]
        numbers = [metric, row["latency"], row["throughput"]]
        writes = f"{row['model'].removeprefix(first['task'] + '-')}, {row['decoder']}"
        where = f"{row['precision']}, {row['threads']}"
        times = f"{quicker:.1f}, {more:.1f}"
        lines.append(_line([row["engine"], writes, where, *map(brief, numbers), times]))
    return "\n".join(lines) + "\n"


def second_ways(rows: Sequence[Row], system: str) -> str:
    """What was tried for a claim that failed: BLEU, chrF and the loss on held-out pairs."""
    lines = [_line(["model", "begins with", "BLEU", "chrF", "held-out nats", "seeds"])]
    lines += ["|---|---" + "|---:" * 4 + "|"]
    for row in rows:
        if row["system"] == system:
            metric = [mean_and_spread(row["metric"][name]) for name in (BLEU, "chrf", "nats")]
            after = row["after"] or "random weights"
            lines.append(_line([row["model"], after, *metric, str(len(row["seeds"]))]))
    return "\n".join(lines) + "\n"


def page(text: str, results: Path) -> str:
    """The page with all tables in their places."""
    stored = {
        name: json.loads((results / f"{name}.json").read_text(encoding="utf-8"))["rows"]
        for name in ("translate-en-de", "translate-pronounce", "second-ways")
    }
    tables = {
        "orders": promised(orders(), results),
        "near": promised(near(), results),
        "gains": gains(results),
        "speeds": promised(speeds(), results),
        "sentences": peers(stored["translate-en-de"], "BLEU"),
        "words": peers(stored["translate-pronounce"], "phoneme errors"),
        "gaps": second_ways(stored["second-ways"], "predat"),
        "guided": second_ways(stored["second-ways"], "semantic-guided-alignment-denoising"),
    }
    for name, table in tables.items():
        text = placed(text, name, table)
    return text


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8"), ROOT / "results"), encoding="utf-8")
