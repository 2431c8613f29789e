"""The tables of docs/choose.md, written from results/.

python -m benchmarks.choose            # writes them; a test asserts that they are up to date
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from benchmarks.readme import ROOT, placed

PAGE = ROOT / "docs" / "choose.md"
Row = Mapping[str, Any]
# decoder of a translator, and the rows of a system's result that tell of it, and of left to right
TRANSLATORS = (
    (
        "speculative",
        "aggressive-decoding",
        "two guesses left to right",
        "translator, left to right",
    ),
    ("parallel-draft", "pard", "pard", "left to right"),
    ("block-draft", "aggressive-decoding", "generalised", "translator, left to right"),
    ("blockwise", "blockwise-parallel", "frozen", "frozen, left to right"),
    ("recursive-head", "fastmtp", "fastmtp", "left to right"),
    ("looking-backward", "l-mtp", "l-mtp", "left to right"),
    ("space", "space", "space", "left to right"),
    ("tandem-draft", "tandem-transformers", "tandem-transformers", "left to right"),
    ("jacobi", "jacobi-decoding", "sentences", "sentences, left to right"),
    ("tandem", "tandem-transformers", "block of 4, one free", "left to right"),
    ("set-block", "set-block-decoding", "set-block-decoding", "left to right"),
)


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
    """What decoders of translators buy beside the same network left to right: means of the seeds'
    ratios, and BLEU less its. What is not measured yet is left out.
    """
    lines = [
        "| | calls | as quick alone | in batches | BLEU | measured in |",
        "|---|" + "---:|" * 4 + "---|",
    ]
    for decoder, slug, row, plain in TRANSLATORS:
        file = results / f"{slug}.json"
        if not file.is_file():
            continue
        rows = {r["system"]: r["metric"] for r in json.loads(file.read_text("utf-8"))["rows"]}
        mine, its = rows[row], rows[plain]
        calls, time, rate = (
            fmean(a / b for a, b in zip(mine[name], its[name], strict=True))
            for name in ("calls", "latency_ms", "per_second")
        )
        bleu = fmean(mine["bleu"]) - fmean(its["bleu"])
        less = "the same" if mine["bleu"] == its["bleu"] else f"{bleu:+.1f}"
        cells = f"{calls:.2f} | {1 / time:.2f} | {rate:.2f} | {less}"
        lines.append(f"| `{decoder}` | {cells} | [{slug}](systems.md#{slug}) |")
    return "\n".join(lines) + "\n"


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
