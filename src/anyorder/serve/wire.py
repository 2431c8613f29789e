"""Connections: uvicorn's, which wait only so long for the head of a request, or for a client that
reads nothing of its answer, and speak JSON.

uvicorn.Config(app, http=Wire.patient(15))
"""

import asyncio
import json

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from anyorder.serve.errors import RefusalError


class Wire(H11Protocol):
    """See the module."""

    seconds = 15.0
    late: asyncio.TimerHandle | None = None
    stuck: asyncio.TimerHandle | None = None

    @staticmethod
    def patient(seconds: float) -> type["Wire"]:
        """Connections on which a head must come within so many seconds."""
        return type("Patient", (Wire,), {"seconds": seconds})

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for the head of the first request."""
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        """Wait no more, or for the rest of a head."""
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:
            self._heard()
        elif self.late is None:
            self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._heard()
        self._read_on()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Wait for the client to read; see `_unread`."""
        super().pause_writing()
        self._read_on()
        self.stuck = self.loop.call_later(self.seconds, self._unread, self._left())

    def resume_writing(self) -> None:
        """It reads."""
        self._read_on()
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:
        """What is no HTTP, or too much of it, is told so in JSON."""
        said = RefusalError(f"this is no HTTP request that is understood here ({msg.rstrip('.')})")
        body = json.dumps(said.body).encode()
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            (b"connection", b"close"),
        ]
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            answer = h11.Response(status_code=400, headers=headers, reason=b"Bad Request")
            for event in (answer, h11.Data(data=body), h11.EndOfMessage()):
                self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    def _wait(self) -> None:
        self.late = self.loop.call_later(self.seconds, self._too_late)

    def _heard(self) -> None:
        if self.late is not None:
            self.late.cancel()
            self.late = None

    def _left(self) -> int:
        """Bytes that were not read yet."""
        return self.transport.get_write_buffer_size()

    def _unread(self, before: int) -> None:
        """A client that has read nothing for so long has left, whatever its socket says."""
        self.stuck = None
        if self._left() < before:
            self.stuck = self.loop.call_later(self.seconds, self._unread, self._left())
        else:
            self.transport.abort()

    def _read_on(self) -> None:
        if self.stuck is not None:
            self.stuck.cancel()
            self.stuck = None

    def _too_late(self) -> None:
        """The head never came; nobody waits for an answer."""
        self.late = None
        if self.cycle is None or self.cycle.response_complete:
            self.transport.close()
