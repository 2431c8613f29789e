"""Parallel translators beside an autoregressive one, in our engine and in CTranslate2.

    python -m benchmarks.translate pronounce --model MY-AR --model MY-CTC --model MY-DAG
    python -m benchmarks.translate translate-en-de         # the models that come with the library

Every model is scored with the decoder that suits it (and with what `--decoder` names); every
autoregressive one also runs in CTranslate2, float32 and int8, if `pip install ctranslate2` was
done: the same weights, greedily. Speeds are measured in turns, by the protocol of
`anyorder.measure.translation`: one source alone, and the best batch. Run it on an idle machine.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from anyorder.cli import screen
from anyorder.data.tasks import task as task_of
from anyorder.measure.machine import commit, cores, machine, versions
from anyorder.measure.results import write_json
from anyorder.measure.translation import Reader, Reading, speeds, translate
from anyorder.models.shipped import shipped
from anyorder.models.translator import Translator, opened
from benchmarks.engines.ctranslate import PRECISIONS, CTranslate2
from benchmarks.hire import ROOT

LONGEST = 200  # tokens of a target


@dataclass(frozen=True)
class Contestant:
    """A model in an engine, and what it makes of the test sources."""

    model: str
    engine: str
    decoder: str
    reader: Reader
    texts: tuple[str, ...]

    @property
    def name(self) -> str:
        return f"{self.model}, {self.engine}, {self.decoder}"


def main(words: Sequence[str] | None = None) -> int:
    """The exit status."""
    options = _options(words)
    torch.set_num_threads(options.threads)
    try:
        models = [opened(path) for path in options.model or _shipped(options.task)]
        task = task_of(options.task)
        examples = task.splits().test[: options.pairs]
    except (ValueError, OSError) as error:
        print(f"benchmarks.translate: {error}", file=sys.stderr)
        return 1
    sources = [example.source for example in examples]
    with TemporaryDirectory() as scratch:
        every = [
            contestant
            for model in models
            for contestant in contestants(model, sources, options, Path(scratch))
        ]
        found = speeds(
            {each.name: each.reader for each in every},
            sources,
            timed=options.timed,
            max_new_tokens=LONGEST,
        )
    first = every[0]
    rows = [
        {
            "model": each.model,
            "engine": each.engine,
            "decoder": each.decoder,
            **task.scores(each.texts, examples),
            **asdict(found[each.name]),
            "latency_ratio": found[first.name].latency / found[each.name].latency,
            "throughput_ratio": found[each.name].throughput / found[first.name].throughput,
            "same_text": sum(map(str.__eq__, each.texts, first.texts)) / len(sources),
        }
        for each in every
    ]
    for row in rows:
        screen.out().print("  ".join(f"{k} {_short(v)}" for k, v in row.items()))
    facts = {"task": options.task, "pairs": len(sources), "threads": options.threads}
    facts |= {"machine": machine(), "versions": versions(), "commit": commit(), "rows": rows}
    out = options.out or ROOT / "results" / f"translate-{Path(options.task).stem}.json"
    write_json(facts, out)
    return 0


def contestants(
    model: Translator, sources: Sequence[str], options: argparse.Namespace, scratch: Path
) -> list[Contestant]:
    """The model with its decoders, and in the other engine if that can run it."""
    found: list[Contestant] = []
    for decoder in options.decoder.get(model.name, [model.decoder]):
        texts = translate(model, sources, decoder=decoder, max_new_tokens=LONGEST)
        reader = Reading(model, decoder)
        found.append(Contestant(model.name, "anyorder", str(decoder), reader, tuple(texts)))
    if model.kind != "seq2seq":
        return found
    for precision in PRECISIONS:
        folder = scratch / f"{model.name}-{precision}"
        try:
            peer = CTranslate2.of(
                model, precision=precision, threads=options.threads, folder=folder
            )
        except ImportError as missing:
            screen.remark(str(missing))
            break
        texts = peer.texts(sources, LONGEST)
        engine = f"CTranslate2 {precision}"
        found.append(Contestant(model.name, engine, "greedy", peer, tuple(texts)))
    return found


def _options(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks.translate", description=__doc__)
    parser.add_argument("task", help="pronounce, translate-en-de, or a file of pairs")
    parser.add_argument("--model", type=Path, action="append", help="a folder; the first is base")
    parser.add_argument(
        "--decoder", action="append", default=[], metavar="MODEL=DECODER", help="more than one"
    )
    parser.add_argument("--pairs", type=int, default=500)
    parser.add_argument("--timed", type=int, default=100, help="sources that are timed alone")
    parser.add_argument("--threads", type=int, default=cores())
    parser.add_argument("--out", type=Path)
    options = parser.parse_args(words)
    chosen: dict[str, list[str]] = {}
    for word in options.decoder:
        model, _, decoder = word.partition("=")
        chosen.setdefault(model, []).append(decoder)
    options.decoder = chosen
    return options


def _shipped(task: str) -> list[Path]:
    found = [folder for name, folder in shipped().items() if name.startswith(f"{task}-")]
    if not found:
        raise ValueError(f"no model of {task} comes with the library; name one with --model")
    return found


def _short(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    raise SystemExit(main())
