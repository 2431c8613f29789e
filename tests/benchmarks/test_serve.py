"""The load benchmark: what clients hear, the figures of it, and processes that serve or die."""

import asyncio
import json
import sys
import time
from collections.abc import Callable
from typing import Any

import httpx2 as httpx
import pytest

from benchmarks.clients import Heard, ask, crowd
from benchmarks.hire import ROOT
from benchmarks.serve import figures, ours, serving, weighed


def event(**data: Any) -> str:
    return f"data: {json.dumps(data)}\n\n"


def piece(text: str) -> str:
    return event(choices=[{"delta": {"content": text}}])


STREAM = [
    event(choices=[{"delta": {"role": "assistant", "content": ""}}]),
    piece("Once "),
    piece("more"),
    event(choices=[], usage={"completion_tokens": 3}),
    "data: [DONE]\n\n",
]


BROKEN = event(error={"message": "it is broken"})


def heard(answer: Callable[[httpx.Request], httpx.Response]) -> Heard:
    async def one() -> Heard:
        async with httpx.AsyncClient(
            base_url="http://here", transport=httpx.MockTransport(answer)
        ) as http:
            return await ask(http, "Once", model="m", most=5, body={"decoder": "jacobi"})

    return asyncio.run(one())


def test_a_stream_is_put_together() -> None:
    asked: list[dict[str, Any]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(json.loads(request.content))
        return httpx.Response(200, text="".join(STREAM))

    found = heard(answer)
    assert (found.text, found.tokens, found.status, found.fine) == ("Once more", 3, 200, True)
    assert 0 < found.first <= found.seconds
    assert asked[0]["max_tokens"] == 5
    assert asked[0]["decoder"] == "jacobi"


def fails(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("nobody is there")


@pytest.mark.parametrize(
    ("answer", "status", "words"),
    [
        (lambda _: httpx.Response(429, text="later"), 429, "later"),
        (lambda _: httpx.Response(200, text=piece("a") + BROKEN), 200, "broken"),
        (lambda _: httpx.Response(200, text="data: [DONE]\n\n"), 200, ""),
        (fails, 0, "nobody is there"),
    ],
)
def test_what_goes_wrong_is_not_fine(answer: Any, status: int, words: str) -> None:
    found = heard(answer)
    assert not found.fine
    assert found.status == status
    assert words in found.error


def test_figures_are_of_what_came_whole() -> None:
    fine = [Heard("p", 0.0, 200, "t", 10, first, 1.0) for first in (0.1, 0.2, 0.3)]
    row = figures([*fine, Heard("p", 0.0, 429, error="later")], seconds=3.0)
    assert row == {
        "answers": 3,
        "errors": 1,
        "tokens_per_s": 10.0,
        "first_p50": 0.2,
        "first_p99": 0.3,
    }


def test_a_process_serves_until_it_is_left() -> None:
    command = [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", "{port}"]
    with serving(command, "/") as server:
        assert httpx.get(server.url).status_code == 200
        with weighed(server, every=0.05) as weights:
            time.sleep(0.2)
        assert len(weights) > 2
        assert min(weights) > 1
        found = asyncio.run(crowd(server.url, ["p"], clients=2, seconds=0.1))
        assert {one.status for one in found} == {501}  # it knows no POST
    assert server.process.poll() is not None


def test_a_process_that_dies_is_a_sentence() -> None:
    code = "import sys; print('no model there'); sys.exit(1)"
    with pytest.raises(OSError, match="does not serve: no model there"):
        with serving([sys.executable, "-c", code], "/"):
            pass


def test_our_command_is_one_that_there_is() -> None:
    from anyorder.serve.settings import Settings

    known = {f"--{name.replace('_', '-')}" for name in Settings.__dataclass_fields__}
    given = {word for word in ours("m", "int8", 2) if word.startswith("--")}
    assert given <= known


def test_the_docs_tell_what_was_measured() -> None:
    rows = json.loads((ROOT / "results" / "serve-smollm2.json").read_text())["rows"]
    docs = (ROOT / "docs" / "serve.md").read_text(encoding="utf-8")
    alone = max(r["tokens_per_s"] for r in rows if r["precision"] == "int8" and r["batch"] == 1)
    assert f"its best decoder | {alone:.0f} |" in docs
    for row in (row for row in rows if row["batch"] > 1):
        first = row["first_p50"], row["first_p99"]
        digits = 1 if row["first_p99"] > 1 else 2
        half = digits if row["first_p50"] > 1 else 2
        told = f"| {row['tokens_per_s']:.0f} | {first[0]:.{half}f} s | {first[1]:.{digits}f} s |"
        assert told in docs, (row["engine"], told)
        assert row.get("differ", 0) == row["errors"] == 0
    weights = json.loads((ROOT / "results" / "serve-smollm2-memory.json").read_text())["rows"][-1]
    assert max(weights["mib"]) < 1.01 * weights["mib"][0]
