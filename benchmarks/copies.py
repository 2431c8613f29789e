"""How often a copy of what once followed the last tokens is right, by how many of them match.

    python -m benchmarks.copies                       # two minutes on two cores

It is what `auto` takes for granted before it has seen a text (see `experience`, beside `auto`).
The texts are greedy answers to `examples/prompts.jsonl` and to the first turns of
`texts/spec_bench.jsonl`; at each of their tokens the longest match is counted, of four tokens at
the most. `first`: of a text's first two places with such a match alone.
"""

import argparse
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyorder
from anyorder.canvas import Canvas
from anyorder.cli import screen
from anyorder.decode.draft_verify.by_cost.experience import LONGEST
from anyorder.decode.draft_verify.from_text.ngrams import NGrams
from anyorder.decode.generate import generate
from anyorder.models.language_model import LanguageModel
from anyorder.trace import fold
from benchmarks.hire import ROOT
from benchmarks.report import report
from benchmarks.spec_bench import QUESTIONS, questions

EARLY = 2  # places of a text that are its first


@dataclass
class Counts:
    """Places by the length of the match, and at how many of them the copy was right."""

    places: Counter[int] = field(default_factory=Counter)
    right: Counter[int] = field(default_factory=Counter)

    def see(self, match: int, right: bool) -> None:
        """One more place."""
        self.places[match] += 1
        self.right[match] += right


def count(texts: Sequence[tuple[Sequence[int], Sequence[int]]]) -> tuple[Counts, Counts]:
    """Of prompts and what was written after each: all places, and the first ones of each text.

    >>> every, first = count([([5, 6, 5], [6, 5, 6, 7])])
    >>> dict(every.places), dict(every.right)
    ({1: 1, 2: 1, 3: 1, 4: 1}, {1: 1, 2: 1, 3: 1, 4: 0})
    """
    every, first = Counts(), Counts()
    for prompt, written in texts:
        grams, seen = NGrams(batch=1, longest=LONGEST), Counter[int]()
        for number, token in enumerate(written):
            text = [*prompt, *written[:number]]
            (source,), (match,) = grams.latest(Canvas.of_prompts([text], new_cells=[1]))
            if match:
                every.see(match, text[source] == token)
                seen[match] += 1
                if seen[match] <= EARLY:
                    first.see(match, text[source] == token)
    return every, first


def prompts() -> list[str]:
    """Those of the examples, and the first turns of the questions."""
    lines = (ROOT / "examples" / "prompts.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["prompt"] for line in lines] + [
        question.turns[0] for question in questions(QUESTIONS)
    ]


def answers(lm: LanguageModel, most: int) -> Iterator[tuple[list[int], list[int]]]:
    """Prompts and what the model writes after them, as tokens."""
    asked = prompts()
    with screen.progress() as bar:
        turn = bar.add_task("writing", total=len(asked))
        for prompt in asked:
            trace = generate(lm, prompt, max_new_tokens=most).trace
            begin = trace.start.row(0)
            yield begin, fold(trace).row(0)[len(begin) :]
            bar.update(turn, advance=1)


def rows_of(every: Counts, first: Counts) -> list[dict[str, Any]]:
    """A row for each length of a match."""
    return [
        {
            "match": match,
            "places": every.places[match],
            "right": every.right[match] / every.places[match],
            "first": first.right[match] / first.places[match],
        }
        for match in sorted(every.places)
    ]


def main() -> None:
    """Write `results/copies-<name>.json`."""
    options = _parser().parse_args()
    lm = anyorder.load(options.model, precision=options.precision)
    if not isinstance(lm, LanguageModel):
        raise SystemExit(f"{options.model} is no language model")
    texts = list(answers(lm, options.max_new_tokens))
    settings: dict[str, Any] = {"model": Path(options.model).name, "precision": options.precision}
    settings |= {"texts": len(texts), "max_new_tokens": options.max_new_tokens}
    report(rows_of(*count(texts)), options.out, **settings)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    add = parser.add_argument
    add("--model", default="smollm2")
    add("--precision", default="int8")
    add("--max-new-tokens", type=int, default=128)
    add("--out", type=Path, default=ROOT / "results" / "copies-smollm2.json")
    return parser


if __name__ == "__main__":
    main()
