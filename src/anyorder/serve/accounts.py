"""Each request is counted, timed, logged, and has an id. ASGI around the app.

    app = Accounts(app, service)

The id is the client's own x-request-id, if it sends a plain one. No prompt is written down, unless
the settings ask for it.
"""

import re
import time
import uuid
from dataclasses import dataclass, field
from typing import Any, Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from anyorder.serve.errors import failed
from anyorder.serve.listening import full
from anyorder.serve.logs import LOG
from anyorder.serve.service import LEFT, Service

_PLAIN: Final = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_QUIET: Final = ("/healthz", "/readyz", "/metrics")  # asked every few seconds, of no interest


@dataclass
class Accounts:
    """See the module. `open`: requests that are being answered."""

    app: ASGIApp
    service: Service
    open: int = field(default=0, init=False)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        one = Request(scope, send, time.monotonic(), _id(scope))
        self.open += 1
        try:
            await self._answered(one, receive)
        except Exception:
            LOG.exception("a request failed", extra={"facts": {"id": one.id}})
            if not one.status:
                await failed().response(scope, receive, one.hear)
        finally:
            self.open -= 1
            self._note(one)

    async def _answered(self, one: "Request", receive: Receive) -> None:
        most = self.service.settings.most_requests
        if self.open > most and one.scope["path"] not in _QUIET:
            busy = full(f"{most} requests are being answered; ask again later")
            await busy.response(one.scope, receive, one.hear)
            return
        await self.app(one.scope, receive, one.hear)

    def _note(self, one: "Request") -> None:
        seconds, route = time.monotonic() - one.begun, _route(one.scope)
        status = one.status or LEFT
        metrics = self.service.metrics
        metrics.requests.labels(route, str(status)).inc()
        metrics.whole.labels(route).observe(seconds)
        if route in _QUIET and status == 200:
            return
        facts: dict[str, Any] = {
            "id": one.id,
            "method": one.scope["method"][:20],
            "route": route,
            "status": status,
            "seconds": round(seconds, 4),
            **one.scope.get("anyorder", {}),
        }
        LOG.info("request", extra={"facts": facts})


@dataclass
class Request:
    """One request, and what was answered so far."""

    scope: Scope
    send: Send
    begun: float
    id: str
    status: int = 0

    async def hear(self, message: Message) -> None:
        """Send on, with the id."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            MutableHeaders(scope=message)["x-request-id"] = self.id
        await self.send(message)


def _id(scope: Scope) -> str:
    said = Headers(scope=scope).get("x-request-id", "")
    return said if _PLAIN.fullmatch(said) else uuid.uuid4().hex


def _route(scope: Scope) -> str:
    """The route's own path; whatever strangers ask for is "other"."""
    return getattr(scope.get("route"), "path", "other")
