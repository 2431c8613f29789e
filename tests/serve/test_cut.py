"""Streams that are cut short: by clients that read nothing, and by the server's own end."""

import json
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.serve.clients import COMPLETIONS, Process, posted, running
from tests.serve.made import folder_of
from tests.serve.test_process import LONG, figures, until_idle

TOKENS = 8000
FOREVER = LONG | {"stream": True, "max_tokens": TOKENS}


def flags() -> tuple[str, ...]:
    return ("--model", str(folder_of(8192)), "--most-tokens", str(TOKENS), "--seats", "1")


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    log = tmp_path_factory.mktemp("cut") / "log"
    with running(log, *flags(), "--slow-client", "1") as there:
        yield there


def deaf(process: Process) -> socket.socket:
    """A client whose buffer is small; from the beginning: it could not shrink later."""
    line = socket.socket()
    line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    line.settimeout(60)
    line.connect(("127.0.0.1", process.port))
    return line


def requests(process: Process) -> list[Any]:
    return [line for line in process.lines() if line["event"] == "request"]


def test_a_client_that_never_reads_is_cut_and_its_seat_is_free(process: Process) -> None:
    before = figures(process)["calls"]
    with deaf(process) as line:
        line.sendall(posted(COMPLETIONS, FOREVER | {"logprobs": 20, "trace": True}))
        while not figures(process)["writing"]:
            time.sleep(0.01)
        until_idle(process, patience=60.0)
        assert figures(process)["calls"] - before < TOKENS - 1000, "it was not written to its end"
        found = bytearray()
        try:
            while piece := line.recv(65536):
                found += piece
        except ConnectionResetError:
            pass
        assert b"[DONE]" not in found
    while not any(request["route"] == COMPLETIONS for request in requests(process)):
        time.sleep(0.05)
    (told,) = [request for request in requests(process) if request["route"] == COMPLETIONS]
    assert told["tokens"] < TOKENS - 1000
    short = {"prompt": "the cat", "max_tokens": 2}
    assert b" 200 OK" in process.ask(posted(COMPLETIONS, short)), "others are served"


@pytest.mark.parametrize(("grace", "signals"), [("0.2", 1), ("600", 2)])
def test_a_stream_that_the_end_cuts_short_says_so(tmp_path: Path, grace: str, signals: int) -> None:
    with running(tmp_path / "log", *flags(), "--grace", grace) as process:
        with socket.create_connection(("127.0.0.1", process.port), timeout=30) as line:
            line.sendall(posted(COMPLETIONS, FOREVER))
            found = bytearray()
            while b"data: " not in found:
                found += line.recv(65536)
            for _ in range(signals):
                process.child.send_signal(signal.SIGTERM)
                time.sleep(0.2)  # two at the same moment may arrive as one
            while piece := line.recv(65536):
                found += piece
        assert found.endswith(b"0\r\n\r\n"), "the answer ends as answers do"
        events = [part for part in found.split(b"\n\n") if b"data: " in part]
        last = json.loads(events[-1].partition(b"data: ")[2])
        assert last["error"]["type"] == "server_error"
        assert "went down before all was written" in last["error"]["message"]
        before = json.loads(events[-2].partition(b"data: ")[2])
        assert before["choices"][0]["finish_reason"] is None
        assert process.child.wait(60) == 0
        assert process.lines()[-1]["event"] == "ended"
