"""Answers while they are written: server-sent events, as OpenAI's API sends them.

    return streamed(first, parts, asked, shape, slow=15)

A client that leaves, or that reads nothing for so long, is not written for any more.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable
from typing import Any, Final, TypeVar

from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.requests import Request
from starlette.responses import Response

from anyorder.serve.asking import Asked
from anyorder.serve.choices import Part
from anyorder.serve.errors import RefusalError
from anyorder.serve.shapes import Shape, usage

T = TypeVar("T")
FAREWELL: Final = 2.0  # seconds in which a stream that the server's end cuts short says so


def streamed(
    first: Part, rest: AsyncGenerator[Part, None], asked: Asked, shape: Shape, *, slow: float
) -> Response:
    """The answer as a stream that begins with `first`."""
    events = _events(first, rest, asked, shape)
    return EventSourceResponse(events, sep="\n", send_timeout=slow, shutdown_grace_period=FAREWELL)


async def while_connected(request: Request, wanted: Awaitable[T]) -> T | None:
    """What is waited for, or None if the client leaves first: then nobody waits for it any more."""
    work, left = asyncio.ensure_future(wanted), asyncio.ensure_future(_left(request))
    try:
        await asyncio.wait({work, left}, return_when=asyncio.FIRST_COMPLETED)
        return work.result() if work.done() else None
    finally:
        for task in (work, left):
            task.cancel()
        await asyncio.gather(work, left, return_exceptions=True)


async def _left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _events(
    first: Part, rest: AsyncGenerator[Part, None], asked: Asked, shape: Shape
) -> AsyncIterator[ServerSentEvent]:
    begun, written = set[int](), 0
    counts = bool(asked.body.stream_options and asked.body.stream_options.include_usage)
    try:
        async with contextlib.aclosing(rest):
            async for part in _chained(first, rest):
                written += part.written
                if part.index not in begun:
                    begun.add(part.index)
                    for chunk in shape.beginning(part):
                        yield _event(chunk | _no_usage(counts))
                chunk = shape.chunk(part) | _no_usage(counts)
                if asked.body.return_token_ids:
                    chunk["choices"][0]["token_ids"] = [told.token for told in part.told]
                if part.anyorder is not None:
                    chunk["anyorder"] = part.anyorder
                yield _event(chunk)
        if counts:
            yield _event(shape.last() | {"usage": usage(sum(asked.prompts), written)})
        yield ServerSentEvent("[DONE]", sep="\n")
    except RefusalError as refusal:
        yield _event(refusal.body)


async def _chained(first: Part, rest: AsyncGenerator[Part, None]) -> AsyncIterator[Part]:
    yield first
    async for part in rest:
        yield part


def _no_usage(counts: bool) -> dict[str, Any]:
    """Where counts are wanted, all other events say that they have none."""
    return {"usage": None} if counts else {}


def _event(data: dict[str, Any]) -> ServerSentEvent:
    return ServerSentEvent(json.dumps(data), sep="\n")  # some clients split lines at U+2028, too
