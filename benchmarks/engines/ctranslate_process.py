"""CTranslate2 in a process of its own, so that neither engine's threads are in the other's way.

    with running(folder, precision="int8", threads=2) as engine:
        targets, seconds = engine.translate([["4", "5"], ["7"]], most=50)

Words are the tokens of the folder's vocabularies. The seconds are those of the engine alone.
"""

import multiprocessing
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Running:
    """The engine, as one who asks sees it."""

    pipe: Connection

    def translate(self, sources: Sequence[list[str]], most: int) -> tuple[list[list[str]], float]:
        """What it writes of each source, greedily, all in one batch; and how many seconds that
        took. Raises EOFError if it has ended.
        """
        self.pipe.send((list(sources), most))
        return self.pipe.recv()


@contextmanager
def running(folder: Path, *, precision: str, threads: int) -> Iterator[Running]:
    """A process that has opened the model of a folder; it ends with the block."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    options = {"compute_type": precision, "inter_threads": 1, "intra_threads": threads}
    process = context.Process(target=_serve, args=(theirs, str(folder), options), daemon=True)
    process.start()
    theirs.close()
    try:
        yield Running(ours)
    finally:
        ours.close()
        process.join(5)
        process.kill()
        process.join()
        process.close()


def _serve(pipe: Connection, folder: str, options: dict[str, Any]) -> None:
    """Answer until nobody asks any more."""
    engine = import_module("ctranslate2").Translator(folder, device="cpu", **options)
    while True:
        try:
            sources, most = pipe.recv()
        except EOFError:
            return
        begun = time.perf_counter()
        found = engine.translate_batch(
            sources,
            beam_size=1,
            min_decoding_length=0,  # its own is 1; ours may end at once
            max_decoding_length=most,
        )
        seconds = time.perf_counter() - begun
        pipe.send(([each.hypotheses[0] for each in found], seconds))
