"""Threads that do one call of a network together.

    crew.run(work, array("q", [net, call, 0]), threads=2)

Where PyTorch's operators run on OpenMP, so do we, on the very same threads: they come at once, and
they would else wait for PyTorch's next operator on a core that ours could use (a spinning thread
made a call of eight cells 1.6 times as long). Elsewhere they are Python's own.
A process that is forked from one that has used OpenMP must not use it again: a team of GCC's would
wait for ever for threads that stayed behind. There our threads are Python's own, as many as PyTorch
had, and PyTorch is left with one; who gives it more may wait for ever.
Work must not need the others to come at all: a thread that comes late finds less to do.
"""

import ctypes
import os
import threading
from array import array
from collections.abc import Callable
from queue import SimpleQueue

import torch


class Work:
    """Compiled code that takes the address of three words: net, call, threads that came so far."""

    def __init__(self, address: int) -> None:
        self.address = address
        self.alone = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(address)


class Crew:
    """`parallel`: OpenMP's way to run a function on all threads of a team, if there is one."""

    def __init__(self, parallel: Callable[[int, int, int, int], object] | None) -> None:
        self.parallel = parallel
        self.used, self.forked = False, 0
        self.queues: list[SimpleQueue[Callable[[], object]]] = []

    @property
    def threads(self) -> int:
        """How many there are: as many as PyTorch has, or had before a fork took them."""
        return max(self.forked, torch.get_num_threads())

    def run(self, work: Work, words: array, threads: int, *, held: object = None) -> None:
        """The caller's own share is waited for, and with OpenMP that of all others.

        `held` is kept while a thread that is late may still read it.
        """
        address = words.buffer_info()[0]
        if threads == 1:
            work.alone(address)
        elif self.parallel is not None:
            self.used = True
            self.parallel(work.address, address, threads, 0)
        else:
            while len(self.queues) < threads - 1:
                self._hire()
            for queue in self.queues[: threads - 1]:
                queue.put(lambda _held=(words, held): work.alone(address))
            work.alone(address)

    def _hire(self) -> None:
        queue: SimpleQueue[Callable[[], object]] = SimpleQueue()
        self.queues.append(queue)

        def serve() -> None:
            while True:
                queue.get()()

        threading.Thread(target=serve, name="anyorder-crew", daemon=True).start()

    def after_fork(self) -> None:
        """A fork has the queues, but nobody who serves them, and OpenMP's team without its threads.

        Where nothing of ours ran on OpenMP, PyTorch is left as it is.
        """
        self.parallel = None
        self.queues.clear()
        if self.used:
            self.forked, self.used = torch.get_num_threads(), False
            torch.set_num_threads(1)


def own_threads(count: int) -> None:
    """Let this thread's operators use so many, whatever others set later: a thread that was never
    asked takes the number that was set last, by anyone.
    """
    torch.get_num_threads()
    torch.set_num_threads(count)


def _openmp() -> Callable[[int, int, int, int], object] | None:
    """GCC's entry, which LLVM's OpenMP has too; found among what PyTorch is linked with."""
    try:
        parallel = ctypes.CDLL(torch._C.__file__).GOMP_parallel
    except (OSError, AttributeError):
        return None
    parallel.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint]
    parallel.restype = None
    return parallel


crew = Crew(_openmp())
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=crew.after_fork)
