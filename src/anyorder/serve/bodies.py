"""Bodies of requests: read whole, if they are JSON, not too large, and come in time.

    app = Bodies(app, most=1_048_576, seconds=15)

ASGI around the app. Knows nothing of what is in them.
"""

import asyncio
from dataclasses import dataclass
from typing import Final

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from anyorder.serve.errors import RefusalError

_WITH: Final = ("POST", "PUT", "PATCH")


class GoneError(Exception):
    """The client left while it was still sending."""


@dataclass(frozen=True)
class Bodies:
    """See the module."""

    app: ASGIApp
    most: int
    seconds: float

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] not in _WITH:
            await self.app(scope, receive, send)
            return
        try:
            body = await self._read(Headers(scope=scope), receive)
        except GoneError:
            return
        except RefusalError as refusal:
            await refusal.response(scope, receive, send)
            return
        waiting = [body]

        async def replayed() -> Message:
            if waiting:
                return {"type": "http.request", "body": waiting.pop(), "more_body": False}
            return await receive()

        await self.app(scope, replayed, send)

    async def _read(self, headers: Headers, receive: Receive) -> bytes:
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/json":
            raise _refused("the body must be JSON: send `Content-Type: application/json`", 415)
        if headers.get("content-encoding", "identity").lower() != "identity":
            raise _refused("the body must be sent as it is, without a Content-Encoding", 415)
        length = headers.get("content-length", "")
        if length.isdecimal() and int(length[:20]) > self.most:
            raise self._large()
        try:
            async with asyncio.timeout(self.seconds):
                return await self._all(receive)
        except TimeoutError:
            raise _refused(f"the body did not come within {self.seconds:g} seconds", 408) from None

    async def _all(self, receive: Receive) -> bytes:
        body, more = bytearray(), True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise GoneError
            body += message.get("body", b"")
            more = message.get("more_body", False)
            if len(body) > self.most:
                raise self._large()
        return bytes(body)

    def _large(self) -> RefusalError:
        return _refused(f"the body is too large: {self.most} bytes is the most", 413)


def _refused(sentence: str, status: int) -> RefusalError:
    """What is still to come of the body is not read, so the connection ends."""
    return RefusalError(sentence, status=status, headers={"Connection": "close"})
