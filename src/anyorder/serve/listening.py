"""From jobs to parts: texts are written by threads, and heard in the server's own loop.

    async for part in heard(desk, asked, lm, seconds=300): ...

Whoever stops listening frees the seats. Knows nothing of HTTP.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Callable

from anyorder.models.writer import Writer
from anyorder.serve.asking import Asked
from anyorder.serve.choices import Choice, Part
from anyorder.serve.desk import ClosedError, Desk, FullError, Ticket
from anyorder.serve.errors import RefusalError, told
from anyorder.serve.jobs import Ended, Event, Written
from anyorder.trace import Step

RETRY: int = 1  # seconds after which a client that was refused may ask again


async def heard(
    desk: Desk, asked: Asked, lm: Writer, *, seconds: float, see: Callable[[int, Step], None]
) -> AsyncGenerator[Part, None]:
    """The parts of all texts as they come; `see` is told of each step of each text.

    Raises RefusalError for whatever ends them early.
    """
    events: asyncio.Queue[tuple[int, Event]] = asyncio.Queue()
    loop, end = asyncio.get_running_loop(), time.monotonic() + seconds
    choices = [Choice(index, asked, job.writer(lm)) for index, job in enumerate(asked.jobs)]
    tickets: list[Ticket] = []

    def hear(index: int, event: Event) -> None:
        """Called by the thread that writes; a loop that is closed listens to nobody any more."""
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(events.put_nowait, (index, event))

    try:
        for index, job in enumerate(asked.jobs):
            tickets.append(desk.submit(job, lambda event, index=index: hear(index, event)))
        left, cut = len(tickets), False
        while left:
            index, event = await _next(events, end, seconds)
            if isinstance(event, Written) and event.step is not None:
                see(index, event.step)
            part = choices[index].hear(event)
            if isinstance(event, Ended):
                left, cut = left - 1, cut or event.cut
                _check(event)
            if part is not None:
                yield part
        if cut and asked.body.stream:
            raise ClosedError("the server went down before all was written; ask again in a moment")
    except FullError as error:
        raise full(str(error)) from error
    except ClosedError as error:
        raise RefusalError(str(error), status=503, headers={"Retry-After": str(RETRY)}) from error
    finally:
        for ticket in tickets:
            ticket.cancel()


async def _next(
    events: "asyncio.Queue[tuple[int, Event]]", end: float, seconds: float
) -> tuple[int, Event]:
    """What is heard next. Raises RefusalError from `end` on, though more may be there: then whoever
    asks for it is too slow.
    """
    left = end - time.monotonic()
    if left <= 0:
        raise timed_out(seconds)
    try:
        async with asyncio.timeout(left):
            return await events.get()
    except TimeoutError:
        raise timed_out(seconds) from None


def _check(event: Ended) -> None:
    """Raises RefusalError for a text that failed, ClosedError for one that was never begun."""
    if event.error is not None:
        raise told(event.error)
    if event.output is None:
        raise ClosedError("the server is going down; ask again in a moment")


def full(sentence: str) -> RefusalError:
    """Too much is asked for at once."""
    return RefusalError(
        sentence, status=429, code="overloaded", headers={"Retry-After": str(RETRY)}
    )


def timed_out(seconds: float) -> RefusalError:
    """The request took too long; what was written of it is given up."""
    return RefusalError(
        f"this took more than {seconds:g} seconds, and was given up: ask for fewer tokens, or "
        "stream, so that what is written is seen",
        status=504,
        code="timeout",
    )
