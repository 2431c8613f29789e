"""The same prompts under several decoders, side by side: speed, calls, and the same text or not.

    comparison = compare(lm, prompts, [TokenRecycling(), PromptCopy()])
    comparison.rows            # one a decoder: sums over all prompts
    comparison.runs            # one a decoder and prompt, with its trace

Left to right is always there, first: it is what "same text" and "speed-up" refer to.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from anyorder.decode.generate import generate
from anyorder.decode.run import Decoder
from anyorder.decode.writing import Output
from anyorder.measure.contestants import fitting, made, named, why
from anyorder.measure.near_ties import NEAR_TIE, gaps
from anyorder.measure.notes import lines as told
from anyorder.measure.turns import in_turn
from anyorder.meter import Cost
from anyorder.models.language_model import LanguageModel
from anyorder.models.writer import Writer


@dataclass(frozen=True)
class Run:
    """One decoder on one prompt: the output of the median run, by seconds; `notes`: of all runs."""

    decoder: str
    prompt: str
    output: Output
    same_text: bool
    notes: tuple[str, ...] = ()

    @property
    def cost(self) -> Cost:
        return self.output.cost


@dataclass(frozen=True)
class Row:
    """One decoder over all prompts. `same_text` counts the prompts whose text did not change; cells
    and seconds are those of `Cost`, summed up.
    """

    decoder: str
    exact: bool
    tokens_per_second: float
    calls: int
    tokens_per_call: float
    speedup: float
    same_text: int
    prompts: int
    cells: int = 0
    seconds: float = 0.0
    draft_seconds: float = 0.0
    prompt_seconds: float = 0.0
    verify_seconds: float = 0.0


@dataclass(frozen=True)
class Comparison:
    """All runs, and what they add up to; `decoders` have names of their own, the baseline is first.

    `near_ties` is the share of left-to-right steps whose two best tokens were closer than
    `NEAR_TIE`: where rounding may decide (None in float32, which is not asked). `left_out` says
    why a decoder is not among the runs: it does not fit the model, or, if it is in `failed` too,
    it went wrong; what it had written before does not count.
    """

    runs: tuple[Run, ...]
    decoders: Mapping[str, Decoder]
    near_ties: float | None
    precision: str
    left_out: Mapping[str, str] = field(default_factory=dict)
    failed: frozenset[str] = frozenset()

    @property
    def rows(self) -> list[Row]:
        """One row a decoder that has run, left to right first; speed-ups on the prompts it had."""
        baseline = next(iter(self.decoders))
        rows = []
        for name, decoder in self.decoders.items():
            runs = [run for run in self.runs if run.decoder == name]
            if not runs:
                continue
            prompts = {run.prompt for run in runs}
            base = [r for r in self.runs if r.decoder == baseline and r.prompt in prompts]
            cost, plain = (sum((run.cost for run in each), Cost()) for each in (runs, base))
            rows.append(
                Row(
                    decoder=name,
                    exact=decoder.exact,
                    tokens_per_second=cost.tokens_per_second,
                    calls=cost.calls,
                    tokens_per_call=cost.tokens_per_call,
                    speedup=cost.tokens_per_second / max(plain.tokens_per_second, 1e-9),
                    same_text=sum(run.same_text for run in runs),
                    prompts=len(runs),
                    cells=cost.cells,
                    seconds=cost.seconds,
                    draft_seconds=cost.draft_seconds,
                    prompt_seconds=cost.prompt_seconds,
                    verify_seconds=cost.verify_seconds,
                )
            )
        return rows

    def __str__(self) -> str:
        """The rows as plain text; a line for each decoder that noted something or was left out."""
        numbers = ("tokens/s", "calls", "tokens/call", "draft time", "speed-up", "same text")
        head = ("decoder", *numbers)
        cells = [
            (
                row.decoder,
                f"{row.tokens_per_second:.1f}",
                str(row.calls),
                f"{row.tokens_per_call:.2f}",
                draft_time(row),
                f"{row.speedup:.2f}",
                same_text(row),
            )
            for row in self.rows
        ]
        widths = [max(len(line[i]) for line in (head, *cells)) for i in range(len(head))]
        lines = [
            "  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])])
            for line in (head, *cells)
        ]
        left_out = [f"{name}: {why}" for name, why in self.left_out.items()]
        return "\n".join([*lines, *told(self.notes), *left_out])

    @property
    def notes(self) -> dict[str, list[list[str]]]:
        """What the runs of each decoder noted, prompt by prompt."""
        found: dict[str, list[list[str]]] = {}
        for run in self.runs:
            found.setdefault(run.decoder, []).append(list(run.notes))
        return found


def draft_time(row: Row) -> str:
    """Which share of the seconds was spent on drafts; "" if none was.

    >>> draft_time(Row("jacobi", True, 9.0, 5, 2.0, 1.1, 2, 3, seconds=2.0, draft_seconds=0.3))
    '15%'
    """
    return f"{row.draft_seconds / row.seconds:.0%}" if row.draft_seconds else ""


def same_text(row: Row) -> str:
    """Yes, no, or how many of the prompts.

    >>> same_text(Row("jacobi", True, 9.0, 5, 2.0, 1.1, same_text=2, prompts=3))
    '2 of 3'
    """
    if row.same_text == row.prompts:
        return "yes"
    return f"{row.same_text} of {row.prompts}" if row.same_text else "no"


def compare(
    lm: Writer,
    prompts: str | Sequence[str] | Mapping[str, str],
    decoders: Decoder | str | Sequence[Decoder | str],
    *,
    max_new_tokens: int = 128,
    repeats: int = 1,
    chat: bool | None = None,
    on_run: Callable[[str, str], None] | None = None,
) -> Comparison:
    """Run every decoder on every prompt, greedily, in turns; keep each one's median run.

    `prompts` may have names, `decoders` are decoders or their names; of both one may stand alone.
    `repeats` runs of each, in alternating order, after one short run of each that is not counted.
    `on_run(decoder, prompt)` is told before each run. A decoder that does not fit the model, or
    that goes wrong, is left out. Raises ValueError as `generate` does, and if none beside the
    baseline fits.
    """
    growing = comparing(
        lm,
        prompts,
        decoders,
        max_new_tokens=max_new_tokens,
        repeats=repeats,
        chat=chat,
        on_run=on_run,
    )
    *_, whole = growing
    return whole


def comparing(
    lm: Writer,
    prompts: str | Sequence[str] | Mapping[str, str],
    decoders: Decoder | str | Sequence[Decoder | str],
    *,
    max_new_tokens: int = 128,
    repeats: int = 1,
    chat: bool | None = None,
    on_run: Callable[[str, str], None] | None = None,
) -> Iterator[Comparison]:
    """`compare`, step by step: what is known so far after each run, for whoever may stop early."""
    texts = named(prompts)
    if not texts or repeats < 1:
        raise ValueError("there is nothing to compare; give at least one prompt and one repeat")
    first = next(iter(texts.values()))
    tally = _Tally(lm, *fitting(lm, first, made(decoders), min(8, max_new_tokens), chat))
    for name, prompt in texts.items():
        if getattr(getattr(lm, "model", None), "captures", False):
            _once(lm, prompt, tally.chosen.values(), max_new_tokens=max_new_tokens, chat=chat)
        outputs: dict[str, list[Output]] = {}  # of this prompt alone: each holds its trace
        turns = [kind for n in range(repeats) for kind in in_turn(list(tally.chosen), n)]
        for kind in turns:
            if kind in tally.left_out:
                continue
            if on_run:
                on_run(kind, name)
            decoder = tally.chosen[kind]
            try:
                out = generate(
                    lm, prompt, decoder=decoder, max_new_tokens=max_new_tokens, chat=chat, seed=0
                )
                tally.note(kind, name, out, outputs)
            except Exception as error:  # whatever one decoder does, the others go on
                tally.leave_out(kind, name, error)
            yield tally.comparison


def _once(lm: Writer, prompt: str, decoders: Iterable[Decoder], **options: Any) -> None:
    """A run of each that is not counted, where calls of a new size are captured first."""
    for decoder in decoders:
        with suppress(Exception):  # what goes wrong is noted when it counts
            generate(lm, prompt, decoder=decoder, seed=0, **options)


@dataclass
class _Tally:
    """What a comparison knows so far."""

    lm: Writer
    chosen: dict[str, Decoder]
    left_out: dict[str, str]
    failed: frozenset[str]
    runs: dict[tuple[str, str], Run] = field(default_factory=dict)
    gaps: list[float] = field(default_factory=list)

    def note(self, kind: str, name: str, out: Output, outputs: dict[str, list[Output]]) -> None:
        """One more run of this prompt, beside its others."""
        outs = outputs.setdefault(kind, [])
        outs.append(out)
        base = next(iter(outputs.values()))[0]
        if out is base and isinstance(self.lm, LanguageModel) and self.lm.precision != "float32":
            self.gaps += gaps(self.lm, out)
        same = all(each.tokens == base.tokens for each in outs)
        notes = tuple(dict.fromkeys(note for each in outs for note in each.trace.notes))
        self.runs[name, kind] = Run(kind, name, _median(outs), same, notes)

    def leave_out(self, kind: str, name: str, error: Exception) -> None:
        """Forget a decoder that failed: all rows are over the same prompts."""
        if kind == next(iter(self.chosen)):
            raise error
        self.left_out = {**self.left_out, kind: why(error, name)}
        self.failed |= {kind}
        self.runs = {key: run for key, run in self.runs.items() if key[1] != kind}

    @property
    def comparison(self) -> Comparison:
        near = sum(gap < NEAR_TIE for gap in self.gaps) / len(self.gaps) if self.gaps else None
        runs, precision = tuple(self.runs.values()), self.lm.precision
        return Comparison(runs, self.chosen, near, precision, self.left_out, self.failed)


def _median(outs: Sequence[Output]) -> Output:
    """The run in the middle by seconds; of an even number the faster of the two."""
    return sorted(outs, key=lambda out: out.cost.seconds)[(len(outs) - 1) // 2]
