"""The pages of families, `docs/families/*.md`: what each family is made of, and what was measured.

    pages()["draft"]        Markdown; `python -m anyorder.systems.page` writes them all

Drawn from the catalogue, the systems' files and their results: nothing is typed in but a few words
on what holds a family together.
"""

from collections import Counter
from collections.abc import Sequence

from anyorder.measure.results import brief
from anyorder.systems.catalogue import Row, system, table
from anyorder.systems.frontier import TASKS, Chart, charts

FAMILIES = {
    "draft": "Draft and verify",
    "nat": "Parallel translation and text generation",
    "order": "Any order and insertion",
    "edit": "Editing",
    "diffusion": "Text diffusion and denoising",
    "lm": "Language models: training, sampling, prompting",
    "seq2seq": "Sequence-to-sequence models and losses",
    "units": "Units: bytes, subwords, phrases, vectors",
    "stream": "Streaming and simultaneous generation",
    "speech": "Speech and audio",
    "vision": "Images, video, scene text",
    "series": "Numbers, time series, molecules, peptides",
    "survey": "Surveys",
}
ABOUT = {
    "draft": "Something cheap guesses several tokens; the model checks them all in one call, and "
    "keeps those that it would have written itself. So the text stays the same, and calls become "
    "fewer.",
    "nat": "All tokens are written in one call, or in a few. What left-to-right models know from "
    "the words before must come from elsewhere: lengths, alignments, graphs, teachers.",
    "order": "A text is written in another order than from left to right, around what is given: "
    "so what comes later can be known beforehand.",
    "lm": "How language models are trained, so that other ways to write begin from them.",
}
MARK = "<!-- Written by `python -m anyorder.systems.page`; edit that, not this. -->\n"


def pages() -> dict[str, str]:
    """The pages of the families in which something works, by name, and an `index`."""
    rows, timed = table(), charts()
    working = {
        family: [row for row in rows if row.family == family and row.status == "works"]
        for family in FAMILIES
    }
    made = {
        family: _page(family, ours, [row for row in rows if row.family == family], timed)
        for family, ours in working.items()
        if ours
    }
    return {"index": _index(rows, working), **made}


def _index(rows: Sequence[Row], working: dict[str, list[Row]]) -> str:
    lines = ["| family | work | gathered |", "|---|---:|---:|"]
    counts = Counter(row.family for row in rows)
    for family, title in FAMILIES.items():
        name = f"[{title}]({family}.md)" if working[family] else title
        if counts[family]:
            lines.append(f"| {name} | {len(working[family])} | {counts[family]} |")
    return (
        f"{MARK}# Families\n\nThe published systems that anyorder gathers, by what holds them "
        "together. A system *works* when its file, its laws and its measured result are there; "
        "[all of them in one table](../systems.md).\n\n" + "\n".join(lines) + "\n"
    )


def _page(family: str, ours: Sequence[Row], every: Sequence[Row], timed: Sequence[Chart]) -> str:
    parts = [f"{MARK}# {FAMILIES[family]}\n"]
    if family in ABOUT:
        parts.append(ABOUT[family] + "\n")
    parts.append(f"{len(ours)} of {len(every)} systems work today.\n")
    parts += [_section(row, timed) for row in ours]
    still = [row for row in every if row.status == "open"]
    if still:
        lines = "\n".join(f"- {row.title} (`{row.slug}`)" for row in still)
        parts.append(f"## Still open\n\n{lines}\n")
    return "\n".join(parts)


def _section(row: Row, timed: Sequence[Chart]) -> str:
    chosen = system(row.slug)
    verdicts = ", ".join(f"{n} {verdict}" for verdict, n in Counter(row.verdicts).items())
    made = ", ".join(f"`{part.__name__}`" for part in chosen.parts)
    tables = "".join(_chart(chart) for chart in timed if chart.slug == row.slug)
    return f"""## {row.title}

{chosen.paper}.

{chosen.mechanism}

Made of {made}. Claims: {verdicts}; [claims and figures](../systems.md#{row.slug}).
Run it: `anyorder reproduce {row.slug} --quick`.
{tables}"""


def _chart(chart: Chart) -> str:
    """Quality and latency, the quickest first; its best values are bold."""
    better = max if chart.quality.more_is_better else min
    best = better(point.quality for point in chart.points)
    winners = [point for point in chart.points if point.quality == best]
    if len(winners) == len(chart.points):
        winners = []
    lines = [f"| {TASKS[chart.task]} | {chart.quality.title} | {chart.unit} |", "|---|---:|---:|"]
    for point in sorted(chart.points, key=lambda point: point.milliseconds):
        good = f"**{brief(point.quality)}**" if point in winners else brief(point.quality)
        lines.append(f"| {point.row} | {good} | {brief(point.milliseconds)} |")
    return "\n" + "\n".join(lines) + "\n"
