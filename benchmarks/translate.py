"""Parallel translators beside an autoregressive one, in our engine and in CTranslate2.

    python -m benchmarks.translate pronounce --model MY-AR --model MY-CTC --model MY-DAG
    python -m benchmarks.translate translate-en-de         # the models that come with the library

Every model is scored with the decoder that suits it (or with those that `--decoder` names); every
autoregressive one also runs in CTranslate2, float32 and int8, with one thread and with all of them
(small networks wait for their threads), if `pip install ctranslate2` was done: the same weights,
greedily, in processes of their own. Speeds are measured in turns, by the
protocol of `anyorder.measure.translation`: one source alone, and the best batch. Run it on an idle
machine.

Rows have the fields of `measure.results.Peer`, and more: the scores, `latency` (ms of a source
alone), `throughput` (sources a second at the best `batch`, where `tokens_per_s` is measured, too),
both as ratios to the first row, and `same_share`. Texts of a peer are held against what the same
model writes greedily in our engine; `ratio` is of throughputs, over those of the peers.
"""

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import torch

from anyorder.cli import screen
from anyorder.data.pairs import Example
from anyorder.data.tasks import Task
from anyorder.data.tasks import task as task_of
from anyorder.measure.machine import commit, cores, machine, versions
from anyorder.measure.results import write_json
from anyorder.measure.translation import Reader, Reading, Speed, speeds, translate
from anyorder.meter import Cost
from anyorder.models.files.shipped import of_task
from anyorder.models.translator import Translator, opened
from benchmarks.engines import ctranslate
from benchmarks.engines.ctranslate import CTranslate2
from benchmarks.hire import ROOT

LONGEST = 200  # tokens of a target
PLAIN = "left-to-right"  # what a peer does, too


@dataclass
class Counted:
    """A reader that remembers what batches cost, by their sizes. Satisfies `Reader`."""

    reader: Reader
    costs: dict[int, list[Cost]] = field(default_factory=dict)

    def reads(self, source: str) -> bool:
        return self.reader.reads(source)

    def write(self, sources: Sequence[str], max_new_tokens: int) -> Cost:
        cost = self.reader.write(sources, max_new_tokens)
        self.costs.setdefault(len(sources), []).append(cost)
        return cost


@dataclass(frozen=True)
class Contestant:
    """A model in an engine, and what it makes of the test sources; `plain`: what the same model
    makes of them greedily in our engine, for a peer.
    """

    model: str
    engine: str
    precision: str
    decoder: str
    reader: Counted
    texts: Sequence[str]
    threads: int
    plain: Sequence[str] | None = None

    @property
    def name(self) -> str:
        return f"{self.model} {self.engine} {self.precision} {self.decoder} {self.threads}"


def main(words: Sequence[str] | None = None) -> int:
    """The exit status."""
    options = _options(words)
    torch.set_num_threads(options.threads)
    try:
        task = task_of(options.task)
        folders = options.model or of_task(task.name)
        models = [each for path in folders for each in _opened(path, options.precision)]
        _known(options.decoder, models)
        examples = task.splits().test[: options.pairs]
        with ExitStack() as stack:
            every = list(contestants(models, examples, options, stack))
            rows = measured(every, task, examples, timed=options.timed)
    except (ValueError, OSError) as error:
        print(f"benchmarks.translate: {error}", file=sys.stderr)
        return 1
    for row in rows:
        screen.out().print("  ".join(f"{k} {_short(v)}" for k, v in row.items()), markup=False)
    facts = {"task": task.name, "pairs": len(examples), "threads": options.threads}
    facts |= {
        "max_new_tokens": LONGEST,
        "machine": machine(),
        "versions": versions() | ctranslate.version(),
    }
    facts |= {"commit": commit(), "rows": rows}
    stem = Path(task.name).stem.removeprefix("translate-")
    out = options.out or ROOT / "results" / f"translate-{stem}.json"
    write_json(facts, out)
    return 0


def contestants(
    models: Sequence[Translator],
    examples: Sequence[Example],
    options: argparse.Namespace,
    stack: ExitStack,
) -> Iterator[Contestant]:
    """Each model with its decoders, and in the other engine if that can run it; `stack` ends it."""
    scratch = Path(stack.enter_context(TemporaryDirectory()))
    sources = [example.source for example in examples]
    taken: set[tuple[str, str]] = set()
    for number, model in enumerate(models, 1):
        name = f"{model.name} ({number})" if (model.name, model.precision) in taken else model.name
        taken.add((model.name, model.precision))
        texts: dict[str, Sequence[str]] = {}
        for decoder in dict.fromkeys(options.decoder.get(model.name, [model.decoder])):
            texts[decoder] = translate(model, sources, decoder=decoder, max_new_tokens=LONGEST)
            reader = Counted(Reading(model, decoder))
            made = texts[decoder]
            yield Contestant(
                name, "anyorder", model.precision, decoder, reader, made, options.threads
            )
        if model.kind != "seq2seq" or model.precision != "float32":
            continue
        for precision, threads, peer in _peers(
            model, options.threads, scratch / str(number), stack
        ):
            if PLAIN not in texts:
                texts[PLAIN] = translate(model, sources, decoder=PLAIN, max_new_tokens=LONGEST)
            theirs = peer.texts(sources, LONGEST)
            reader, ours = Counted(peer), texts[PLAIN]
            yield Contestant(
                name, "ctranslate2", precision, "greedy", reader, theirs, threads, ours
            )


def _opened(folder: Path, precisions: Sequence[str]) -> Iterator[Translator]:
    """The model in each precision; in float32 alone, where it is not compiled."""
    plain = opened(folder)
    for precision in precisions:
        if precision == "float32":
            yield plain
        elif plain.is_compiled:
            yield opened(folder, precision)


def _peers(
    model: Translator, threads: int, scratch: Path, stack: ExitStack
) -> Iterator[tuple[str, int, CTranslate2]]:
    """The model in the other engine, by precision and threads; none, and a remark, where that is
    missing.
    """
    for precision, count in product(ctranslate.PRECISIONS, sorted({1, threads})):
        folder = scratch / f"{precision}-{count}"
        running = ctranslate.of(model, precision=precision, threads=count, folder=folder)
        try:
            peer = stack.enter_context(running)
        except ImportError as missing:
            screen.remark(str(missing))
            return
        yield precision, count, peer


def measured(
    every: Sequence[Contestant], task: Task, examples: Sequence[Example], *, timed: int
) -> list[dict[str, Any]]:
    """A row for each contestant, all timed in turns."""
    sources = [example.source for example in examples]
    readers = {str(number): each.reader for number, each in enumerate(every)}
    found = list(speeds(readers, sources, timed=timed, max_new_tokens=LONGEST).values())
    pairs = list(zip(every, found, strict=True))
    peers = [(each.name, speed) for each, speed in pairs if each.plain is not None]
    return [
        {
            **_fields(each, speed, task.name),
            "ratio": {
                name: speed.throughput / peer.throughput for name, peer in peers if peer != speed
            },
            **task.scores(each.texts, examples),
            "latency": speed.latency,
            "latency_spread": speed.latency_spread,
            "throughput": speed.throughput,
            "throughput_spread": speed.throughput_spread,
            "latency_ratio": found[0].latency / speed.latency,
            "throughput_ratio": speed.throughput / found[0].throughput,
            "same_share": _same(each),
        }
        for each, speed in pairs
    ]


def _fields(each: Contestant, speed: Speed, task: str) -> dict[str, Any]:
    """Those that every benchmark against peers has."""
    alone, batches = (each.reader.costs[size][1:] for size in (1, speed.batch))  # after the first
    per_second = [cost.tokens_per_second for cost in batches]
    share = _same(each)
    return {
        "engine": each.engine,
        "decoder": each.decoder,
        "model": each.model,
        "task": task,
        "precision": each.precision,
        "threads": each.threads,
        "batch": speed.batch,
        "tokens_per_s": median(per_second),
        "spread": max(per_second) - min(per_second),
        "calls": speed.calls,
        "tokens_per_call": sum(c.tokens for c in alone) / sum(c.calls for c in alone),
        "same_text": None if share is None else share == 1,
    }


def _same(each: Contestant) -> float | None:
    """For how many sources a peer's text is that of our engine, as a share."""
    if each.plain is None:
        return None
    return sum(map(str.__eq__, each.texts, each.plain)) / len(each.texts)


def _known(decoders: Mapping[str, Sequence[str]], models: Sequence[Translator]) -> None:
    """Raises ValueError for decoders of a model that takes no part."""
    names = list(dict.fromkeys(model.name for model in models))
    for name in decoders:
        if name not in names:
            raise ValueError(f"--decoder is for a model {name!r}; there is {', '.join(names)}")


def _options(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks.translate", description=__doc__)
    parser.add_argument("task", help="pronounce, translate-en-de, or a file of pairs")
    parser.add_argument("--model", type=Path, action="append", help="a folder; the first is base")
    parser.add_argument(
        "--decoder", action="append", default=[], metavar="MODEL=DECODER", help="more than one"
    )
    parser.add_argument(
        "--precision", nargs="+", default=["float32", "int8"], help="ours; peers have their own"
    )
    parser.add_argument("--pairs", type=int, default=500)
    parser.add_argument("--timed", type=int, default=100, help="sources that are timed alone")
    parser.add_argument("--threads", type=int, default=cores())
    parser.add_argument("--out", type=Path)
    options = parser.parse_args(words)
    chosen: dict[str, list[str]] = {}
    for word in options.decoder:
        model, equals, decoder = word.partition("=")
        if not equals:
            parser.error(f"{word}: a decoder is that of a model, MODEL=DECODER")
        chosen.setdefault(model, []).append(decoder)
    options.decoder = chosen
    return options


def _short(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    raise SystemExit(main())
