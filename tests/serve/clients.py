"""A server for a test, in this process or as one of its own, and ways to ask it."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from starlette.testclient import TestClient

from anyorder.models.language_model import LanguageModel
from anyorder.models.load import load
from anyorder.models.writer import Writer
from anyorder.serve.app import app_of
from anyorder.serve.keys import Keys
from anyorder.serve.metrics import Metrics
from anyorder.serve.service import Service
from anyorder.serve.settings import Settings
from tests.serve.made import folder_of

CHAT = "/v1/chat/completions"
COMPLETIONS = "/v1/completions"
HI = [{"role": "user", "content": "the cat"}]
SRC = Path(__file__).parents[2] / "src"


@cache
def chatty() -> LanguageModel:
    """A compiled random Llama of 256 cells, with a byte-level vocabulary and a chat template."""
    lm = load(folder_of())
    assert isinstance(lm, LanguageModel)
    assert lm.units.has_chat
    return replace(lm, name="tiny")


@dataclass(frozen=True)
class Served:
    """A server in this process."""

    service: Service
    client: TestClient

    def post(self, path: str, **body: Any) -> Any:
        """The JSON of an answer that went well."""
        answer = self.client.post(path, json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def refused(self, path: str, status: int = 400, **body: Any) -> dict[str, Any]:
        """The error of one that did not."""
        answer = self.client.post(path, json=body)
        assert answer.status_code == status, answer.text
        error = answer.json()["error"]
        assert error.keys() == {"message", "type", "param", "code"}
        assert error["message"]
        assert "Traceback" not in answer.text
        return error

    def events(self, path: str, **body: Any) -> list[Any]:
        """The data of a stream's events, which ends with [DONE] or an error."""
        answer = self.client.post(path, json=body | {"stream": True})
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = answer.text.split("\n\n")
        data = [line.removeprefix("data: ") for line in lines if line.startswith("data: ")]
        if data[-1] == "[DONE]":
            data.pop()
        else:
            assert "error" in json.loads(data[-1])
        return [json.loads(line) for line in data]


@contextmanager
def served(lm: Writer | None = None, keys: Keys | None = None, **settings: Any) -> Iterator[Served]:
    """A server of `lm` (None: the chatty one)."""
    service = Service(Settings(**{"seats": 4, "context": 256} | settings), Metrics())
    service.open(lm or chatty())
    client = TestClient(
        app_of(service, keys=keys), base_url="http://127.0.0.1", raise_server_exceptions=False
    )
    try:
        with client:
            yield Served(service, client)
    finally:
        service.close(0.0)


@dataclass(frozen=True)
class Process:
    """A server of its own."""

    child: "subprocess.Popen[bytes]"
    port: int
    log: Path

    def ask(self, raw: bytes, *, patience: float = 20.0, more: bool = True) -> bytes:
        """All that comes back for these bytes; `more`: our side stays open meanwhile."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=patience) as line:
            line.sendall(raw)
            if not more:
                line.shutdown(socket.SHUT_WR)
            found = bytearray()
            while piece := line.recv(65536):
                found += piece
            return bytes(found)

    def get(self, path: str) -> tuple[int, Any]:
        """Status and JSON (or text) of a GET."""
        head = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        answer = self.ask(head.encode())
        head, _, body = answer.decode().partition("\r\n\r\n")
        is_json = "application/json" in head.lower()
        return int(head.split()[1]), json.loads(body) if is_json else body

    def lines(self) -> list[Any]:
        """What it has logged."""
        return [json.loads(line) for line in self.log.read_text().splitlines()]


def posted(path: str, body: Any, *, close: bool = True, headers: str = "") -> bytes:
    """A POST as bytes."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    head += f"Content-Length: {len(data)}\r\n{headers}"
    head += "Connection: close\r\n" if close else ""
    return head.encode() + b"\r\n" + data


def begun(log: Path, *flags: str, **environment: str) -> Process:
    """`anyorder serve` on a free port, not waited for until it is ready."""
    if "--port" in flags:
        port = int(flags[flags.index("--port") + 1])
    else:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
    command = [sys.executable, "-m", "anyorder", "serve", "--model", str(folder_of())]
    command += ["--name", "tiny", "--threads", "1", *flags, "--port", str(port)]
    here = os.environ | {"PYTHONPATH": str(SRC), "OMP_NUM_THREADS": "1"} | environment
    with log.open("wb") as out:
        child = subprocess.Popen(command, env=here, stdout=out, stderr=out)
    return Process(child, port, log)


def until_ready(process: Process, patience: float = 120.0) -> None:
    """Wait for /readyz."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        assert process.child.poll() is None, process.log.read_text()
        try:
            if process.get("/readyz")[0] == 200:
                return
        except ConnectionRefusedError:
            pass  # it does not listen yet
        time.sleep(0.1)
    raise AssertionError(process.log.read_text())


@contextmanager
def running(log: Path, *flags: str, **environment: str) -> Iterator[Process]:
    """A ready server, which is gone afterwards."""
    process = begun(log, *flags, **environment)
    try:
        until_ready(process)
        yield process
    finally:
        process.child.kill()
        process.child.wait()
