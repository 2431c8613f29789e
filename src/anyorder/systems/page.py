"""The pages of systems, `docs/systems.md` and `docs/families/`: written from the catalogue, the
files and the results.

    python -m anyorder.systems.page            # writes the pages
    python -m anyorder.systems.page --check    # says whether they are up to date

A number on the page stands in a result; nothing is typed in.
"""

import sys
from collections import Counter
from collections.abc import Sequence

from anyorder.measure.machine import root
from anyorder.measure.results import Finding, Result, brief, mean_and_spread
from anyorder.systems.catalogue import Row, result, system, table
from anyorder.systems.families import FAMILIES, pages

HEAD = """<!-- Written by `python -m anyorder.systems.page`; edit that, not this. -->
# Systems

A system is one published method: a paper, and the few parts that it is made of.
anyorder gathers {all}; {working} of them work today. Each is one short typed file under
`src/anyorder/systems/`, which holds facts and a recipe, and no logic.

A system *works* when three things exist: its file, the laws that hold of its parts, and a measured
result under `results/`. All others are *open*.

`anyorder reproduce <slug>` measures one of them again; `--quick` runs the whole path in seconds.

The verdict of a claim is computed from the measurement, seed by seed. *Holds*: the mean distance
to the bar is on the right side, and larger than its spread over the seeds. *Partly*: on the right
side, but not that clearly, or by less than was claimed. Else: *not at this scale*. Numbers are
means over seeds ± sample standard deviation; what a seed stands for is said beside them.
"""


def page() -> str:
    """The whole page as Markdown."""
    rows = table()
    working = [row for row in rows if row.status == "works"]
    parts = [HEAD.format(all=len(rows), working=len(working))]
    if working:
        parts.append("## What works\n\n" + overview(working))
    parts += [section(row) for row in working]
    parts.append("## What is open\n\n" + open_ones(rows))
    return "\n".join(parts)


def overview(working: Sequence[Row]) -> str:
    """One line for each system that works."""
    lines = ["| | system | verdicts |", "|---|---|---|"]
    for row in working:
        verdicts = ", ".join(f"{n} {verdict}" for verdict, n in Counter(row.verdicts).items())
        lines.append(f"| {row.number} | [{row.title}](#{row.slug}) | {verdicts} |")
    return "\n".join(lines) + "\n"


def section(row: Row) -> str:
    """A system that works: how, what was claimed, what was measured, on what."""
    chosen, measured = system(row.slug), result(row.slug)
    assert measured is not None, "a system that works was measured"
    parts = ", ".join(f"`{part.__name__}`" for part in chosen.parts)
    laws = ", ".join(map(str, chosen.laws))
    own = f", and {len(chosen.own_laws)} of its own" if chosen.own_laws else ""
    return f"""<a id="{row.slug}"></a>

## {row.title}

{chosen.paper}. Number {row.number}, `{row.slug}`.

{chosen.mechanism}

Made of {parts}. [Laws](laws.md) {laws} hold of it{own}.

{claims(measured.claims)}
{measurements(measured)}
{provenance(measured)}
"""


def claims(found: Sequence[Finding]) -> str:
    """The claims with their verdicts and numbers."""
    lines = ["| claim | verdict | measured | against | spread |", "|---|---|---|---|---|"]
    for f in found:
        numbers = f"{brief(f.value)} | {brief(f.against)} | {brief(f.spread)}"
        lines.append(f"| {f.text} | **{f.verdict}** | {numbers} |")
    return "\n".join(lines) + "\n"


def measurements(measured: Result) -> str:
    """The rows as tables: rows with the same metrics share one."""
    tables: dict[tuple[str, ...], list[str]] = {}
    for row in measured.rows:
        cells = [row.system, *map(mean_and_spread, row.metric.values())]
        tables.setdefault(tuple(row.metric), []).append("| " + " | ".join(cells) + " |")
    shown = []
    for metrics, lines in tables.items():
        titles = [name.replace("_", " ") for name in metrics]
        head = ["| | " + " | ".join(titles) + " |", "|---" * (len(metrics) + 1) + "|"]
        shown.append("\n".join([*head, *lines]) + "\n")
    return "\n".join(shown)


def provenance(measured: Result) -> str:
    """What it was measured on, and how to do it again."""
    m, v = measured.machine, measured.versions
    where = ", ".join(f"{name} {v[name]}" for name in ("torch", "transformers") if name in v)
    return (
        f"Seeds: {' · '.join(measured.seeds)}. "
        f"Measured in {brief(measured.seconds / 60)} minutes with {v.get('model', 'no model')} on "
        f"{m.get('processor')} ({m.get('cores')} cores, {m.get('threads')} threads), {where}, "
        f"commit {measured.commit or 'unknown'}. Again: `anyorder reproduce {measured.slug}`."
    )


def open_ones(rows: Sequence[Row]) -> str:
    """The others, family by family."""
    parts = []
    for family in [f for f in FAMILIES if any(row.family == f for row in rows)]:
        lines = [r for r in rows if r.family == family and r.status == "open"]
        if lines:
            titles = [f"| {r.number} | {r.title} | `{r.slug}` |" for r in lines]
            head = f"### {FAMILIES[family]}\n\n| | system | slug |\n|---|---|---|\n"
            parts.append(head + "\n".join(titles) + "\n")
    return "\n".join(parts)


def files() -> dict[str, str]:
    """All pages by their paths below `docs/`."""
    made = {f"families/{name}.md": text for name, text in pages().items()}
    return {"systems.md": page(), **made}


def main(arguments: Sequence[str]) -> int:
    """Write the pages, or check them; the exit status."""
    repository = root()
    if repository is None:
        print("the pages are part of the repository, and this is an installed package")
        return 1
    late = []
    for name, text in files().items():
        path = repository / "docs" / name
        if path.is_file() and path.read_text(encoding="utf-8") == text:
            continue
        late.append(name)
        if "--check" not in arguments:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
    if "--check" in arguments:
        print(f"out of date: {', '.join(late)}" if late else "all pages are up to date")
        return 1 if late else 0
    print(f"wrote {', '.join(late) or 'nothing: all is up to date'}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
