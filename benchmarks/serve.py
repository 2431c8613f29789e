"""Servers under load: several clients at once, mixed prompts, answers as streams.

    python -m benchmarks.serve                        # about 25 minutes on two cores
    python -m benchmarks.serve --minutes 0.2 --others 0.2 --precisions int8

Ours (`anyorder serve`) for `--minutes`, and `transformers serve` under the same load; beside them
the same prompts one after another in one process, with the best of our decoders. Every answer of
ours is held against what the model writes alone. Then four times as many clients as there are
places, a look at what the server does afterwards, and `kill -9`. Figures: tokens a second of all
clients, seconds to the first piece of text (median, 99th percentile), memory (`mib`: after each
minute, and at the end).
"""

import argparse
import asyncio
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Final

import httpx2 as httpx
import torch

from anyorder.cli import screen
from anyorder.decode.generate import generate
from anyorder.models.hugging.network import opened
from anyorder.models.load import load
from benchmarks.batches import DECODERS, chosen
from benchmarks.clients import Heard, crowd
from benchmarks.hire import ROOT
from benchmarks.report import report

MOST: Final = 64  # new tokens
SEATS: Final = 8
WAITING: Final = 64


@dataclass(frozen=True)
class Server:
    """A process that serves, and where."""

    process: "subprocess.Popen[bytes]"
    url: str
    seconds: float  # until it answered

    @property
    def mebibytes(self) -> float:
        """Resident memory of the process and its children."""
        pages = sum(_resident(pid) for pid in _family(self.process.pid))
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


@contextmanager
def serving(command: Sequence[str], ready: str) -> Iterator[Server]:
    """A server on a free port; `{port}` stands for it in the command."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url, begun = f"http://127.0.0.1:{port}", time.perf_counter()
    words = [word.replace("{port}", str(port)) for word in command]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(words, stdout=log, stderr=log, start_new_session=True)
        try:
            while not _answers(url + ready):
                if process.poll() is not None or time.perf_counter() > begun + 300:
                    log.seek(0)
                    told = log.read().decode(errors="replace").strip().splitlines()[-3:]
                    raise OSError(f"{words[0]} does not serve: {' / '.join(told)}")
                time.sleep(0.05)
            yield Server(process, url, time.perf_counter() - begun)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def ours(model: str, precision: str, threads: int) -> list[str]:
    """The command of our server."""
    words = f"--model {model} --precision {precision} --threads {threads} --port {{port}}"
    limits = f"--seats {SEATS} --waiting {WAITING}"
    return [sys.executable, "-m", "anyorder", "serve", *words.split(), *limits.split()]


def theirs(folder: str, precision: str, *, batching: bool = False) -> list[str]:
    """The command of `transformers serve`: as it is, or with its continuous batching."""
    beside = str(Path(sys.executable).with_name("transformers"))
    words = f"serve {folder} --dtype {precision} --device cpu --port {{port}} --log-level warning"
    return [beside, *words.split(), *(["--continuous-batching"] if batching else [])]


def figures(heard: Sequence[Heard], seconds: float) -> dict[str, Any]:
    """What the clients saw, in numbers."""
    fine = [each for each in heard if each.fine]
    first = sorted(each.first for each in fine) or [float("nan")]
    return {
        "answers": len(fine),
        "errors": len(heard) - len(fine),
        "tokens_per_s": sum(each.tokens for each in fine) / seconds,
        "first_p50": median(first),
        "first_p99": first[min(len(first) - 1, int(0.99 * len(first)))],
    }


def loaded(server: Server, prompts: Sequence[str], minutes: float, model: str) -> dict[str, Any]:
    """A row: the figures of a load, and what differs from `alone`."""
    seconds, begun = 60 * minutes, time.perf_counter()
    with weighed(server, every=min(60.0, seconds / 2)) as weights:
        heard = asyncio.run(
            crowd(server.url, prompts, clients=SEATS, seconds=seconds, model=model, most=MOST)
        )
    row = figures(heard, time.perf_counter() - begun)
    texts = {
        each.prompt: {one.text for one in heard if one.prompt == each.prompt} for each in heard
    }
    return {**row, "mib": weights, "texts": texts}


@contextmanager
def weighed(server: Server, *, every: float) -> Iterator[list[float]]:
    """The memory of a server, each time that so many seconds have gone by, and at the end."""
    weights, ended = list[float](), threading.Event()

    def watch() -> None:
        while not ended.wait(every):
            weights.append(server.mebibytes)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield weights
    finally:
        ended.set()
        thread.join()
    weights.append(server.mebibytes)


def measured_ours(options: Any, prompts: list[str], precision: str, minutes: float) -> list[dict]:
    """Alone, one after another, with each decoder; then the server."""
    lm = load(options.model, precision=precision)  # type: ignore[arg-type]
    alone, rows = dict[str, str](), list[dict[str, Any]]()
    for decoder in DECODERS:
        generate(lm, prompts[0], decoder=decoder, max_new_tokens=8)
        begun, tokens = time.perf_counter(), 0
        for prompt in prompts:
            out = generate(lm, prompt, decoder=decoder, max_new_tokens=MOST)
            tokens += len(out.tokens)
            alone.setdefault(prompt, str(out.text))
        rate = tokens / (time.perf_counter() - begun)
        rows.append({"engine": "anyorder", "decoder": decoder, "batch": 1, "tokens_per_s": rate})
    del lm
    best = max(row["tokens_per_s"] for row in rows)
    with serving(ours(options.model, precision, options.threads), "/readyz") as server:
        row = loaded(server, prompts, minutes, options.model)
    differ = [prompt for prompt, said in row.pop("texts").items() if said != {alone[prompt]}]
    row |= {"differ": len(differ), "over_alone": row["tokens_per_s"] / best}
    return [*rows, {"engine": "anyorder serve", "decoder": "auto", "batch": SEATS, **row}]


def measured_theirs(options: Any, prompts: list[str], precision: str) -> list[dict]:
    """`transformers serve`, of the same weights: as it is, and with its continuous batching."""
    rows = list[dict[str, Any]]()
    with tempfile.TemporaryDirectory() as folder:
        model, units = opened(options.model, precision)
        model.save_pretrained(folder)
        units.tokenizer.save_pretrained(folder)
        del model
        for batching in (False, True):
            with serving(theirs(folder, precision, batching=batching), "/health") as server:
                row = loaded(server, prompts, options.others, folder)
            del row["texts"]
            decoder = "greedy, continuous batching" if batching else "greedy"
            rows.append({"engine": "transformers serve", "decoder": decoder, "batch": SEATS, **row})
    return rows


def overloaded(options: Any, prompts: list[str], precision: str) -> dict[str, Any]:
    """Four times as many clients as there are places; then a usual load; then `kill -9`."""
    command, many = ours(options.model, precision, options.threads), 4 * (SEATS + WAITING)
    with serving(command, "/readyz") as server:
        heard = asyncio.run(
            crowd(server.url, prompts, clients=many, seconds=20, model=options.model, most=MOST)
        )
        after = asyncio.run(
            crowd(server.url, prompts, clients=SEATS, seconds=10, model=options.model, most=MOST)
        )
        os.killpg(server.process.pid, signal.SIGKILL)
        server.process.wait()
    with serving(command, "/readyz") as server:
        again = server.seconds
    statuses = sorted({each.status for each in heard})
    return {
        "clients": many,
        "statuses": statuses,
        "served": sum(each.fine for each in heard),
        "refused": sum(each.status == 429 for each in heard),
        "recovered": all(each.fine for each in after),
        "restart_seconds": again,
    }


def main(words: Sequence[str] | None = None) -> int:
    """The exit status."""
    options = _options(words)
    torch.set_num_threads(options.threads)
    prompts, rows = chosen(options.prompts), list[dict[str, Any]]()
    try:
        for n, precision in enumerate(options.precisions):
            minutes = options.others if n else options.minutes
            found = measured_ours(options, prompts, precision, minutes)
            if precision != "int8":
                found += measured_theirs(options, prompts, precision)
            rows += [{"precision": precision, **row} for row in found]
            screen.remark(f"{precision}: done")
        overload = overloaded(options, prompts, options.precisions[0])
    except (ValueError, OSError) as error:
        screen.complain(str(error))
        return 1
    name = Path(options.model).name
    report(
        rows,
        options.out or ROOT / "results" / f"serve-{name}.json",
        model=name,
        threads=options.threads,
        prompts=len(prompts),
        max_new_tokens=MOST,
        overload=overload,
    )
    return 0


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2).status_code == 200
    except httpx.HTTPError:
        return False


def _family(pid: int) -> list[int]:
    """A process and all that it started."""
    listed = Path(f"/proc/{pid}/task/{pid}/children")
    children = listed.read_text().split() if listed.exists() else []
    return [pid, *(each for child in children for each in _family(int(child)))]


def _resident(pid: int) -> int:
    """Pages in memory."""
    stated = Path(f"/proc/{pid}/statm")
    return int(stated.read_text().split()[1]) if stated.exists() else 0


def _options(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks.serve", description=__doc__)
    add = parser.add_argument
    add("--model", default="smollm2")
    add("--precisions", nargs="+", default=["int8", "bfloat16", "float32"])
    add("--minutes", type=float, default=10.0, help="of the first precision")
    add("--others", type=float, default=2.0, help="of the other precisions, and of the peer")
    add("--prompts", type=int, default=48)
    add("--threads", type=int, default=2)
    add("--out", type=Path)
    return parser.parse_args(words)


if __name__ == "__main__":
    sys.exit(main())
