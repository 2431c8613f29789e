"""Our decoders beside those of transformers and llama.cpp: same prompts, same ids, one machine.

    python -m benchmarks.peers --quick           # the whole path: one prompt, once
    python -m benchmarks.peers                   # all of it: about 14 minutes on two cores
    python -m benchmarks.peers --show results/peers-smollm2.json

Run from the root of the repository, on an idle machine. Run again, it goes on where it was ended.
See benchmarks/README.md for what is measured, and for the peers' environment.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import gettempdir

from anyorder.cli import screen
from anyorder.cli.prompts import read
from anyorder.decode.catalogue import parse
from anyorder.measure.machine import commit, cores, machine, versions
from anyorder.measure.results import Fact, Peers, read_peers, write_peers
from anyorder.models.files.fetch import MODELS, fetch
from benchmarks.conductor import Stage, conduct
from benchmarks.crew import Crew, hired
from benchmarks.hire import ROOT, WorkerError
from benchmarks.rows import rows_of
from benchmarks.schedule import OURS, PLAIN, Journal, contestants, jobs, left
from benchmarks.table import first_calls, table
from benchmarks.targets import verdicts

DECODERS = (PLAIN[OURS], "prompt-copy", "token-recycling", "jacobi", "auto")
PEERS_PYTHON = ROOT / "benchmarks" / ".venv" / "bin" / "python"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What is to be measured, and how much of it."""

    model: Path
    name: str
    prompts: dict[str, str]
    peers_python: Path
    out: Path
    decoders: Sequence[str]
    precisions: Sequence[str]
    new: int
    repeats: int
    threads: int
    assisted_layers: int

    @property
    def journal(self) -> Path:
        """The runs that are done, until all are."""
        return self.out.with_suffix(".partial.jsonl")


def main(words: Sequence[str] | None = None) -> int:
    """The exit status."""
    chosen = arguments().parse_args(words)
    try:
        if chosen.show:
            show(read_peers(chosen.show))
            return 0
        settings = settings_of(chosen)
        if chosen.fresh:
            settings.journal.unlink(missing_ok=True)
        warn_if_busy()
        show(measure(settings))
    except (ValueError, OSError, WorkerError) as error:
        screen.complain(str(error))
        return 1
    except KeyboardInterrupt:
        screen.complain("ended; the same command goes on from here")
        return 130
    return 0


def measure(settings: Settings) -> Peers:
    """All runs that are not yet done; the result is written after each turn of the repeats."""
    with hired(
        model=settings.model,
        peers_python=settings.peers_python,
        threads=settings.threads,
        say=screen.remark,
    ) as crew:
        stage = stage_of(settings, crew)
        wanted = jobs(
            contestants(
                settings.decoders,
                precisions=settings.precisions,
                peers=crew.precisions,
                assisted_layers=settings.assisted_layers,
            ),
            list(stage.prompts),
            repeats=settings.repeats,
        )
        all_versions = {**versions(), **crew.versions}
        on: dict[str, Fact] = {**machine(), "threads": settings.threads}
        head = commit()
        facts = {"commit": head, "versions": all_versions, "machine": on, "model": settings.name}
        journal = Journal(settings.journal, {**facts, "new": stage.new, "prompts": stage.prompts})

        def result() -> Peers:
            rows = rows_of(journal.runs, model=settings.name)
            made = Peers(commit=head, versions=all_versions, machine=on, rows=rows)
            write_peers(made, settings.out)
            return made

        with screen.progress() as bar:
            todo = left(wanted, journal)
            warm_ups = {job.contestant for job in todo}
            runs = bar.add_task("", total=len(todo) + len(warm_ups))

            def on_run(name: str) -> None:
                bar.update(runs, advance=1, description=name)

            for _ in conduct(wanted, journal, stage, say=screen.remark, on_run=on_run):
                result()
        screen.remark("time to read the prompt (part of all times):")
        for line in first_calls(journal.runs):
            screen.remark(line)
        if not left(wanted, journal):
            settings.journal.unlink()
        return result()


def stage_of(settings: Settings, crew: Crew) -> Stage:
    """Prompts as ids: one tokenizer, one template, for all engines."""
    texts = list(settings.prompts.values())
    answer = crew.workers[OURS].ask("encode", texts=texts, chat=True)
    prompts = dict(zip(settings.prompts, answer["rows"], strict=True))
    return Stage(crew.workers, prompts, answer["eos"], settings.new)


def show(peers: Peers) -> None:
    """The table, and what became of each target."""
    console = screen.out()
    console.print(table(peers.rows))
    for verdict in verdicts(peers.rows):
        console.print(str(verdict), markup=False)


def warn_if_busy() -> None:
    """Speeds of a machine that does something else mean little."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    if load > 0.3 * cores():
        screen.remark(f"this machine is busy (load {load:.1f}): all speeds will be too low")


def settings_of(chosen: argparse.Namespace) -> Settings:
    """Raises ValueError for a broken line of the prompts, and a decoder that is not exact."""
    lines, broken = read(chosen.prompts)
    if broken:
        raise ValueError(broken[0])
    prompts = {line.name: line.prompt for line in lines[: 1 if chosen.quick else None]}
    decoders = tuple(dict.fromkeys([PLAIN[OURS], *chosen.decoders]))
    for name in decoders:
        if not parse(name).exact:
            raise ValueError(f"{name} writes another text than left to right: no fair comparison")
    name = chosen.name or Path(chosen.model).stem.lower()
    # a quick run is a trial: what it finds is no result
    folder = Path(gettempdir()) / "anyorder-quick" if chosen.quick else ROOT / "results"
    model = fetch(chosen.model) if chosen.model in MODELS else Path(chosen.model)
    return Settings(
        model=model.resolve(),
        name=name,
        prompts=prompts,
        peers_python=chosen.peers_python,
        out=chosen.out or folder / f"peers-{name}.json",
        decoders=decoders,
        precisions=chosen.precisions,
        new=24 if chosen.quick else chosen.new,
        repeats=1 if chosen.quick else chosen.repeats,
        threads=chosen.threads,
        assisted_layers=chosen.assisted_layers,
    )


def arguments() -> argparse.ArgumentParser:
    """The options."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    add = parser.add_argument
    add("--model", default="smollm2", help="a name that `anyorder fetch` knows, or a GGUF file")
    add("--name", help="what the results call it")
    add("--prompts", type=Path, default=ROOT / "examples" / "prompts.jsonl")
    add("--peers-python", type=Path, default=PEERS_PYTHON, help="Python of the peers' environment")
    add("--out", type=Path, help="results/peers-<name>.json, if not given")
    add("--decoders", nargs="+", default=DECODERS, metavar="DECODER", help="ours, all exact")
    add("--precisions", nargs="+", default=("float32", "bfloat16", "int8"), metavar="PRECISION")
    add("--new", type=int, default=96, help="tokens to write at most")
    add("--repeats", type=int, default=3)
    add("--threads", type=int, default=cores())
    add("--assisted-layers", type=int, default=3, help="of the model, as its own assistant")
    add("--quick", action="store_true", help="one prompt, 24 tokens, once")
    add("--fresh", action="store_true", help="forget the runs that were done before")
    add("--show", type=Path, metavar="FILE", help="print a result, measure nothing")
    return parser


if __name__ == "__main__":
    sys.exit(main())
