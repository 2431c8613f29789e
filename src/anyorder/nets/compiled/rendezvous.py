"""Threads that each write a text of their own meet where they ask the network.

    rendezvous = Rendezvous(Rows(net, count=8, room=2048))
    with rendezvous.seat() as model:        # in each thread; `model` is like `net`
        model.extend(tokens_1T, cache)

A call waits until all who have a seat ask, or for as long as the last round took; then whoever came
last computes for all. A decoder need not know of it: what it is told does not depend on company.
Shapes: T new cells, S scored cells, V vocabulary.
"""

import threading
import time
from typing import Any

from jaxtyping import Float, Int
from torch import Tensor

from anyorder.masks import Tree
from anyorder.nets.cache import KeyValues
from anyorder.nets.compiled.together import Call, Row, Rows

PATIENCE = 0.003  # seconds that a round waits for who is late, at the least


class Rendezvous:
    """See the module. `rounds` and `calls` count what was computed: their ratio is the company."""

    def __init__(self, rows: Rows) -> None:
        self.rows = rows
        self.met = threading.Condition()
        self.present = 0
        self.waiting: list[Call] = []
        self.busy = False
        self.since, self.took = 0.0, 0.0  # when the first of those who wait came; the last round
        self.rounds = self.calls = self.cells = 0

    def seat(self) -> "Seat":
        """A seat for one text; it is taken while it is entered."""
        return Seat(self)

    def ask(self, call: Call) -> Tensor:
        """The logits of a call, computed beside others."""
        with self.met:
            if not self.waiting:
                self.since = time.perf_counter()
            self.waiting.append(call)
            while not call.ready:
                if call.failed is not None:
                    raise call.failed
                if self.busy:
                    self.met.wait()
                elif (left := self._left()) > 0:
                    self.met.wait(left)
                else:
                    self._round()
            return call.logits_1SV

    def come(self) -> None:
        """One more is waited for."""
        with self.met:
            self.present += 1

    def leave(self) -> None:
        """One less is waited for."""
        with self.met:
            self.present -= 1
            self.met.notify_all()

    def _left(self) -> float:
        """Seconds to wait for others."""
        if len(self.waiting) >= self.present:
            return 0.0
        return self.since + max(PATIENCE, self.took) - time.perf_counter()

    def _round(self) -> None:
        """Compute for all who wait, while others may come."""
        calls, self.busy, begun = list(self.waiting), True, time.perf_counter()
        self.met.release()
        try:
            cells = self.rows.compute(calls)
        except Exception as error:  # memory, most likely
            for call in calls:
                call.failed = error
            cells = 0
        finally:
            self.met.acquire()
            self.busy = False
        self.took = time.perf_counter() - begun
        self.rounds += 1
        self.calls += len(calls)
        self.cells += cells
        self.waiting = [c for c in self.waiting if not c.ready and c.failed is None]
        self.since = time.perf_counter()
        self.met.notify_all()


class Seat:
    """The network, for one text; satisfies `CausalLM` and whatever else the network does."""

    def __init__(self, rendezvous: Rendezvous) -> None:
        self.rendezvous, self.net = rendezvous, rendezvous.rows.net
        self.row: Row | None = None

    def __enter__(self) -> "Seat":
        self.rendezvous.come()
        return self

    def __exit__(self, *_: object) -> None:
        if self.row is not None:
            self.row.give_back()
            self.row = None
        self.rendezvous.leave()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.net, name)

    @property
    def speaks_for(self) -> Any:
        """The network whose capabilities it has."""
        return self.net

    @property
    def crowd(self) -> int:
        """How many texts are written now, this one included."""
        return max(1, self.rendezvous.present)

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
        if not isinstance(cache, Row):
            return self.net.extend(tokens_BT, cache, tree=tree, score_BS=score_BS)
        call = self.rendezvous.rows.call(tokens_BT, cache, tree=tree, score_1S=score_BS)
        return self.rendezvous.ask(call)
