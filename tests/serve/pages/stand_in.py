"""A server that stands in for the real one: recorded traces, sent as a decoder would write them.

with serving(delay=0.0) as (address, heard): ...      `heard`: the bodies that were posted

A prompt that says so is refused: "busy" (429), "wrong" (400), "key" (401, unless a key
is given), "gone" (the stream breaks off), "fail" (an error within the stream).
"""

import asyncio
import json
import random
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import chain as chain_of
from itertools import repeat
from typing import Any

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

from anyorder.canvas import GIVEN, Canvas
from anyorder.serve.pages.about import examples
from anyorder.serve.pages.site import router
from anyorder.trace import Trace, fold, hexed
from tests.show.made import Drafter, alone, chain, chance_tree, spoken, written

OWN = "jacobi:block=8"  # of a server whose own decoder has options
TEXT = " The old clock struck nine, and the letter fell out. It said: come home, the sea is calm."
ABOUT: dict[str, Any] = {
    "model": "stand-in",
    "decoder": "left-to-right",
    "chat": True,
    "fills": True,
    "most_tokens": 256,
    "decoders": [
        {"name": name, "exact": name != "beam", "does": f"{name} writes.", "lacks": lacks}
        for name, lacks in [
            *(("auto", ""), ("beam", ""), ("jacobi", ""), ("left-to-right", "")),
            *(("prompt-copy", ""), ("token-recycling", "")),
            ("ctc-greedy", "needs a CTCModel"),
        ]
    ],
    "examples": examples()[:3],
}


def drafter(decoder: str, vocab: int) -> Drafter:
    """Somewhat as the decoder of that name would draft."""
    rng = random.Random(len(decoder))
    if decoder in ("left-to-right", "beam"):
        return alone
    if decoder == "token-recycling":
        return chance_tree(10, 0.8, vocab, rng)
    return chain(4, 0.75, vocab, rng)


def recorded(prompt: str, decoder: str) -> Trace:
    """What the decoder wrote; with a name of its own for what it wrote."""
    if "bytes" in prompt:
        return of_bytes(prompt)
    text = TEXT if decoder != "beam" else TEXT.replace("nine", "ten")
    trace = spoken(prompt, text, lambda vocab: drafter(decoder, vocab))
    return replace(trace, facts={"decoder": decoder, "prompts": [prompt]})


def with_locks(trace: Trace, infill: list[dict[str, Any]]) -> Trace:
    """A trace of which the last cells were given from the start, as many as `infill` has texts."""
    done, begin = fold(trace), len(trace.start.row(0))
    status_BN = trace.start.status_BN.clone()
    locked = range(begin + 2, begin + 2 + sum("text" in one for one in infill))
    status_BN[0, list(locked)] = GIVEN
    tokens_BN = trace.start.tokens_BN.clone()
    tokens_BN[0, list(locked)] = done.tokens_BN[0, list(locked)]
    steps = tuple(
        replace(step, changes=tuple(c for c in step.changes if c.cell not in locked))
        for step in trace.steps
    )
    return replace(trace, start=Canvas(tokens_BN, status_BN, trace.start.logprobs_BN), steps=steps)


def told(line: dict[str, Any], pieces: dict[int, str]) -> dict[str, Any]:
    """A step's line with alternatives, as a request for log-probabilities gets them."""
    vocab = list(pieces)
    others = [
        [row, cell, [[token, -0.2], [vocab[(token + 1) % len(vocab)], -2.0]]]
        for row, cell, token, *_ in line["changes"]
    ]
    return line | {"alternatives": others}


def of_bytes(prompt: str) -> Trace:
    """A text of which every byte is a token."""
    text = list(" 東 😀!".encode())
    pieces = {100 + byte: bytes([byte]).decode(errors="replace") for byte in text}
    raw = {100 + byte: bytes([byte]) for byte in text if byte >= 0x80}
    trace = written([0, 1], [100 + byte for byte in text], alone)
    return replace(trace, pieces={0: prompt, 1: ".", **pieces}, raw=raw)


async def events(trace: Trace, delay: float, prompt: str) -> AsyncIterator[str]:
    lines = [json.loads(line) for line in trace.lines()]
    pieces = {str(token): piece for token, piece in trace.pieces.items()}
    for number, line in enumerate(lines):
        await asyncio.sleep(delay)
        if "gone" in prompt and number > 3:
            return
        if "fail" in prompt and number > 3:
            yield f"data: {json.dumps({'error': {'message': 'the model failed'}})}\n\n"
            return
        if "calls" in line:
            line = told(line, trace.pieces)
        chunk = {"choices": [{"index": 0, "text": ""}]}
        chunk["anyorder"] = {"trace": [line], "pieces": pieces if number == 0 else {}}
        chunk["anyorder"] |= hexed(trace.raw)
        yield f"data: {json.dumps(chunk)}\n\n"
    yield "data: [DONE]\n\n"


def application(
    delay: float, heard: list[dict[str, Any]], about: dict[str, Any] = ABOUT
) -> FastAPI:
    app = FastAPI(openapi_url=None)
    told: Iterator[dict[str, Any] | None] = chain_of([None], repeat(about))  # it loads at first
    app.include_router(router(lambda: next(told)))

    @app.post("/v1/{kind:path}")
    async def _(kind: str, request: Request) -> Response:
        body = await request.json()
        heard.append(body | {"path": kind})
        prompt = body.get("prompt") or body["messages"][0]["content"]
        if "busy" in prompt:
            error = {"error": {"message": "64 requests wait already; ask again later"}}
            return JSONResponse(error, status_code=429, headers={"Retry-After": "3"})
        if "wrong" in prompt:
            error = {"error": {"message": "temperature is 9, and 5 is the most"}}
            return JSONResponse(error, status_code=400)
        if "key" in prompt and request.headers.get("authorization") != "Bearer secret":
            return JSONResponse({"error": {"message": "an API key is needed"}}, status_code=401)
        trace = recorded(prompt, body.get("decoder", OWN))
        if "infill" in body:
            trace = with_locks(trace, body["infill"])
        stream = events(trace, delay, prompt)
        return StreamingResponse(stream, media_type="text/event-stream")

    return app


@contextmanager
def serving(
    delay: float = 0.0, port: int = 0, about: dict[str, Any] = ABOUT
) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """The stand-in at a free port, until the context is left; and what was posted there."""
    heard: list[dict[str, Any]] = []
    with running(application(delay, heard, about), port) as address:
        yield address, heard


@contextmanager
def running(app: FastAPI, port: int = 0) -> Iterator[str]:
    """The address of an app, until the context is left."""
    config = uvicorn.Config(app, port=port, log_level="error", lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive(), "the stand-in did not start"
        time.sleep(0.01)
    (listening,) = server.servers[0].sockets
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/"
    finally:
        server.should_exit = True
        thread.join(timeout=10)


if __name__ == "__main__":  # python -m tests.serve.pages.stand_in: to look at it
    with serving(delay=0.05, port=8123):
        threading.Event().wait()
