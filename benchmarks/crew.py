"""The engines that are there: a worker each, and what they say of themselves.

with hired(model=..., peers_python=..., threads=2, say=print) as crew:
    crew.workers["anyorder"].ask("encode", texts=["..."], chat=True)
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.hire import Worker, WorkerError, hire
from benchmarks.schedule import HUGGING, LLAMA, OURS

PEERS = (HUGGING, LLAMA)


@dataclass
class Crew:
    """By engine: workers and precisions. By package: versions, those of the peers."""

    workers: dict[str, Worker] = field(default_factory=dict)
    precisions: dict[str, list[str]] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)


@contextmanager
def hired(
    *,
    model: Path,
    peers_python: Path,
    threads: int,
    say: Callable[[str], None],
    engines: Sequence[str] = (OURS, *PEERS),
) -> Iterator[Crew]:
    """A worker for each engine; a peer that is not there is named in a sentence.

    Raises WorkerError if our own engine does not work.
    """
    crew = Crew()
    with ExitStack() as stack:
        for engine in engines:
            python = Path(sys.executable) if engine == OURS else peers_python
            hiring = hire(engine, python=python, model=str(model), threads=threads)
            try:
                worker = stack.enter_context(hiring)
                hello = worker.ask("hello")
            except WorkerError as error:
                if engine == OURS:
                    raise
                say(f"{engine} is not measured: {error} (benchmarks/README.md says how to have it)")
                continue
            crew.workers[engine] = worker
            crew.precisions[engine] = hello["precisions"]
            crew.versions.update(hello["versions"] if engine != OURS else {})
        yield crew
