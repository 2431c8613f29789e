"""The price of a precision on real text: perplexity, and how often the likeliest token is another.

    python -m benchmarks.perplexity                  # about two minutes on two cores

Perplexity is exp of minus the mean log-probability (natural logarithm) of a text's tokens; the text
is read in windows of 512, whose first token is given. Two texts: the Book of Ruth (World English
Bible, public domain) and a page of Python's own help, which differs a little from version to
version. See benchmarks/README.md for the peers' environment; without it ours is measured alone.
"""

import argparse
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from pydoc_data.topics import topics
from typing import Any

from anyorder.cli import screen
from anyorder.measure.machine import commit, cores, machine, versions
from anyorder.measure.results import Fact, write_json
from anyorder.models.files.fetch import MODELS, fetch
from benchmarks.crew import Crew, hired
from benchmarks.hire import ROOT, Worker, WorkerError
from benchmarks.schedule import OURS

PEERS_PYTHON = ROOT / "benchmarks" / ".venv" / "bin" / "python"
WINDOW = 512
BASE = (OURS, "float32")


@dataclass(frozen=True, kw_only=True)
class Row:
    """An engine in a precision on a text of `tokens` scored tokens.

    `ratio`: perplexity over that of our float32. `agreement`: the share of tokens where its
    likeliest token is also that of our float32. `logprob_shift`: mean absolute difference of the
    tokens' log-probabilities to those of our float32.
    """

    engine: str
    model: str
    task: str
    precision: str
    tokens: int
    perplexity: float
    ratio: float
    agreement: float
    logprob_shift: float


@dataclass(frozen=True)
class Scores:
    """What an engine says of one text, token by token."""

    logprobs: Sequence[float]
    best: Sequence[int]

    @property
    def perplexity(self) -> float:
        return math.exp(-sum(self.logprobs) / len(self.logprobs))


def texts() -> dict[str, str]:
    """The texts by their names; lines of prose are joined, as models read few broken lines."""
    ruth = (ROOT / "benchmarks" / "texts" / "ruth.txt").read_text(encoding="utf-8")
    prose = "\n\n".join(" ".join(part.split("\n")) for part in ruth.strip().split("\n\n"))
    return {"ruth": prose, "python-help": topics["customization"]}


def windows(ids: Sequence[int], size: int = WINDOW) -> list[list[int]]:
    """`ids` in pieces; a last one of a single token has nothing to score.

    >>> windows([1, 2, 3, 4, 5], 2)
    [[1, 2], [3, 4]]
    """
    pieces = [list(ids[begin : begin + size]) for begin in range(0, len(ids), size)]
    return [piece for piece in pieces if len(piece) > 1]


def scores_of(worker: Worker, precision: str, ids: Sequence[int]) -> Scores:
    """Window by window, so that no answer is long. Raises WorkerError."""
    logprobs: list[float] = []
    best: list[int] = []
    for window in windows(ids):
        answer = worker.ask("score", precision=precision, windows=[window])
        logprobs += answer["logprobs"][0]
        best += answer["best"][0]
    return Scores(logprobs, best)


def rows_of(scores: Mapping[tuple[str, str], Mapping[str, Scores]], *, model: str) -> list[Row]:
    """A row for each engine, precision and text; `scores` must hold `BASE`."""
    rows = []
    for (engine, precision), of_text in scores.items():
        for task, found in of_text.items():
            base = scores[BASE][task]
            pairs = list(zip(found.logprobs, base.logprobs, strict=True))
            agreed = sum(a == b for a, b in zip(found.best, base.best, strict=True))
            row = Row(
                engine=engine,
                model=model,
                task=task,
                precision=precision,
                tokens=len(pairs),
                perplexity=round(found.perplexity, 4),
                ratio=round(found.perplexity / base.perplexity, 5),
                agreement=round(agreed / len(pairs), 4),
                logprob_shift=round(sum(abs(a - b) for a, b in pairs) / len(pairs), 5),
            )
            rows.append(row)
    return rows


def measure(crew: Crew) -> dict[tuple[str, str], dict[str, Scores]]:
    """Every text under every engine and precision that is there; ours in float32 is the first."""
    named = texts()
    encoded = crew.workers[OURS].ask("encode", texts=list(named.values()), chat=False)["rows"]
    scores: dict[tuple[str, str], dict[str, Scores]] = {}
    for engine, precisions in crew.precisions.items():
        for precision in precisions:
            with screen.waiting(f"{engine}, {precision}"):
                try:
                    scores[engine, precision] = {
                        name: scores_of(crew.workers[engine], precision, ids)
                        for name, ids in zip(named, encoded, strict=True)
                    }
                except WorkerError as error:
                    if (engine, precision) == BASE:
                        raise
                    screen.remark(f"{engine} ({precision}) is left out: {error}")
    return scores


def show(rows: Sequence[Mapping[str, Any]]) -> None:
    """The rows as a table."""
    from rich.table import Table

    shown = Table("text", "engine", "precision", title="perplexity")
    for name in ("tokens", "perplexity", "of our float32", "same likeliest token"):
        shown.add_column(name, justify="right")
    for row in sorted(rows, key=lambda row: row["task"]):
        shown.add_row(
            row["task"],
            row["engine"],
            row["precision"],
            str(row["tokens"]),
            f"{row['perplexity']:.3f}",
            f"{100 * (row['ratio'] - 1):+.2f} %",
            f"{100 * row['agreement']:.1f} %",
        )
    screen.out().print(shown)


def main(words: Sequence[str] | None = None) -> int:
    """The exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.perplexity", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    add = parser.add_argument
    add("--model", default="smollm2", help="a name that `anyorder fetch` knows, or a GGUF file")
    add("--name", help="what the results call it")
    add("--peers-python", type=Path, default=PEERS_PYTHON, help="Python of the peers' environment")
    add("--out", type=Path, help="results/perplexity-<name>.json, if not given")
    add("--threads", type=int, default=cores())
    chosen = parser.parse_args(words)
    name = chosen.name or Path(chosen.model).stem.lower()
    try:
        known = chosen.model in MODELS
        model = (fetch(chosen.model) if known else Path(chosen.model)).resolve()
        with hired(
            model=model,
            peers_python=chosen.peers_python,
            threads=chosen.threads,
            say=screen.remark,
        ) as crew:
            rows = [asdict(row) for row in rows_of(measure(crew), model=name)]
            on: dict[str, Fact] = {**machine(), "threads": chosen.threads}
            whole = {"commit": commit(), "versions": {**versions(), **crew.versions}, "machine": on}
            out = chosen.out or ROOT / "results" / f"perplexity-{name}.json"
            write_json({**whole, "rows": rows}, out)
    except (ValueError, OSError, WorkerError) as error:
        screen.complain(str(error))
        return 1
    show(rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
