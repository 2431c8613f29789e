"""A worker as the conductor sees it: ask, and wait for the answer.

with hire("transformers", python=Path(".../python"), model="model.gguf", threads=2) as worker:
    worker.ask("hello")["versions"]
"""

import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, Protocol

ROOT = Path(__file__).parents[1]


class WorkerError(Exception):
    """A sentence: what an engine could not do. `gone`: and it will do nothing more."""

    def __init__(self, sentence: str, *, gone: bool = False) -> None:
        super().__init__(sentence)
        self.gone = gone


class Worker(Protocol):
    """Whoever answers: a process, or a stand-in of the tests."""

    def ask(self, do: str, **words: Any) -> dict[str, Any]:
        """Raises WorkerError."""
        ...


class ProcessWorker:
    """A worker in a process. Satisfies `Worker`."""

    def __init__(self, engine: str, process: "subprocess.Popen[str]", said: IO[str]) -> None:
        self.engine, self.process, self.said = engine, process, said

    def ask(self, do: str, **words: Any) -> dict[str, Any]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        try:
            print(json.dumps({"do": do, **words}), file=self.process.stdin, flush=True)
            line = self.process.stdout.readline()
        except OSError:
            line = ""
        if not line:
            code = self.process.wait()
            self.said.seek(0)
            last = (self.said.read().strip().splitlines() or ["it said nothing"])[-1]
            raise WorkerError(f"{self.engine} ended (exit status {code}): {last}", gone=True)
        answer = json.loads(line)
        if "error" in answer:
            raise WorkerError(f"{self.engine}: {answer['error']}")
        return answer


@contextmanager
def hire(engine: str, *, python: Path, model: str, threads: int) -> Iterator[ProcessWorker]:
    """A worker of this engine in this Python; it ends with the block.

    Raises WorkerError if there is no such Python.
    """
    if not python.exists():
        raise WorkerError(f"{python} does not exist", gone=True)
    command = [python, "-m", "benchmarks.worker", engine, "--model", model, "--threads", threads]
    said = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")
    process = subprocess.Popen(
        list(map(str, command)),
        cwd=ROOT,
        env={
            **os.environ,
            "OMP_NUM_THREADS": str(threads),
            "HF_HUB_OFFLINE": "1",
            "TOKENIZERS_PARALLELISM": "false",
        },
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=said,
        text=True,
        encoding="utf-8",
        start_new_session=True,  # Ctrl-C is for the conductor, who ends the workers
    )
    try:
        yield ProcessWorker(engine, process, said)
    finally:
        with suppress(OSError):
            assert process.stdin is not None
            process.stdin.close()
        try:
            process.wait(timeout=5)
        except subprocess.TimeoutExpired:  # in the middle of a run
            process.kill()
            process.wait()
        assert process.stdout is not None
        process.stdout.close()
        said.close()
