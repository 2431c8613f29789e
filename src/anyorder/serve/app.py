"""The server as an ASGI app.

    app = app_of(service, keys=None)
    app = app_of(service, keys=None, pages=pages.routes())     # with what a browser is shown

Knows nothing of processes and signals.
"""

from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import BaseRoute

from anyorder import __version__
from anyorder.serve import errors
from anyorder.serve.accounts import Accounts
from anyorder.serve.bodies import Bodies
from anyorder.serve.keys import Keys
from anyorder.serve.routes import router_of
from anyorder.serve.schemas import CHOICES
from anyorder.serve.security import Guard, Hardened
from anyorder.serve.service import Service


def app_of(service: Service, *, keys: Keys | None, pages: Sequence[BaseRoute] = ()) -> FastAPI:
    """The app of a service. `pages` need no key, and stand behind the API's own routes."""
    settings = service.settings
    around = [
        Middleware(Accounts, service=service),  # type: ignore[arg-type]
        Middleware(Hardened),  # type: ignore[arg-type]
    ]
    if settings.cors_origins:
        around.append(
            Middleware(
                CORSMiddleware,
                allow_origins=list(settings.cors_origins),
                allow_methods=["GET", "POST"],
                allow_headers=["authorization", "content-type", "x-request-id"],
                expose_headers=["x-request-id", "retry-after"],
            )
        )
    around += [
        Middleware(Guard, settings=settings, keys=keys),  # type: ignore[arg-type]
        Middleware(Bodies, most=settings.most_body_bytes, seconds=settings.slow_client),  # type: ignore[arg-type]
    ]
    app = FastAPI(
        title="anyorder",
        version=__version__,
        docs_url=None,  # it would load its script from elsewhere
        redoc_url=None,
        middleware=around,
        redirect_slashes=False,
    )
    errors.install(app, CHOICES)
    app.include_router(router_of(service))
    app.router.routes.extend(pages)
    _describe(app)
    return app


def _describe(app: FastAPI) -> None:
    """The OpenAPI description without 422, which is never answered: what is wrong is 400."""
    made = app.openapi

    def described() -> dict[str, Any]:
        schema = made()
        for path in schema["paths"].values():
            for act in path.values():
                act["responses"].pop("422", None)
        return schema

    app.openapi = described
