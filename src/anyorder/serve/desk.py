"""The desk: it takes jobs, lets some wait, and has several written at once.

    desk = Desk(lm, seats=8, waiting=64)
    ticket = desk.submit(job, hear)       # `hear(event)` is called by the thread that writes
    ticket.cancel()                       # its seat is free after the step
    desk.close(grace=30)

Every text is what `generate` writes alone. Of a compiled network the calls of all texts are
computed together (see `nets.compiled.rendezvous`); with others, texts take turns, step by step.
Shapes do not appear here.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any

from anyorder.decode.draft_verify.by_cost.cost import curve_of
from anyorder.decode.vocabulary import understood
from anyorder.decode.writing import Output, Progress, Writing
from anyorder.models.capability import CTCModel, DAGModel
from anyorder.models.translator import Translator
from anyorder.models.writer import Writer
from anyorder.nets.compiled.crew import own_threads
from anyorder.nets.compiled.network import Compiled
from anyorder.nets.compiled.rendezvous import GivenUpError, Rendezvous
from anyorder.nets.compiled.together import Rows
from anyorder.serve.jobs import Begin, Ended, Event, Job, Written
from anyorder.serve.logs import LOG
from anyorder.serve.turns import Turns
from anyorder.show.lattices import with_lattice

Hear = Callable[[Event], None]
PROMPTLY = 1.0  # seconds in which a text that is given up should have ended its step


class FullError(Exception):
    """So many jobs wait that one more is refused."""


class ClosedError(Exception):
    """The desk takes no jobs any more."""


@dataclass(eq=False)
class Ticket:
    """A job that was taken."""

    job: Job
    hear: Hear
    desk: "Desk"
    given_up: threading.Event = field(default_factory=threading.Event)
    told: threading.Event = field(default_factory=threading.Event)  # its end

    def end(self, event: Ended) -> None:
        """Whoever listens hears of one end."""
        with self.desk.lock:
            if self.told.is_set():
                return
            self.told.set()
        self.hear(event)

    def cancel(self) -> None:
        """Write no more of it; whoever listens hears `Ended` with what there is."""
        self.given_up.set()
        if self.desk.forget(self):
            self.end(Ended(None))


@dataclass(frozen=True)
class Figures:
    """What the desk does now, and what the network was asked since it began: `rounds` in which
    `calls` of texts were computed together, of so many `cells`; 0 where texts take turns.
    """

    waiting: int
    writing: int
    rounds: int
    calls: int
    cells: int


class Desk:
    """See the module. `seats`: texts that are written at once; `waiting`: jobs that may wait;
    `context`: tokens of the longest text, prompt included, that is computed beside others.
    """

    def __init__(
        self, lm: Writer, *, seats: int = 8, waiting: int = 64, context: int = 2048
    ) -> None:
        self.lm, self.most_waiting = lm, waiting
        self.together = _together(lm, seats, context)
        self.turns = Turns()
        self.lock = threading.Lock()
        self.called = threading.Condition(self.lock)  # somebody waits, or it closes
        self.line: deque[Ticket] = deque()
        self.writing: set[Ticket] = set()
        self.closed = False
        self.threads = [
            threading.Thread(target=self._seat, name=f"seat {n}", daemon=True) for n in range(seats)
        ]
        for thread in self.threads:
            thread.start()

    @property
    def figures(self) -> Figures:
        """What it does now."""
        met = self.together
        counts = (met.rounds, met.calls, met.cells) if met else (0, 0, 0)
        with self.lock:
            return Figures(len(self.line), len(self.writing), *counts)

    def submit(self, job: Job, hear: Hear) -> Ticket:
        """Take a job. Raises FullError and ClosedError."""
        ticket = Ticket(job, hear, self)
        with self.lock:
            if self.closed:
                raise ClosedError("the server is going down; ask again in a moment")
            if len(self.line) + len(self.writing) >= self.most_waiting + len(self.threads):
                raise FullError(f"{self.most_waiting} requests wait already; ask again later")
            self.line.append(ticket)
            self.called.notify()
        return ticket

    def forget(self, ticket: Ticket) -> bool:
        """Whether it still waited: it does so no more."""
        with self.lock:
            if ticket not in self.line:
                return False
            self.line.remove(ticket)
        return True

    def close(self, grace: float) -> None:
        """Take no more, write what was taken for up to `grace` seconds, then give up the rest."""
        with self.lock:
            if self.closed:
                return
            self.closed = True
            self.called.notify_all()
        self._wait(grace)
        with self.lock:
            left = [*self.line, *self.writing]
        for ticket in left:
            ticket.cancel()
        self._wait(PROMPTLY)
        with self.lock:
            left = list(self.writing)
        for ticket in left:
            ticket.end(Ended(None))  # whoever listens is told, however long its step takes
        self._wait(grace + 5)
        if self.together and not any(thread.is_alive() for thread in self.threads):
            self.together.close()

    def _wait(self, seconds: float) -> None:
        """Until all seats are left, or for so long."""
        end = time.monotonic() + seconds
        for thread in self.threads:
            thread.join(max(0.0, end - time.monotonic()))

    def _seat(self) -> None:
        if self.together:
            own_threads(1)  # the network has its crew
        while (ticket := self._next()) is not None:
            try:
                self._written(ticket)
            finally:
                with self.lock:
                    self.writing.discard(ticket)

    def _next(self) -> Ticket | None:
        """Who has waited longest; None once it is closed and nobody waits."""
        with self.lock:
            while not self.line:
                if self.closed:
                    return None
                self.called.wait()
            ticket = self.line.popleft()
            self.writing.add(ticket)
            return ticket

    def _written(self, ticket: Ticket) -> None:
        writing, lm = None, ticket.job.writer(self.lm)
        if ticket.given_up.is_set():  # between the line and the seat
            ticket.end(Ended(None))
            return
        try:
            with self._turn():
                begun = ticket.job.begun(lm)
            sampler = ticket.job.sampler(lm, begun.trace.start)
            ticket.hear(Begin(begun.trace))
            decoder = understood(lm, ticket.job.decoder)
            with self._network(begun.model, ticket) as model:
                writing = Writing(
                    replace(begun, model=model),
                    decoder,
                    sampler,
                    ticket.job.stop,
                    top=ticket.job.alternatives,
                )
                cut = self._told(ticket, writing)
            output = writing.output()
            if ticket.job.lattice and not cut:
                output = self._seen(ticket, begun.model, output)
            ticket.end(Ended(output, cut=cut))
        except GivenUpError:  # within a step
            if writing is not None and writing.made:
                ticket.hear(Written(writing.finish().said.get(0, ""), None))
            ticket.end(Ended(_so_far(writing), cut=True))
        except Exception as error:
            ticket.end(Ended(_so_far(writing), error))

    def _told(self, ticket: Ticket, writing: Writing) -> bool:
        """Say each step; whether the text was given up before its end (its row is 0)."""
        for progress in self._steps(writing):
            ticket.hear(Written(progress.said.get(0, ""), progress.step))
            if ticket.given_up.is_set() and progress.step and 0 not in writing.watch.reasons:
                ticket.hear(Written(writing.finish().said.get(0, ""), None))
                return True
        return False

    def _seen(self, ticket: Ticket, model: Any, output: Output) -> Output:
        """With the lattice that the text was read off, if there is one. It adds to an answer, and
        costs none.
        """
        lm, source = self.lm, ticket.job.prompt
        if not (isinstance(model, CTCModel | DAGModel) and isinstance(source, str)):
            return output
        assert isinstance(lm, Translator), "no other model makes a lattice"
        try:
            with self._turn():
                return replace(output, trace=with_lattice(lm, [source], output.trace))
        except Exception:
            LOG.exception("a lattice can't be shown")
            return output

    @contextmanager
    def _network(self, model: Any, ticket: Ticket) -> Iterator[Any]:
        """The network for one text."""
        if self.together is None:
            yield model
        else:
            with self.together.seat(ticket.given_up.is_set) as seat:
                yield seat

    def _turn(self) -> AbstractContextManager[None]:
        """Where networks can't be asked together, one text asks at a time."""
        return self.turns if self.together is None else nullcontext()

    def _steps(self, writing: Writing) -> Iterator[Progress]:
        """The steps of a text, in its turns."""
        steps = iter(writing)
        while True:
            with self._turn():
                progress = next(steps, None)
            if progress is None:
                return
            yield progress


def _so_far(writing: Writing | None) -> Output | None:
    """What there is of a text that failed; None if nothing is, or not even that can be said."""
    try:
        return writing.output() if writing is not None and writing.made else None
    except Exception:  # whatever happens, who listens hears of the end
        return None


def _together(lm: Writer, seats: int, context: int) -> Rendezvous | None:
    """Where texts meet; None if the network can't compute them together."""
    model = getattr(lm, "model", None)
    if not isinstance(model, Compiled):
        return None
    curve_of(model)  # measured once: before anybody else is there
    return Rendezvous(Rows(model, count=seats, room=context))
