"""What a client is told that can't be served: JSON of OpenAI's shape, with a sentence that helps.

    raise RefusalError("there is no model 'x'; there is: smollm2", status=404)

No answer holds a traceback. Knows nothing of models.
"""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from anyorder.decode.run import NoNumbersError

LOG = logging.getLogger("anyorder.serve")
KINDS: Final = {  # OpenAI's names of what went wrong
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
    500: "server_error",
    503: "server_error",
    504: "timeout_error",
}
SAID: Final = {
    400: "the body can't be read: send JSON, in UTF-8",  # it is no text, or nested without an end
    404: "there is nothing at {path}; there is: /v1/completions, /v1/chat/completions, /v1/models",
    405: "{path} does not answer {method}",
    413: "the body is too large",
}


@dataclass(eq=False)  # not frozen: Python itself notes in an exception where it was raised
class RefusalError(Exception):
    """A request that is not served. `param`: the field that is meant."""

    message: str
    status: int = 400
    param: str | None = None
    code: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def body(self) -> dict[str, Any]:
        """What stands in the answer, or in an event of a stream."""
        error = {
            "message": self.message,
            "type": KINDS.get(self.status, "invalid_request_error"),
            "param": self.param,
            "code": self.code,
        }
        return {"error": error}

    @property
    def response(self) -> Response:
        """The answer. ASCII: a client's own half characters may stand in the sentence."""
        return Response(
            json.dumps(self.body), self.status, dict(self.headers), media_type="application/json"
        )


def failed() -> RefusalError:
    """What is said of a mistake of ours; the log has the rest."""
    return RefusalError("something went wrong here; the server's log says what", status=500)


def told(error: BaseException) -> RefusalError:
    """An error of a run as a client is told of it."""
    if isinstance(error, RefusalError):
        return error
    if isinstance(error, NoNumbersError):
        LOG.error("a text failed: %s", error)
        return RefusalError(str(error), status=500)
    if isinstance(error, ValueError):
        return RefusalError(" ".join(str(error).split()))
    if isinstance(error, MemoryError) or "can't allocate memory" in str(error):
        return RefusalError("there is not enough memory for this: ask for less", status=503)
    LOG.error("a text failed", exc_info=error)
    return failed()


def install(app: FastAPI, choices: Mapping[str, str]) -> None:
    """Every error of the app in this shape. `choices`: what fields may be that may be of several
    kinds.
    """

    async def refused(_: Request, error: Exception) -> Response:
        assert isinstance(error, RefusalError)
        return error.response

    async def invalid(_: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        return _first(error, choices).response

    async def of_http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        known = SAID.get(error.status_code, str(error.detail))
        path = request.url.path
        words = known.format(path=path[:200], method=request.method) if "{" in known else known
        headers = dict(error.headers or {})
        return RefusalError(words, status=error.status_code, headers=headers).response

    async def unexpected(_: Request, error: Exception) -> Response:
        return told(error).response

    app.add_exception_handler(RefusalError, refused)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, of_http)
    app.add_exception_handler(Exception, unexpected)


def _first(error: RequestValidationError, choices: Mapping[str, str]) -> RefusalError:
    """The first of what is wrong with a body; the others would only repeat it."""
    wrong = error.errors()[0]
    place = [str(part) for part in wrong["loc"] if part not in ("body",)]
    for at, part in enumerate(place):
        if part in choices and len(place) > at + 1:  # what follows names kinds, for programmers
            name = ".".join(place[: at + 1])
            return RefusalError(f"{name} is {choices[part]}", param=name)
    kind, words = wrong["type"], str(wrong["msg"]).removeprefix("Value error, ")
    words = words[:1].lower() + words[1:]
    if kind == "json_invalid":
        return RefusalError(f"the body is no JSON: {wrong.get('ctx', {}).get('error', words)}")
    if kind == "missing" and not place:
        return RefusalError("there is no body; send a JSON object")
    name = ".".join(place)
    if kind == "extra_forbidden":
        return RefusalError(f"there is no field {name!r} here", param=name)
    if kind == "missing":
        what = f": it is {choices[place[-1]]}" if place[-1] in choices else ""
        return RefusalError(f"{name} is missing{what}", param=name)
    return RefusalError(f"{name}: {words}" if name else words, param=name or None)
