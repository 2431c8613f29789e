"""Threads that wait for work and do it together; one crew for the process.

    crew.run(work, threads=2)          # work(0) here, work(1) on another thread

`work` must not need the others to come at all: `run` returns when the caller's own share returns.
"""

import os
import threading
from collections.abc import Callable
from queue import SimpleQueue


class Crew:
    """Daemon threads, made when they are first needed."""

    def __init__(self) -> None:
        self.queues: list[SimpleQueue[Callable[[], object]]] = []

    def run(self, work: Callable[[int], object], threads: int) -> None:
        """Call `work(i)` for every i below `threads`, 0 on this thread: only that is waited for."""
        while len(self.queues) < threads - 1:
            self._hire()
        for index in range(1, threads):
            self.queues[index - 1].put(lambda index=index: work(index))
        work(0)

    def _hire(self) -> None:
        queue: SimpleQueue[Callable[[], object]] = SimpleQueue()
        self.queues.append(queue)

        def serve() -> None:
            while True:
                queue.get()()

        threading.Thread(target=serve, name="anyorder-crew", daemon=True).start()


crew = Crew()
if hasattr(os, "register_at_fork"):  # a fork has the queues, but nobody who serves them
    os.register_at_fork(after_in_child=crew.queues.clear)
