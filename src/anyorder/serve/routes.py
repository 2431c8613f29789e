"""What the server answers: OpenAI's API, and what those who run it ask.

app.include_router(router_of(service))
"""

from dataclasses import asdict
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response

from anyorder.models.language_model import LanguageModel
from anyorder.serve.asking import Reader
from anyorder.serve.chat import ChatShape
from anyorder.serve.completions import CompletionShape
from anyorder.serve.errors import RefusalError
from anyorder.serve.schemas import ChatRequest, CompletionRequest
from anyorder.serve.service import Kind, Service

COMPLETION: Final = Kind("cmpl", Reader.completion, CompletionShape)
CHAT: Final = Kind("chatcmpl", Reader.chat, ChatShape)
ERRORS: Final[dict[int | str, dict[str, Any]]] = {
    400: {"description": "Something is wrong with the request; the sentence says what."},
    401: {"description": "An API key is needed."},
    403: {"description": "The server is called by a name that is not its own."},
    404: {"description": "There is no such model."},
    408: {"description": "The body did not come in time."},
    413: {"description": "The body is too large."},
    415: {"description": "The body is no JSON."},
    429: {"description": "Too much is asked for at once; try again after `Retry-After` seconds."},
    500: {"description": "Something went wrong here."},
    503: {"description": "The model is being loaded, or the server is going down."},
    504: {"description": "It took too long."},
}
STREAMED: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "The answer, whole or in events.", "content": {"text/event-stream": {}}}
}


def router_of(service: Service) -> APIRouter:
    """All routes of one service."""
    router = APIRouter()
    _texts(router, service)
    _models(router, service)
    _operations(router, service)
    return router


def _texts(router: APIRouter, service: Service) -> None:
    @router.post("/v1/completions", responses=STREAMED | ERRORS)
    async def completions(request: Request, body: CompletionRequest) -> Response:
        """Write after a prompt."""
        return await service.answer(request, body, COMPLETION)

    @router.post("/v1/chat/completions", responses=STREAMED | ERRORS)
    async def chat_completions(request: Request, body: ChatRequest) -> Response:
        """Write the next turn of a conversation."""
        return await service.answer(request, body, CHAT)


def _models(router: APIRouter, service: Service) -> None:
    @router.get("/v1/models", responses=ERRORS)
    async def models() -> JSONResponse:
        """The model that is served."""
        return JSONResponse({"object": "list", "data": [_model(service)]})

    @router.get("/v1/models/{model:path}", responses=ERRORS)
    async def one_model(model: str) -> JSONResponse:
        """The same, by its name."""
        found = _model(service)
        if model != found["id"]:
            raise RefusalError(
                f"there is no model {model[:100]!r} here; there is: {found['id']}",
                status=404,
                code="model_not_found",
            )
        return JSONResponse(found)


def _operations(router: APIRouter, service: Service) -> None:
    @router.get("/healthz")
    async def healthz() -> JSONResponse:
        """The process lives."""
        return JSONResponse({"status": "ok"})

    @router.get("/readyz", responses={503: {"description": "Not yet, or not any more."}})
    async def readyz() -> JSONResponse:
        """Requests are served."""
        if service.is_ready:
            return JSONResponse({"status": "ready"})
        status = "draining" if service.drains else "loading"
        return JSONResponse({"status": status}, 503, {"Retry-After": "2"})

    @router.get("/metrics", responses={401: ERRORS[401]}, response_class=PlainTextResponse)
    async def metrics() -> Response:
        """What Prometheus reads."""
        return Response(service.metrics.text(), media_type="text/plain; version=0.0.4")


def _model(service: Service) -> dict[str, Any]:
    """OpenAI's fields, and in `anyorder` what the model can do."""
    opened = service.now
    lm = opened.lm
    told = {
        "precision": lm.precision,
        "chat": isinstance(lm, LanguageModel) and lm.units.has_chat,
        "context": getattr(getattr(lm, "model", None), "max_length", None),
        "decoder": service.settings.decoder or lm.decoder,
        "decoders": [asdict(one) for one in opened.decoders],
        "most_tokens": service.settings.most_tokens,
    }
    return {
        "id": opened.reader.name,
        "object": "model",
        "created": service.created,
        "owned_by": "anyorder",
        "anyorder": told,
    }
