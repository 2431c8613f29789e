"""The page's files, as a server hands them out.

    app.include_router(router(lambda: about(lm)))    # GET / and what it loads, below /page/

It is a static page over the API: nothing on it is made from a request. The player is the one that
`show.page` puts into `compare.html`. Its policy lets it load from, and talk to, this server alone.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib.resources import files
from string import Template
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from anyorder.serve.pages.evidence import evidence
from anyorder.show.page import SCRIPTS, part, player_html

OWN: Final = ("live.js", "holes.js", "form.js", "frontier.js", "systems.js", "app.js")
POLICY: Final = "; ".join(
    [
        *("default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'"),
        *("img-src data:", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"),
    ]
)
HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",  # a newer version is seen at once; what is the same is not sent
}

LOADING: Final = {"error": {"message": "the model is being loaded; ask again in a moment"}}


@dataclass(frozen=True)
class Asset:
    """A file: its bytes and what they are."""

    body: bytes
    kind: str

    @property
    def tag(self) -> str:
        """It changes with the bytes."""
        return f'"{sha256(self.body).hexdigest()[:16]}"'


@cache
def assets() -> Mapping[str, Asset]:
    """All files by their paths.

    >>> sorted(assets())[:3]
    ['/', '/page/app.css', '/page/app.js']
    """
    strict = '"use strict";\n'
    page = Template(_own("static/index.html")).substitute(player=player_html())
    return {
        "/": Asset(page.encode(), "text/html; charset=utf-8"),
        "/page/app.css": _css(_own("static/app.css")),
        "/page/app.js": _script(strict + "".join(_own(f"static/{name}") for name in OWN)),
        "/page/d3.js": _script(_own("vendor/d3.min.js")),
        "/page/d3.LICENSE": Asset(_own("vendor/d3.LICENSE").encode(), "text/plain; charset=utf-8"),
        "/page/player.css": _css(part("player.css")),
        "/page/player.js": _script(strict + "".join(map(part, SCRIPTS))),
    }


def router(about: Callable[[], Mapping[str, Any] | None]) -> APIRouter:
    """The routes of the page. `about` says what it is told of the model (see `pages.about`), or
    None while that is being loaded.
    """
    routes = APIRouter(include_in_schema=False)

    def serve(path: str, asset: Asset) -> None:
        @routes.get(path)
        def _(request: Request) -> Response:
            headers = HEADERS | {"ETag": asset.tag}
            if request.headers.get("if-none-match") == asset.tag:
                return Response(status_code=304, headers=headers)
            return Response(asset.body, media_type=asset.kind, headers=headers)

    for path, asset in assets().items():
        serve(path, asset)

    @routes.get("/page/about.json")
    def _about() -> JSONResponse:
        told = about()
        if told is None:
            return JSONResponse(LOADING, status_code=503, headers=HEADERS | {"Retry-After": "1"})
        return JSONResponse(told, headers=HEADERS)

    @routes.get("/page/evidence.json")
    def _evidence() -> JSONResponse:
        return JSONResponse(evidence(), headers=HEADERS)

    return routes


def _own(name: str) -> str:
    return (files("anyorder.serve.pages") / name).read_text(encoding="utf-8")


def _css(text: str) -> Asset:
    return Asset(text.encode(), "text/css; charset=utf-8")


def _script(text: str) -> Asset:
    return Asset(text.encode(), "text/javascript; charset=utf-8")
