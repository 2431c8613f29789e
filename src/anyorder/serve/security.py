"""Who may ask, by which name, and what browsers are told. ASGI around the app.

    app = Guard(app, settings, keys)

On loopback the Host header is checked, so that no web page reaches the server by a name of its own
(DNS rebinding). Knows nothing of models.
"""

from dataclasses import dataclass
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from anyorder.serve.errors import RefusalError
from anyorder.serve.keys import Keys
from anyorder.serve.settings import LOOPBACK, Settings

LOCKED: Final = ("/v1", "/metrics")  # what needs a key, if there are keys
HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}


@dataclass(frozen=True)
class Guard:
    """Refuses strangers. Further settings than those of the hosts are not looked at."""

    app: ASGIApp
    settings: Settings
    keys: Keys | None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        refusal = self._stranger(headers) or self._keyless(scope, headers)
        await (refusal.response if refusal else self.app)(scope, receive, send)

    def _stranger(self, headers: Headers) -> RefusalError | None:
        """The server is called by a name that is not its own."""
        names = set(self.settings.allowed_hosts)
        if self.settings.is_local:
            names |= {*LOOPBACK, self.settings.host}
        if not names or _host(headers.get("host", "")) in names:
            return None
        return RefusalError(
            "the Host header names another server: use this one's own address, or allow the name "
            "with --allowed-hosts",
            status=403,
            code="unknown_host",
        )

    def _keyless(self, scope: Scope, headers: Headers) -> RefusalError | None:
        path: str = scope["path"]
        locked = any(path == way or path.startswith(way + "/") for way in LOCKED)
        if self.keys is None or not locked or scope["method"] == "OPTIONS":
            return None
        kind, _, key = headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer" and self.keys.knows(key.strip()):
            return None
        needed = "an API key is needed: send the header `Authorization: Bearer KEY`"
        return RefusalError(
            "this API key is not known here" if key else needed,
            status=401,
            code="invalid_api_key",
            headers={"WWW-Authenticate": "Bearer"},
        )


@dataclass(frozen=True)
class Hardened:
    """Tells browsers to be careful, unless an answer says it better itself."""

    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def careful(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self.app(scope, receive, careful)


def _host(header: str) -> str:
    """The name without a port.

    >>> _host("localhost:8000"), _host("[::1]:8000")
    ('localhost', '::1')
    """
    name = header.strip().lower()
    if name.startswith("["):
        return name[1:].partition("]")[0]
    return name.partition(":")[0]
