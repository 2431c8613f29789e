"""Threads that each write a text of their own meet where they ask the network.

    with Rendezvous(Rows(net, count=8, room=2048)) as meeting:
        with meeting.seat() as model:       # in each thread; `model` is like `net`
            model.extend(tokens_1T, cache)

A text that is given up meanwhile ends in its call, though it be a long one: `GivenUpError`.
A call waits until all who meet here ask, or for as long as the last round took; then one thread,
always the same, computes for all. Who has a seat meets others from its first such call on, until it
leaves or goes on with a cache of its own. A decoder need not know of it: what it is told does not
depend on company. Shapes: T new cells, S scored cells, V vocabulary.
"""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from anyorder.masks import Tree
from anyorder.nets.cache import KeyValues
from anyorder.nets.compiled.crew import own_threads
from anyorder.nets.compiled.together import Call, Row, Rows

PATIENCE = 0.003  # seconds that a round waits for who is late, at the least


class GivenUpError(Exception):
    """Nobody wants this text any more."""


def never() -> bool:
    """Nobody gives it up."""
    return False


@dataclass(eq=False)
class Wish:
    """A call that somebody waits for. `told`: all is computed, or it failed."""

    call: Call
    given_up: Callable[[], bool] = never
    told: threading.Event = field(default_factory=threading.Event)
    failed: Exception | None = None


class Rendezvous:
    """See the module. `rounds` and `calls` count what was computed: their ratio is the company."""

    def __init__(self, rows: Rows) -> None:
        self.rows = rows
        self.met = threading.Condition()
        self.present = 0
        self.waiting: list[Wish] = []
        self.closed = False
        self.since, self.took = 0.0, 0.0  # when the first of those who wait came; the last round
        self.rounds = self.calls = self.cells = 0
        self.threads = torch.get_num_threads()
        self.thread = threading.Thread(target=self._serve, name="rendezvous", daemon=True)
        self.thread.start()

    def __enter__(self) -> "Rendezvous":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Compute no more. Whoever still waits is told so."""
        with self.met:
            self.closed = True
            self.met.notify_all()
        self.thread.join()

    def seat(self, given_up: Callable[[], bool] = never) -> "Seat":
        """A seat for one text; it is taken while it is entered. `given_up` is asked before each
        round in which one of its calls is computed.
        """
        return Seat(self, given_up)

    def ask(self, wish: Wish) -> Tensor:
        """The logits of a call, computed beside others. Raises GivenUpError."""
        with self.met:
            assert not self.closed, "nobody computes any more"
            if not self.waiting:
                self.since = time.perf_counter()
            self.waiting.append(wish)
            self.met.notify_all()
        wish.told.wait()
        if wish.failed is not None:
            raise wish.failed
        return wish.call.logits_1SV

    def come(self) -> None:
        """One more is waited for."""
        with self.met:
            self.present += 1

    def leave(self) -> None:
        """One less is waited for."""
        with self.met:
            self.present -= 1
            self.met.notify_all()

    def _serve(self) -> None:
        """Round after round."""
        own_threads(self.threads)
        while wishes := self._those_who_wait():
            begun = time.perf_counter()
            try:
                self.cells += self.rows.compute([wish.call for wish in wishes])
            except Exception as error:  # memory, most likely
                for wish in wishes:
                    wish.failed = error
            self._answer(wishes)
            self.took = time.perf_counter() - begun

    def _those_who_wait(self) -> list[Wish]:
        """All of them, once it is time; none at the end."""
        with self.met:
            while not self.closed:
                self._let_go()
                left = self._left()
                if left == 0:
                    break
                self.met.wait(left)
            if self.closed:
                for wish in self.waiting:
                    wish.failed = RuntimeError("nobody computes any more")
                    wish.told.set()
                return []
            return list(self.waiting)

    def _let_go(self) -> None:
        """Of those that nobody wants any more."""
        for wish in [each for each in self.waiting if each.given_up()]:
            self.waiting.remove(wish)
            wish.failed = GivenUpError("nobody wants this text any more")
            wish.told.set()

    def _left(self) -> float | None:
        """Seconds to wait for others; None: until somebody comes."""
        if not self.waiting:
            return None
        if len(self.waiting) >= self.present:
            return 0.0
        return max(0.0, self.since + max(PATIENCE, self.took) - time.perf_counter())

    def _answer(self, wishes: Sequence[Wish]) -> None:
        """Tell those whose calls are done; the others go on waiting."""
        self.rounds += 1
        self.calls += len(wishes)
        done = [wish for wish in wishes if wish.call.ready or wish.failed is not None]
        with self.met:
            self.waiting = [wish for wish in self.waiting if wish not in done]
            self.since = time.perf_counter()
        for wish in done:
            wish.told.set()


class Seat:
    """The network, for one text; satisfies `CausalLM` and whatever else the network does."""

    def __init__(self, rendezvous: Rendezvous, given_up: Callable[[], bool] = never) -> None:
        self.given_up = given_up
        self.rendezvous, self.net = rendezvous, rendezvous.rows.net
        self.row: Row | None = None
        self.meets = False

    def __enter__(self) -> "Seat":
        return self

    def __exit__(self, *_: object) -> None:
        self._meet(False)
        if self.row is not None:
            self.row.give_back()
            self.row = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.net, name)

    @property
    def speaks_for(self) -> Any:
        """The network whose capabilities it has."""
        return self.net

    @property
    def crowd(self) -> int:
        """How many texts are computed together now, this one included."""
        return self.rendezvous.present + (not self.meets)

    @property
    def threads(self) -> int:
        """How many compute: not those of the thread that asks."""
        return self.rendezvous.threads

    def new_cache(self, batch: int, room: int) -> KeyValues:
        """A row beside the others' for the first text; memory of its own for all else."""
        if batch == 1 and room <= self.rendezvous.rows.room and self.row is None:
            self.row = self.rendezvous.rows.take()
            if self.row is not None:
                return self.row
        return self.net.new_cache(batch, room)

    def extend(
        self,
        tokens_BT: Int[Tensor, "B T"],
        cache: KeyValues,
        *,
        tree: Tree | None = None,
        score_BS: Int[Tensor, "B S"] | None = None,
    ) -> Float[Tensor, "B S V"]:
        """See `CausalLM.extend`."""
        self._meet(isinstance(cache, Row))
        if not isinstance(cache, Row):
            return self.net.extend(tokens_BT, cache, tree=tree, score_BS=score_BS)
        call = self.rendezvous.rows.call(tokens_BT, cache, tree=tree, score_1S=score_BS)
        return self.rendezvous.ask(Wish(call, self.given_up))

    def _meet(self, meets: bool) -> None:
        """Be waited for by the others, or no more."""
        if meets != self.meets:
            self.meets = meets
            (self.rendezvous.come if meets else self.rendezvous.leave)()
