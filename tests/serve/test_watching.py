"""What those who run the server see: readiness, metrics, and a log without a word of anybody."""

import asyncio
import json
import logging
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx2 as httpx
import pytest
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from anyorder.meter import Call
from anyorder.serve.accounts import Accounts
from anyorder.serve.app import app_of
from anyorder.serve.asking import Asked, Reader
from anyorder.serve.errors import RefusalError
from anyorder.serve.listening import heard
from anyorder.serve.logs import Lines
from anyorder.serve.metrics import Metrics, guessed
from anyorder.serve.schemas import CompletionRequest
from anyorder.serve.service import Service
from anyorder.serve.settings import Settings
from anyorder.trace import Change, Step
from tests.serve.clients import COMPLETIONS, Served, TestClient, served

DOCS = Path(__file__).parents[2] / "docs" / "serve.md"
BODY = {"prompt": "the cat sat", "max_tokens": 6, "temperature": 0}


@pytest.fixture
def server() -> Iterator[Served]:
    with served() as there:
        yield there


def metric(server: Served, name: str, **labels: str) -> float:
    found = server.service.metrics.registry.get_sample_value(f"anyorder_{name}", labels)
    assert found is not None, name
    return found


def test_metrics_count_what_was_done(server: Served) -> None:
    server.post(COMPLETIONS, decoder="jacobi:block=4", **BODY)
    server.events(COMPLETIONS, decoder="jacobi", **BODY)
    server.refused(COMPLETIONS, prompt="")
    server.client.get("/wp-admin.php")
    assert metric(server, "requests_total", route=COMPLETIONS, status="200") == 2
    assert metric(server, "requests_total", route=COMPLETIONS, status="400") == 1
    assert metric(server, "requests_total", route="other", status="404") == 1
    assert metric(server, "tokens_total", decoder="jacobi") == 12
    assert metric(server, "prompt_tokens_total") > 0
    assert metric(server, "drafted_tokens_total", decoder="jacobi") > 0
    assert metric(server, "first_token_seconds_count") == 2
    assert metric(server, "request_seconds_count", route=COMPLETIONS) == 3
    steps = metric(server, "steps_total", decoder="jacobi")
    assert metric(server, "between_steps_seconds_count") == steps - 2
    assert metric(server, "tokens_in_flight") == metric(server, "waiting") == 0
    assert metric(server, "ready") == 1
    assert metric(server, "rounds") > 0
    text = server.client.get("/metrics")
    assert text.headers["content-type"].startswith("text/plain")
    assert "anyorder_tokens_total{" in text.text


def test_the_docs_have_all_metrics() -> None:
    rows = DOCS.read_text(encoding="utf-8")
    for family in Metrics().registry.collect():
        if not family.name.startswith("anyorder_"):
            continue
        name = family.name + ("_total" if family.type == "counter" else "")
        assert f"| `{name}` | {family.type} |" in rows, name
        assert family.documentation in rows, name


@pytest.mark.parametrize(
    ("cells", "probes", "written", "expected"),
    [(1, 0, 1, (0, 0)), (5, 0, 3, (4, 2)), (5, 2, 3, (2, 2)), (4, 0, 0, (3, 0))],
)
def test_guesses_of_a_step(
    cells: int, probes: int, written: int, expected: tuple[int, int]
) -> None:
    call = Call("target", 0.0, [[0] * cells], None, probes)
    changes = tuple(Change(0, cell, 1, 3, 0.0) for cell in range(written))
    assert guessed(Step((call, Call("draft", 0.0, [[0]], None)), changes)) == expected


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(logging.getLogger("anyorder.serve"), "propagate", True)
    caplog.set_level(logging.INFO, "anyorder.serve")
    return lambda: [
        json.loads(Lines().format(record))
        for record in caplog.records
        if record.name == "anyorder.serve"
    ]


def test_the_log_has_no_word_of_anybody(server: Served, lines: Any) -> None:
    answer = server.post(COMPLETIONS, **BODY)
    server.client.post(COMPLETIONS, json=BODY | {"temprature": "secret"})
    server.client.get("/secret-page?q=secret")
    (fine, wrong, lost) = lines()
    assert fine["event"] == "request"
    assert (fine["route"], fine["status"], fine["decoder"]) == (COMPLETIONS, 200, "auto")
    assert (fine["tokens"], fine["streamed"]) == (6, False)
    assert (wrong["status"], lost["status"]) == (400, 404)
    said = json.dumps([fine, wrong, lost])
    assert "cat" not in said
    assert "secret" not in said
    assert answer["choices"][0]["text"].strip() not in said


def test_prompts_are_logged_if_that_is_asked_for(lines: Any) -> None:
    with served(log_prompts=True) as server:
        text = server.post(COMPLETIONS, **BODY)["choices"][0]["text"]
        (line,) = lines()
        assert line["prompts"] == ["the cat sat"]
        assert line["texts"] == [text]


def test_a_request_has_an_id(server: Served, lines: Any) -> None:
    own = server.client.get("/v1/models", headers={"x-request-id": "mine-1"})
    assert own.headers["x-request-id"] == "mine-1"
    for odd in ("a b", "x" * 200, '"}{'):
        made = server.client.get("/v1/models", headers={"x-request-id": odd})
        assert made.headers["x-request-id"] != odd
        assert len(made.headers["x-request-id"]) == 32
    assert next(line["id"] for line in lines()) == "mine-1"


def test_what_is_asked_every_few_seconds_is_not_logged(server: Served, lines: Any) -> None:
    for path in ("/healthz", "/readyz", "/metrics"):
        assert server.client.get(path).status_code == 200
    assert not lines()


def test_nothing_is_served_before_the_model_is_there_nor_after() -> None:
    service = Service(Settings(), Metrics())
    client = TestClient(app_of(service, keys=None), base_url="http://127.0.0.1")
    assert client.get("/healthz").status_code == 200
    assert client.get("/readyz").json() == {"status": "loading"}
    for answer in (client.get("/v1/models"), client.post(COMPLETIONS, json=BODY)):
        assert answer.status_code == 503
        assert answer.headers["retry-after"] == "2"
        assert "being loaded" in answer.json()["error"]["message"]
    service.drains = True
    assert client.get("/readyz").json() == {"status": "draining"}
    assert "going down" in client.post(COMPLETIONS, json=BODY).json()["error"]["message"]


def test_what_is_not_finished_in_time_is_handed_back() -> None:
    """One text is being written and one waits when the grace is over."""
    long = {"max_tokens": 245, "temperature": 0, "logit_bias": {"0": -100}}
    answers = dict[str, Any]()
    with served(seats=1) as server:

        def ask(name: str) -> None:
            body = {"prompt": "the cat", "decoder": "left-to-right", **long}
            answers[name] = server.client.post(COMPLETIONS, json=body)

        threads = [threading.Thread(target=ask, args=(name,)) for name in ("first", "second")]
        for thread in threads:
            thread.start()
            desk = server.service.now.desk
            while desk.figures.writing + desk.figures.waiting < 1 + (thread is threads[1]):
                time.sleep(0.001)
        while desk.figures.rounds < 5:  # of a text without a word there is nothing to be handed
            time.sleep(0.001)
        server.service.close(0.0)
        for thread in threads:
            thread.join()
    statuses = sorted(answer.status_code for answer in answers.values())
    assert statuses == [200, 503]
    cut = next(answer.json() for answer in answers.values() if answer.status_code == 200)
    assert cut["choices"][0]["finish_reason"] == "length"
    assert 0 < cut["usage"]["completion_tokens"] < 245


def test_a_request_that_is_still_being_read_is_waited_for(
    server: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    go, asked = threading.Event(), Reader._asked

    def slowly(reader: Reader, *words: Any) -> Asked:
        assert go.wait(30)
        return asked(reader, *words)

    monkeypatch.setattr(Reader, "_asked", slowly)
    thread = threading.Thread(target=server.client.post, args=(COMPLETIONS,), kwargs={"json": BODY})
    thread.start()
    while not server.service.is_busy:
        time.sleep(0.01)
    assert not server.service.in_flight
    go.set()
    thread.join()
    assert not server.service.is_busy


def test_who_reads_too_slowly_is_out_of_time_though_all_is_written(
    server: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened, now = server.service.now, [0.0]
    clock = SimpleNamespace(monotonic=lambda: now[0])
    monkeypatch.setattr("anyorder.serve.listening.time", clock)
    asked = opened.reader.completion(CompletionRequest(prompt="the cat", max_tokens=6, seed=1))

    async def scene() -> None:
        parts = heard(opened.desk, asked, opened.lm, seconds=60.0, see=lambda *_: None)
        await anext(parts)
        while opened.desk.figures.writing:
            await asyncio.sleep(0.01)
        now[0] = 61.0
        with pytest.raises(RefusalError, match="more than 60 seconds"):
            [part async for part in parts]

    asyncio.run(scene())


def test_an_error_that_nobody_foresaw_is_logged_and_not_told(
    server: Served, lines: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: Metrics) -> bytes:
        raise RuntimeError("secret")

    monkeypatch.setattr(Metrics, "text", broken)
    answer = server.client.get("/metrics")
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert answer.json()["error"]["type"] == "server_error"
    assert any("secret" in line.get("traceback", "") for line in lines())


def test_one_request_too_many_is_refused() -> None:
    async def scene() -> list[int]:
        arrived, go = asyncio.Event(), asyncio.Event()

        async def slow(scope: Scope, receive: Receive, send: Send) -> None:
            arrived.set()
            await go.wait()
            await JSONResponse({})(scope, receive, send)

        app = Accounts(slow, Service(Settings(most_requests=1), Metrics()))
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            first = asyncio.ensure_future(client.get("/"))
            await arrived.wait()
            refused = await client.get("/")
            go.set()
            answered = await first
            again = await client.get("/")
        assert refused.headers["retry-after"] == "1"
        return [answered.status_code, refused.status_code, again.status_code]

    assert asyncio.run(scene()) == [200, 429, 200]
