"""Decoders at several batch sizes: does drafting still pay when rows share a call?

    python -m benchmarks.batches                      # about half an hour on two cores

The prompts are those of our systems, in a fixed mixture of kinds; a batch holds as many as its
size, and is written to its end, so a row that ends early leaves its place empty (there is no
queue). Throughput counts the tokens of all rows. Transformers' greedy decoding, with padding,
stands beside. Every size is measured `--repeats` times in turns; figures are medians, `spread` is
the range. `same_text`: as left to right; `same_as_alone`: as this writer writes one by one. At the
end it says whether what was promised of eight texts together holds.
"""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any, Final

import torch

from anyorder.cli import screen
from anyorder.decode.generate import generate
from anyorder.measure.turns import in_turn
from anyorder.measure.verify.hugging import Generation
from anyorder.measure.verify.subject import Ask
from anyorder.models.hugging.network import opened
from anyorder.models.load import load
from anyorder.systems.prompts import groups, kinds
from benchmarks.hire import ROOT
from benchmarks.report import report
from benchmarks.targets import Verdict

PLAIN: Final = "left-to-right"
DECODERS: Final = (PLAIN, "prompt-copy", "token-recycling", "auto")
SIZES: Final = (1, 2, 4, 8)
PEER: Final = "transformers greedy"
Write = Callable[[Sequence[str], int], tuple[int, list[str]]]


def ours(lm: Any, decoder: str) -> Write:
    """Tokens and texts of a batch."""

    def write(prompts: Sequence[str], most: int) -> tuple[int, list[str]]:
        out = generate(lm, list(prompts), decoder=decoder, max_new_tokens=most)
        return sum(map(len, out.tokens)), list(out.text)  # type: ignore[arg-type]

    return write


def theirs(source: str, precision: str) -> Write:
    """The same of transformers."""
    peer = Generation(*opened(source, precision))

    def write(prompts: Sequence[str], most: int) -> tuple[int, list[str]]:
        said = peer.write([Ask(prompt, most) for prompt in prompts])
        return sum(len(each.tokens) for each in said), [each.text for each in said]

    return write


def chosen(many: int) -> list[str]:
    """Prompts of all kinds, one of each kind in turn."""
    of_kind = [list(groups((kind,), 1)[0].values()) for kind in kinds()]
    mixed = [prompt for row in zip(*of_kind, strict=False) for prompt in row]
    return mixed[:many]


def timed(write: Write, prompts: Sequence[str], size: int, most: int) -> tuple[float, list[str]]:
    """Tokens per second over all batches, and the texts."""
    tokens, texts, begun = 0, list[str](), time.perf_counter()
    for at in range(0, len(prompts), size):
        many, said = write(prompts[at : at + size], most)
        tokens, texts = tokens + many, texts + said
    return tokens / (time.perf_counter() - begun), texts


def measured(
    writers: dict[str, Write], sizes: Sequence[int], prompts: Sequence[str], options: Any
) -> list[dict[str, Any]]:
    """A row for each writer and size; all take turns."""
    rates: dict[tuple[str, int], list[float]] = {}
    alone: dict[str, list[str]] = {}
    same: dict[tuple[str, int], bool] = {}
    for write in writers.values():
        write(prompts[:2], 8)  # first calls set up kernels
    sizes = sorted({1, *sizes})
    for number in range(options.repeats):
        for size in sizes:
            for name in in_turn(list(writers), number):
                screen.remark(f"turn {number + 1}: {name}, batches of {size}")
                rate, texts = timed(writers[name], prompts, size, options.max_new_tokens)
                rates.setdefault((name, size), []).append(rate)
                alone.setdefault(name, texts)
                same[name, size] = same.get((name, size), True) and texts == alone[name]
    return [
        {
            "writer": name,
            "batch": size,
            "tokens_per_s": median(found),
            "spread": max(found) - min(found),
            "over_alone": median(found) / median(rates[name, 1]),
            "over_plain": median(found) / median(rates[PLAIN, size]),
            "same_text": alone[name] == alone[PLAIN],
            "same_as_alone": same[name, size],
        }
        for (name, size), found in rates.items()
    ]


def verdicts(rows: Sequence[dict[str, Any]]) -> list[Verdict]:
    """What was promised of eight texts together, drafts and all."""
    rate = {(row["precision"], row["writer"], row["batch"]): row["tokens_per_s"] for row in rows}
    found = []
    for precision in dict.fromkeys(row["precision"] for row in rows):
        if (precision, PEER, 8) in rate:
            ratio = rate[precision, "auto", 8] / rate[precision, PEER, 8]
            text = f"auto at least 2 times {PEER}, {precision}, eight texts together"
            found.append(Verdict(text, 2.0, ratio))
    return found


def main(words: Sequence[str] | None = None) -> int:
    """The exit status."""
    options = _options(words)
    torch.set_num_threads(options.threads)
    prompts, rows = chosen(options.prompts), list[dict[str, Any]]()
    try:
        for precision in options.precisions:
            lm = load(options.model, precision=precision)
            writers = {name: ours(lm, name) for name in DECODERS}
            if precision != "int8":
                writers[PEER] = theirs(options.model, precision)
            found = measured(writers, options.sizes, prompts, options)
            rows += [{"precision": precision, **row} for row in found]
    except (ValueError, OSError) as error:
        screen.complain(str(error))
        return 1
    name = Path(options.model).name
    report(
        rows,
        options.out or ROOT / "results" / f"batches-{name}.json",
        model=name,
        threads=options.threads,
        prompts=len(prompts),
        max_new_tokens=options.max_new_tokens,
        kept=verdicts(rows),
    )
    return 0


def _options(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks.batches", description=__doc__)
    add = parser.add_argument
    add("--model", default="smollm2")
    add("--precisions", nargs="+", default=["int8", "bfloat16", "float32"])
    add("--sizes", nargs="+", type=int, default=list(SIZES))
    add("--prompts", type=int, default=16)
    add("--repeats", type=int, default=3)
    add("--max-new-tokens", type=int, default=64)
    add("--threads", type=int, default=2)
    add("--out", type=Path)
    return parser.parse_args(words)


if __name__ == "__main__":
    sys.exit(main())
