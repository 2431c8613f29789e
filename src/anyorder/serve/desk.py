"""The desk: it takes jobs, lets some wait, and has several written at once.

    desk = Desk(lm, seats=8, waiting=64)
    ticket = desk.submit(job, hear)       # `hear(event)` is called by the thread that writes
    ticket.cancel()                       # its seat is free after the step
    desk.close(grace=30)

Every text is what `generate` writes alone. Shapes do not appear here.
"""

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import torch

from anyorder.decode.writing import Writing
from anyorder.models.writer import Writer
from anyorder.serve.jobs import Begin, Ended, Event, Job, Written

Hear = Callable[[Event], None]


class FullError(Exception):
    """So many jobs wait that one more is refused."""


class ClosedError(Exception):
    """The desk takes no jobs any more."""


@dataclass(eq=False)
class Ticket:
    """A job that was taken."""

    job: Job
    hear: Hear
    given_up: threading.Event = field(default_factory=threading.Event)

    def cancel(self) -> None:
        """Write no more of it; whoever listens hears `Ended` with what there is."""
        self.given_up.set()


class Desk:
    """See the module. `seats`: texts that are written at once; `waiting`: jobs that may wait."""

    def __init__(self, lm: Writer, *, seats: int = 8, waiting: int = 64) -> None:
        self.lm, self.seats, self.most_waiting = lm, seats, waiting
        self.tickets: queue.SimpleQueue[Ticket | None] = queue.SimpleQueue()
        self.lock = threading.Lock()
        self.waiting = self.writing = 0
        self.closed = False
        self.threads = [
            threading.Thread(target=self._seat, name=f"seat {n}", daemon=True) for n in range(seats)
        ]
        for thread in self.threads:
            thread.start()

    def submit(self, job: Job, hear: Hear) -> Ticket:
        """Take a job. Raises FullError and ClosedError."""
        with self.lock:
            if self.closed:
                raise ClosedError("the server is going down; ask again in a moment")
            if self.waiting >= self.most_waiting and self.writing >= self.seats:
                raise FullError(f"{self.waiting} requests wait already; ask again later")
            self.waiting += 1
        ticket = Ticket(job, hear)
        self.tickets.put(ticket)
        return ticket

    def close(self, grace: float) -> None:
        """Take no more, write what was taken for up to `grace` seconds, then give up the rest."""
        with self.lock:
            self.closed = True
        for _ in self.threads:
            self.tickets.put(None)

    def _seat(self) -> None:
        torch.set_num_threads(1)  # of this thread's own operators: the network has its own crew
        while (ticket := self.tickets.get()) is not None:
            with self.lock:
                self.waiting, self.writing = self.waiting - 1, self.writing + 1
            try:
                self._written(ticket)
            finally:
                with self.lock:
                    self.writing -= 1

    def _written(self, ticket: Ticket) -> None:
        writing = None
        try:
            job = ticket.job
            begun = job.begun(self.lm)
            sampler = job.sampler(self.lm, begun.trace.start)
            ticket.hear(Begin(begun.trace))
            writing = Writing(replace(begun), job.decoder, sampler, job.stop)
            for progress in writing:
                ticket.hear(Written(progress.said.get(0, ""), progress.step))
                if ticket.given_up.is_set():
                    break
            ticket.hear(Ended(writing.output()))
        except Exception as error:
            ticket.hear(Ended(writing.output() if writing else None, error))
