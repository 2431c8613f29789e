"""The page: a comparison of decoders as one HTML file in which each text can be replayed.

    run = Run(decoder="jacobi", trace=trace, same_text=True)
    html = compare_page([Group(name="story", prompt="Once", runs=(run,))], {"model": "smollm2"})

The file loads nothing: styles, scripts and traces stand in it, and its policy forbids the network.
Its parts are the files in `player/`, which read the format of `Trace.lines()` and nothing else.
"""

import json
from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from html import escape
from importlib.resources import files
from math import isfinite
from string import Template
from typing import Any, Final

from anyorder.meter import Cost
from anyorder.show.provenance import acceptance
from anyorder.trace import Trace

SCRIPTS: Final = (
    *("trace.js", "spelling.js", "tree.js", "lattice.js", "graph.js", "pane.js"),
    *("controls.js", "player.js", "drafts.js", "results.js", "theme.js"),
)
_DIGITS = 5  # of seconds and log-probabilities on the page: finer than an eye, a third of the bytes


@dataclass(frozen=True, kw_only=True)
class Run:
    """What one decoder did on one prompt: its trace, and figures that may be of several runs.

    `cost` is the measured one (None: what the trace itself cost), `baseline` the decoder that the
    speed-up refers to (None: the first of the prompt), `same_text` whether it wrote the baseline's
    text (None: not compared), `note` a few words beside its name, `row` the trace's row. `work` is
    what speed-ups count against the seconds (None: the tokens that were written).
    """

    decoder: str
    trace: Trace
    cost: Cost | None = None
    baseline: str | None = None
    same_text: bool | None = None
    note: str = ""
    row: int = 0
    work: int | None = None

    @property
    def figures(self) -> dict[str, Any]:
        """The figures as the page's tables read them."""
        cost = self.cost or self.trace.cost
        return {
            "calls": cost.calls,
            "cells": cost.cells,
            "tokens": cost.tokens,
            "seconds": cost.seconds,
            "draft_seconds": cost.draft_seconds,
            "prompt_seconds": cost.prompt_seconds,
            "verify_seconds": cost.verify_seconds,
            "tokens_per_second": cost.tokens_per_second,
            "acceptance": acceptance(self.trace),
            "same_text": self.same_text,
            "note": self.note,
            "work": cost.tokens if self.work is None else self.work,
        }


@dataclass(frozen=True, kw_only=True)
class Group:
    """All runs of one prompt. The first is the baseline that the others stand beside."""

    name: str
    prompt: str
    runs: tuple[Run, ...]


def compare_page(
    groups: Sequence[Group],
    facts: Mapping[str, object],
    *,
    title: str = "One text, many ways to write it",
    asked: str = "prompt",
) -> str:
    """One self-contained HTML file: a table of results, and the player below it.

    `facts` stand under the title (model, precision, threads, ...), in their order. `asked` is what
    a text was written from.
    Errors: ValueError if there is no group, or a group has no run.

    >>> from anyorder.canvas import Canvas
    >>> run = Run(decoder="LeftToRight", trace=Trace(Canvas.of_prompts([[1]], new_cells=[1])))
    >>> page = compare_page([Group(name="story", prompt="<b>", runs=(run,))], {"model": "R&D"})
    >>> "<b>" in page, "R&amp;D" in page
    (False, True)
    """
    if not groups or not all(group.runs for group in groups):
        raise ValueError("a page needs a prompt, and each prompt at least one run")
    return assembled(data_of(groups), facts, title=title, asked=asked, results=part("results.html"))


def assembled(
    data: Mapping[str, Any],
    facts: Mapping[str, object],
    *,
    title: str,
    asked: str = "prompt",
    results: str = "",
) -> str:
    """The file of `data_of` some groups. `results`: Markup that stands before the player, with a
    table for the results; without it the player stands alone, on a clock that counts steps.
    """
    css = part("player.css")
    script = '"use strict";\n' + "".join(part(name) for name in (*SCRIPTS, "page.js"))
    return Template(part("page.html")).substitute(
        title=escape(title),
        asked=escape(asked),
        policy=_policy(script, css),
        css=css,
        results=Template(results).substitute(asked=escape(asked)),
        player=player_html(asked),
        facts="".join(
            f"<div><dt>{escape(name)}</dt><dd>{escape(str(fact))}</dd></div>"
            for name, fact in facts.items()
        ),
        data=embedded(data),
        script=script,
    )


def player_html(asked: str = "prompt") -> str:
    """The elements that a `Player` of the scripts takes hold of, to stand in a section.

    >>> 'data-part="line"' in player_html()
    True
    """
    return Template(part("player.html")).substitute(asked=escape(asked))


def part(name: str) -> str:
    """The text of a file in `player/`: another page may serve the same player."""
    return (files("anyorder.show") / "player" / name).read_text(encoding="utf-8")


def embedded(data: object) -> str:
    """`data` as compact JSON that can stand inside of a script element, whatever it says.

    >>> embedded("</script>&<!--\\u2028")
    '"\\\\u003c/script\\\\u003e\\\\u0026\\\\u003c!--\\\\u2028"'
    """
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for c in "<>&\u2028\u2029":  # outside of strings JSON has none of them
        text = text.replace(c, f"\\u{ord(c):04x}")
    return text


def _policy(script: str, css: str) -> str:
    """Nothing may be loaded, and only these very scripts and styles may act."""
    return f"default-src 'none'; script-src {_digest(script)}; style-src {_digest(css)}"


def _digest(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


def data_of(groups: Sequence[Group]) -> dict[str, Any]:
    """What the scripts read: pieces that all share, and the groups with their traces."""
    pieces: dict[int, str] = {}
    for run in _runs(groups):
        pieces = run.trace.pieces | pieces
    return {
        "pieces": pieces,
        "groups": [
            {
                "name": group.name,
                "prompt": group.prompt,
                "runs": [
                    {
                        "decoder": run.decoder,
                        "baseline": run.baseline or group.runs[0].decoder,
                        "row": run.row,
                        "figures": _short(run.figures),
                        "trace": list(_lines(run.trace, pieces)),
                    }
                    for run in group.runs
                ],
            }
            for group in groups
        ],
    }


def _runs(groups: Sequence[Group]) -> Iterable[Run]:
    return (run for group in groups for run in group.runs)


def _lines(trace: Trace, shared: Mapping[int, str]) -> Iterable[Any]:
    """The trace's lines, parsed; its footer keeps only the pieces that the page does not share."""
    for line in map(json.loads, trace.lines()):
        if "pieces" in line:
            own = {t: p for t, p in line["pieces"].items() if shared.get(int(t)) != p}
            line = line | {"pieces": own}
        yield _short(line)


def _short(data: Any) -> Any:
    """The same data, its floats with fewer digits; what is not finite is null."""
    if isinstance(data, float):
        return round(data, _DIGITS) if isfinite(data) else None
    if isinstance(data, dict):
        return {name: _short(item) for name, item in data.items()}
    if isinstance(data, list | tuple):
        return [_short(item) for item in data]
    return data
