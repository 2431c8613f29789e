"""The table that `anyorder compare` prints, as wide as the terminal allows.

    console.print(fitted(done, job, console))

No figure is ever cut: where there is too little room, the columns of `LEAST` are left out, the
first of them first, and the caption says which.
"""

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Final

import torch
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

from anyorder.measure.compare import Comparison, Row, draft_time, same_text
from anyorder.show.provenance import acceptance
from anyorder.trace import Trace

if TYPE_CHECKING:
    from anyorder.cli.compared import Job

NAME: Final = 24  # columns of a decoder's name: a longer one is folded before figures are left out
WIDEST: Final = 10_000
NUMBERS: Final = ("tokens/s", "calls", "tokens/call", "accepted")
MORE: Final = ("acceptance length", "draft time", "speed-up")
WORDS: Final = ("same text", "exact")
LEAST: Final = ("draft time", "acceptance length", "exact", "accepted", "tokens/call", "calls")
HEADS: Final = {  # in two lines: a table of 100 columns has room for all
    "tokens/s": "tokens\n/s",
    "tokens/call": "tokens\n/call",
    "acceptance length": "accept.\nlength",
    "draft time": "draft\ntime",
    "speed-up": "speed-\nup",
    "same text": "same\ntext",
}
MEANT: Final = {
    "accepted": "Accepted: of all guesses.",
    "acceptance length": "Acceptance length: tokens that a draft brought, the model's own "
    "included.",
    "draft time": "Draft time: of all seconds.",
}


def fitted(done: Comparison, job: "Job", console: Console) -> Table:
    """The table, with as many columns as there is room for; all of them where nobody looks."""
    spare = max([0, *(len(row.decoder) - NAME for row in done.rows)])
    found, without = table(done, job), 0
    while _wide(found, console) - spare > console.width and without < len(LEAST):
        without += 1
        found = table(done, job, LEAST[:without])
    return found


def _wide(found: Table, console: Console) -> int:
    """Columns that it takes where nothing is folded."""
    return Measurement.get(console, console.options.update(max_width=WIDEST), found).maximum


def table(done: Comparison, job: "Job", without: Collection[str] = ()) -> Table:
    """The table, without some of its columns."""
    under = caption(done, job, without)
    found = Table(caption=under, caption_justify="left", header_style="bold")
    found.add_column("decoder", overflow="fold", vertical="bottom")
    names = [name for name in (*NUMBERS, *MORE, *WORDS) if name not in without]
    for name in names:
        justify = "left" if name in WORDS else "right"
        head = HEADS.get(name, name)
        found.add_column(head, justify=justify, vertical="bottom", no_wrap=True)
    for row in done.rows:
        cells = figures(row, traces_of(done, row.decoder))
        found.add_row(row.decoder, *(cells[name] for name in names))
    return found


def figures(row: Row, runs: Sequence[Trace]) -> dict[str, str]:
    """All cells of a row, by column."""
    told = acceptance(*runs)
    return {
        "tokens/s": f"{row.tokens_per_second:.1f}",
        "calls": str(row.calls),
        "tokens/call": f"{row.tokens_per_call:.2f}",
        "accepted": f"{told['accepted'] / told['drafted']:.0%}" if told["drafted"] else "",
        "acceptance length": f"{told['acceptance_length']:.2f}" if told["drafts"] else "",
        "draft time": draft_time(row),
        "speed-up": f"{row.speedup:.2f}",
        "same text": same_text(row),
        "exact": "yes" if row.exact else "no",
    }


def traces_of(done: Comparison, decoder: str) -> list[Trace]:
    """The runs of a decoder."""
    return [run.output.trace for run in done.runs if run.decoder == decoder]


def caption(done: Comparison, job: "Job", without: Collection[str] = ()) -> str:
    """What the figures are of, and how to read them."""
    words = [
        f"{job.lm.name} in {done.precision}, threads: {torch.get_num_threads()}, "
        f"prompts: {prompts(done)}, up to {job.max_new_tokens} new tokens each, runs: "
        f"{job.repeats}.",
        *(sentence for name, sentence in MEANT.items() if name not in without),
        "Speed-up and same text: against left-to-right.",
    ]
    if done.near_ties is not None:
        words += [
            f"In {done.precision}, {done.near_ties:.1%} of its steps were near-ties, "
            "in which rounding may decide."
        ]
    words += [f"Left out: {name}, since {why}." for name, why in done.left_out.items()]
    if without:
        words += [f"For {', '.join(without)}: a wider terminal, or --json."]
    return " ".join(words)


def prompts(done: Comparison) -> str:
    """How many prompts; of each decoder, where a comparison was stopped between two of them.

    Calls and tokens/s are then of unlike texts; speed-ups are of those that both have written.
    """
    had = {row.decoder: row.prompts for row in done.rows}
    if len(set(had.values())) == 1:
        return str(next(iter(had.values())))
    told = ", ".join(f"{name} {n}" for name, n in had.items())
    return f"{told} (so that only speed-up and same text compare)"
