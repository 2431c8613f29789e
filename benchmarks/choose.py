"""The tables of docs/choose.md, written from results/.

python -m benchmarks.choose            # writes them; a test asserts that they are up to date
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from benchmarks.readme import ROOT, placed

PAGE = ROOT / "docs" / "choose.md"
Row = Mapping[str, Any]
# a translator's decoder as its system sets it, layers, the system, and the row of its result
TRANSLATORS = (
    ("speculative:width=2", "6-6", "aggressive-decoding", "two guesses left to right"),
    ("parallel-draft:width=4", "6-6", "pard", "pard"),
    ("block-draft:width=8", "6-6", "aggressive-decoding", "generalised"),
    ("tandem-draft:width=4", "6-6", "tandem-transformers", "tandem-transformers"),
    ("space", "6-6", "space", "space"),
    ("blockwise", "6-1", "blockwise-parallel", "frozen"),
    ("recursive-head", "6-1", "fastmtp", "fastmtp"),
    ("looking-backward", "6-1", "l-mtp", "l-mtp"),
    ("tandem:block=4", "6-6", "tandem-transformers", "tandem, block of 4"),
    ("set-block:block=8,gamma=0.5", "6-6", "set-block-decoding", "set-block-decoding"),
)
PLAIN = {  # the row of the same network left to right, where it has another name
    "aggressive-decoding": "translator, left to right",
    "blockwise-parallel": "frozen, left to right",
}


def by_text(rows: Sequence[Row]) -> str:
    """How many times as quick as left to right each decoder is, by kind of text."""
    kinds = list(dict.fromkeys(row["task"] for row in rows))
    lines = [f"| | {' | '.join(map(_words, kinds))} | tokens a call |"]
    lines += ["|---|" + "---:|" * (len(kinds) + 1)]
    for name in dict.fromkeys(row["decoder"] for row in rows):
        mine = {row["task"]: row for row in rows if row["decoder"] == name}
        cells = [f"{mine[kind]['speedup']:.2f}" for kind in kinds]
        accepted = mine["overall"]["accepted"]
        lines.append(f"| {_shown(name)} | {' | '.join(cells)} | {accepted:.2f} |")
    return "\n".join(lines) + "\n"


def by_batch(rows: Sequence[Row]) -> str:
    """Tokens per second of all rows together, by batch size."""
    sizes = sorted({row["batch"] for row in rows})
    lines = [f"| precision | | {' | '.join(f'{size}' for size in sizes)} |"]
    lines += ["|---|---|" + "---:|" * len(sizes)]
    for precision in dict.fromkeys(row["precision"] for row in rows):
        for name in dict.fromkeys(row["writer"] for row in rows):
            mine = [r for r in rows if (r["precision"], r["writer"]) == (precision, name)]
            rates = {row["batch"]: row["tokens_per_s"] for row in mine}
            if rates:
                shown = name if " " in name else f"`{name}`"
                cells = " | ".join(f"{rates[size]:.0f}" for size in sizes)
                lines.append(f"| {precision} | {shown} | {cells} |")
    return "\n".join(lines) + "\n"


def by_translator(results: Path) -> str:
    """What decoders buy a translator: ratios to the same network left to right, within a seed, with
    their standard deviation over seeds. What is not measured yet is left out.
    """
    lines = ["| | layers | calls | cells | as quick alone | in batches | BLEU | measured in |"]
    lines += ["|---|---|" + "---:|" * 5 + "---|"]
    for decoder, layers, slug, row in TRANSLATORS:
        file = results / f"{slug}.json"
        if not file.is_file():
            continue
        rows = {r["system"]: r["metric"] for r in json.loads(file.read_text("utf-8"))["rows"]}
        mine, its = rows[row], rows[PLAIN.get(slug, "left to right")]
        calls, cells = (_shares(mine[name], its[name]) for name in ("calls", "cells"))
        quick = _shares(its["latency_ms"], mine["latency_ms"])
        many = _shares(mine["per_second"], its["per_second"])
        shown = [f"{fmean(calls):.2f}", f"{fmean(cells):.1f}", *map(_spread, (quick, many))]
        bleu = fmean(mine["bleu"]) - fmean(its["bleu"])
        shown += ["the same" if mine["bleu"] == its["bleu"] else f"{bleu:+.1f}"]
        link = f"[{slug}](systems.md#{slug})"
        lines.append(f"| `{decoder}` | {layers} | {' | '.join(shown)} | {link} |")
    return "\n".join(lines) + "\n"


def _shares(mine: Sequence[float], its: Sequence[float]) -> list[float]:
    return [a / b for a, b in zip(mine, its, strict=True)]


def _spread(values: Sequence[float]) -> str:
    return f"{fmean(values):.2f} ± {stdev(values):.2f}"


def page(text: str, results: Path) -> str:
    """The page with its tables in their places."""
    texts = json.loads((results / "spec-bench-smollm2.json").read_text(encoding="utf-8"))
    sizes = json.loads((results / "batches-smollm2.json").read_text(encoding="utf-8"))
    text = placed(text, "by-text", by_text(texts["rows"]))
    headed = json.loads((results / "head-smollm2.json").read_text(encoding="utf-8"))
    text = placed(text, "by-head", by_text(headed["rows"]))
    text = placed(text, "by-translator", by_translator(results))
    return placed(text, "by-batch", by_batch(sizes["rows"]))


def _shown(name: str) -> str:
    decoder, comma, more = name.partition(", ")
    return f"`{decoder}`{comma}{more}"


def _words(kind: str) -> str:
    return {"mt_bench": "conversation", "qa": "question", "rag": "documents"}.get(
        kind, kind.replace("_", " ")
    )


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8"), ROOT / "results"), encoding="utf-8")
