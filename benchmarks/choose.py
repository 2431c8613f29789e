"""The tables of docs/choose.md, written from results/.

python -m benchmarks.choose            # writes them; a test asserts that they are up to date
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.readme import ROOT, placed

PAGE = ROOT / "docs" / "choose.md"
Row = Mapping[str, Any]


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


def page(text: str, results: Path) -> str:
    """The page with its tables in their places."""
    texts = json.loads((results / "spec-bench-smollm2.json").read_text(encoding="utf-8"))
    sizes = json.loads((results / "batches-smollm2.json").read_text(encoding="utf-8"))
    text = placed(text, "by-text", by_text(texts["rows"]))
    headed = json.loads((results / "head-smollm2.json").read_text(encoding="utf-8"))
    text = placed(text, "by-head", by_text(headed["rows"]))
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
