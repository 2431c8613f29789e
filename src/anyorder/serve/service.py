"""The service: a model and its desk, and one way from a request to an answer for both APIs.

    service = Service(settings, Metrics())
    service.open(lm)
    response = await service.answer(request, body, CHAT)

request -> jobs -> events -> parts -> choices. Knows how neither API reads a prompt or says a text.
"""

import contextlib
import time
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from typing import Any, Final

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from anyorder import __version__
from anyorder.decode.catalogue import parse
from anyorder.decode.run import Decoder
from anyorder.models.capability import missing
from anyorder.models.writer import Writer
from anyorder.serve.asking import Asked, Reader
from anyorder.serve.choices import Part
from anyorder.serve.desk import Desk
from anyorder.serve.errors import RefusalError, told
from anyorder.serve.listening import full, heard
from anyorder.serve.metrics import Clock, Metrics
from anyorder.serve.schemas import Shared
from anyorder.serve.settings import Settings
from anyorder.serve.shapes import Frame, Shape, usage, whole
from anyorder.serve.stream import streamed, while_connected
from anyorder.serve.ways import Fitting, fitting, network
from anyorder.units.text import TextUnits

LEFT: Final = 499  # nobody reads this answer: the client is gone


@dataclass(frozen=True)
class Kind:
    """One of the two APIs: how it reads a request, and how it says an answer."""

    prefix: str
    read: Callable[[Reader, Any], Asked]
    shape: Callable[[Frame, TextUnits, int | None], Shape]


@dataclass(frozen=True)
class Opened:
    """A model that is there."""

    lm: Writer
    desk: Desk
    reader: Reader
    decoders: tuple[Fitting, ...]


@dataclass
class Service:
    """See the module. Nothing is served before `open`, nor once it `drains`."""

    settings: Settings
    metrics: Metrics
    opened: Opened | None = None
    drains: bool = False
    in_flight: int = 0  # tokens, prompts included
    answering: int = 0  # requests that have no answer, or no beginning of one
    created: int = field(default_factory=lambda: int(time.time()))

    def open(self, lm: Writer) -> None:
        """Serve this model. Raises ValueError if the settings do not fit it."""
        settings, name = self.settings, self.settings.name or lm.name
        reader = Reader(lm, settings, name, _suited(lm, settings.decoder))
        desk = Desk(lm, seats=settings.seats, waiting=settings.waiting, context=settings.longest)
        self.metrics.watch(lambda: desk.figures)
        self.metrics.in_flight.set_function(lambda: self.in_flight)
        self.metrics.ready.set_function(lambda: self.is_ready)
        self.opened = Opened(lm, desk, reader, fitting(lm))

    def close(self, grace: float) -> None:
        """Take no more, and give up what is not written after `grace` seconds."""
        self.drains = True
        if self.opened is not None:
            self.opened.desk.close(grace)

    @property
    def is_ready(self) -> bool:
        return self.opened is not None and not self.drains

    @property
    def is_busy(self) -> bool:
        """Whether somebody waits for an answer, or for the rest of one."""
        return bool(self.answering or self.in_flight)

    @property
    def now(self) -> Opened:
        """What serves. Raises RefusalError while nothing does."""
        if self.opened is None or self.drains:
            words = "the server is going down" if self.drains else "the model is being loaded"
            raise RefusalError(
                f"{words}; ask again in a moment", status=503, headers={"Retry-After": "2"}
            )
        return self.opened

    async def answer(self, request: Request, body: Shared, kind: Kind) -> Response:
        """The answer to a request, or the beginning of a stream. Raises RefusalError."""
        self.answering += 1
        try:
            return await self._answered(request, body, kind)
        finally:
            self.answering -= 1

    async def _answered(self, request: Request, body: Shared, kind: Kind) -> Response:
        clock = Clock(self.metrics, "")
        opened = self.now
        asked = await anyio.to_thread.run_sync(kind.read, opened.reader, body)
        clock.decoder = asked.decoder
        request.scope["anyorder"] = facts = _facts(asked)
        fingerprint = f"anyorder-{__version__}-{opened.lm.precision}"
        frame = Frame.new(kind.prefix, opened.reader.name, fingerprint)
        top = asked.jobs[0].alternatives if asked.logprobs else None
        shape = kind.shape(frame, opened.lm.units, top)
        parts = self._parts(opened, asked, clock, facts)
        if body.stream:
            first = await while_connected(request, anext(parts, None))
            if first is None:
                return Response(status_code=LEFT)
            return streamed(first, parts, asked, shape, slow=self.settings.slow_client)
        found = await while_connected(request, _all(parts))
        if found is None:
            return Response(status_code=LEFT)
        # in a thread: a long answer would else keep all streams waiting
        return await anyio.to_thread.run_sync(_response, found, asked, shape)

    async def _parts(
        self, opened: Opened, asked: Asked, clock: Clock, facts: dict[str, Any]
    ) -> AsyncGenerator[Part, None]:
        """The parts of all texts, while there is room for their tokens."""
        most = self.settings.most_tokens_in_flight
        if self.in_flight and self.in_flight + asked.tokens > most:
            raise full(f"{self.in_flight} tokens wait or are written already; ask again later")
        self.in_flight += asked.tokens
        self.metrics.prompt_tokens.inc(sum(asked.prompts))
        texts = [""] * len(asked.jobs)
        parts = heard(opened.desk, asked, opened.lm, seconds=self.settings.timeout, see=clock.step)
        try:
            async with contextlib.aclosing(parts):
                async for part in parts:
                    facts["tokens"] += part.written
                    if self.settings.log_prompts:
                        texts[part.index] += part.text
                    yield part
        except RefusalError:
            raise
        except Exception as error:
            raise told(error) from error
        finally:
            self.in_flight -= asked.tokens
            if self.settings.log_prompts:
                units = opened.lm.units
                facts["prompts"] = [
                    job.prompt if isinstance(job.prompt, str) else units.decode(list(job.prompt))
                    for job in asked.jobs
                ]
                facts["texts"] = texts


def _suited(lm: Writer, spec: str | None) -> Decoder:
    """The decoder where a request names none. Raises ValueError for one that does not fit."""
    if spec is None:
        return parse(lm.decoder)
    decoder = parse(spec)
    lacking = missing(network(lm), decoder.needs)
    if lacking:
        known = ", ".join(one.name for one in fitting(lm))
        raise ValueError(
            f"--decoder: {spec} needs a {lacking[0]}, and {lm.name} is none; these fit: {known}"
        )
    return decoder


def _response(found: list[Part], asked: Asked, shape: Shape) -> Response:
    """All texts at once."""
    texts = [whole([p for p in found if p.index == i]) for i in range(len(asked.jobs))]
    answer = shape.answer(texts)
    if asked.body.return_token_ids:
        for choice, text, job in zip(answer["choices"], texts, asked.jobs, strict=True):
            choice["prompt_token_ids"] = list(job.prompt) if isinstance(job.prompt, tuple) else None
            choice["token_ids"] = [told.token for told in text.told]
    answer["usage"] = usage(sum(asked.prompts), sum(text.written for text in texts))
    if texts[0].anyorder is not None:
        answer["anyorder"] = texts[0].anyorder
    return JSONResponse(answer)


async def _all(parts: AsyncGenerator[Part, None]) -> list[Part]:
    async with contextlib.aclosing(parts):
        return [part async for part in parts]


def _facts(asked: Asked) -> dict[str, Any]:
    """What the log has of a request: no word of what it said."""
    return {
        "decoder": asked.decoder,
        "texts": len(asked.jobs),
        "prompt_tokens": sum(asked.prompts),
        "tokens": 0,
        "streamed": bool(asked.body.stream),
    }
