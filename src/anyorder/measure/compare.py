"""The same prompts under several decoders, side by side: speed, calls, and the same text or not.

    comparison = compare(lm, prompts, [TokenRecycling(), PromptCopy()])
    comparison.rows            # one a decoder: sums over all prompts
    comparison.runs            # one a decoder and prompt, with its trace

Left to right is always there, first: it is what "same text" and "speed-up" refer to.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

import torch

from anyorder.canvas import GIVEN
from anyorder.decode.catalogue import label
from anyorder.decode.generate import Output, generate
from anyorder.decode.left_to_right.plain import LeftToRight
from anyorder.decode.run import Decoder
from anyorder.meter import Cost
from anyorder.models.language_model import LanguageModel
from anyorder.trace import fold

NEAR_TIE = 0.05  # difference of the two largest logits: odds of 51 to 49


@dataclass(frozen=True)
class Run:
    """One decoder on one prompt: the output of the median run, by seconds."""

    decoder: str
    prompt: str
    output: Output
    same_text: bool

    @property
    def cost(self) -> Cost:
        return self.output.cost


@dataclass(frozen=True)
class Row:
    """One decoder over all prompts. `same_text` counts the prompts whose text did not change."""

    decoder: str
    exact: bool
    tokens_per_second: float
    calls: int
    tokens_per_call: float
    speedup: float
    same_text: int
    prompts: int


@dataclass(frozen=True)
class Comparison:
    """All runs, and what they add up to. `near_ties` is the share of left-to-right steps whose two
    best tokens were closer than `NEAR_TIE`: where rounding may decide."""

    runs: tuple[Run, ...]
    decoders: tuple[Decoder, ...]
    near_ties: float
    precision: str

    @property
    def rows(self) -> list[Row]:
        """One row a decoder that has run, left to right first; speed-ups on the prompts it had."""
        baseline = label(self.decoders[0])
        rows = []
        for decoder in self.decoders:
            name = label(decoder)
            runs = [run for run in self.runs if run.decoder == name]
            if not runs:
                continue
            prompts = {run.prompt for run in runs}
            base = [r for r in self.runs if r.decoder == baseline and r.prompt in prompts]
            costs = [run.cost for run in runs]
            rate = _rate(costs)
            calls = sum(cost.calls for cost in costs)
            rows.append(
                Row(
                    decoder=name,
                    exact=decoder.exact,
                    tokens_per_second=rate,
                    calls=calls,
                    tokens_per_call=sum(cost.tokens for cost in costs) / max(calls, 1),
                    speedup=rate / _rate([run.cost for run in base]),
                    same_text=sum(run.same_text for run in runs),
                    prompts=len(runs),
                )
            )
        return rows

    def __str__(self) -> str:
        """The rows as a table of plain text."""
        head = ("decoder", "tokens/s", "calls", "tokens/call", "speed-up", "same text")
        cells = [
            (
                row.decoder,
                f"{row.tokens_per_second:.1f}",
                str(row.calls),
                f"{row.tokens_per_call:.2f}",
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
        return "\n".join(lines)


def same_text(row: Row) -> str:
    """Yes, no, or how many of the prompts.

    >>> same_text(Row("jacobi", True, 9.0, 5, 2.0, 1.1, same_text=2, prompts=3))
    '2 of 3'
    """
    if row.same_text == row.prompts:
        return "yes"
    return f"{row.same_text} of {row.prompts}" if row.same_text else "no"


def compare(
    lm: LanguageModel,
    prompts: Sequence[str] | Mapping[str, str],
    decoders: Sequence[Decoder],
    *,
    max_new_tokens: int = 128,
    repeats: int = 1,
    chat: bool | None = None,
    on_run: Callable[[str, str], None] | None = None,
) -> Comparison:
    """Run every decoder on every prompt, greedily, in turns; keep each one's median run.

    `prompts` may have names. `repeats` runs of each, in alternating order, after one short run of
    each that is not counted. `on_run(decoder, prompt)` is told before each run.
    Raises ValueError as `generate` does.
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
    lm: LanguageModel,
    prompts: Sequence[str] | Mapping[str, str],
    decoders: Sequence[Decoder],
    *,
    max_new_tokens: int = 128,
    repeats: int = 1,
    chat: bool | None = None,
    on_run: Callable[[str, str], None] | None = None,
) -> Iterator[Comparison]:
    """`compare`, step by step: what is known so far after each run, for whoever may stop early."""
    named = prompts if isinstance(prompts, Mapping) else dict(_numbered(prompts))
    if not named or repeats < 1:
        raise ValueError("there is nothing to compare; give at least one prompt and one repeat")
    chosen = with_baseline(decoders)
    first = next(iter(named.values()))
    for decoder in chosen:  # first calls set up kernels
        generate(lm, first, decoder=decoder, max_new_tokens=min(8, max_new_tokens), chat=chat)
    outputs: dict[tuple[str, str], list[Output]] = {}
    runs: dict[tuple[str, str], Run] = {}
    gaps: list[float] = []
    for name, decoder in _turns(list(named), chosen, repeats):
        kind = label(decoder)
        if on_run:
            on_run(kind, name)
        out = generate(
            lm, named[name], decoder=decoder, max_new_tokens=max_new_tokens, chat=chat, seed=0
        )
        outs = outputs.setdefault((name, kind), [])
        outs.append(out)
        base = outputs[name, label(chosen[0])][0]
        gaps += _gaps(lm, base) if out is base else []
        same = all(each.tokens == base.tokens for each in outs)
        runs[name, kind] = Run(kind, name, _median(outs), same)
        near = sum(gap < NEAR_TIE for gap in gaps) / max(len(gaps), 1)
        yield Comparison(tuple(runs.values()), tuple(chosen), near, lm.precision)


def _turns(
    names: Sequence[str], decoders: Sequence[Decoder], repeats: int
) -> Iterator[tuple[str, Decoder]]:
    """Prompt by prompt, all decoders, there and back: no decoder has the cooler machine."""
    for name in names:
        for turn in range(repeats):
            for decoder in decoders if turn % 2 == 0 else decoders[::-1]:
                yield name, decoder


def with_baseline(decoders: Sequence[Decoder]) -> list[Decoder]:
    """Left to right and then the others, none twice."""
    rest = [decoder for decoder in decoders if not isinstance(decoder, LeftToRight)]
    return list({label(decoder): decoder for decoder in [LeftToRight(), *rest]}.values())


def _numbered(prompts: Sequence[str]) -> list[tuple[str, str]]:
    return [(f"prompt {number}", prompt) for number, prompt in enumerate(prompts, 1)]


def _rate(costs: Sequence[Cost]) -> float:
    return sum(cost.tokens for cost in costs) / max(sum(cost.seconds for cost in costs), 1e-9)


def _median(outs: Sequence[Output]) -> Output:
    middle = median(sorted(out.cost.seconds for out in outs)[: len(outs) // 2 * 2 + 1])
    return min(outs, key=lambda out: abs(out.cost.seconds - middle))


def _gaps(lm: LanguageModel, out: Output) -> list[float]:
    """Differences between the two largest logits at each written cell, read in one call."""
    canvas = fold(out.trace)
    tokens = canvas.row(0)
    begin = int((canvas.status_BN[0] == GIVEN).sum())
    with torch.inference_mode():
        cache = lm.model.new_cache(1, len(tokens))
        score_1S = torch.arange(begin - 1, len(tokens) - 1)[None]
        logits_1SV = lm.model.extend(torch.tensor([tokens]), cache, score_BS=score_1S)
        best = logits_1SV[0].topk(2, -1).values
    return (best[:, 0] - best[:, 1]).tolist()
