"""A call of one size: what it is asked, in tensors that keep their addresses; captured once.

    call = Call(size=8, scored=8, ancestors=0, spare=255, device=device, pool=pool, tell=tell)
    logits_SV = call(cells, score_S)              # cells that are missing are padding

Shapes: N cells, S scored cells, A ancestors, F fields, V vocabulary.
"""

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock
from typing import Any, Final, cast

import torch
from jaxtyping import Float, Int
from torch import Tensor

from anyorder.nets.graphed.cells import Cells, Field

CAPTURING: Final = Lock()


class Call:
    """`tell` computes, from cells on the device and which of them are scored. On a graphics
    processor it is captured when it is first called, and replayed ever after.
    """

    def __init__(
        self,
        *,
        size: int,
        scored: int,
        ancestors: int,
        spare: int,
        device: torch.device,
        pool: "Together | None",
        tell: Callable[[Cells, Int[Tensor, " S"]], Float[Tensor, "S V"]],
    ) -> None:
        """`spare`: the place of a row where padding is written; `ancestors`: 0 for a chain; `pool`:
        what is shared with other graphs.
        """
        self.tell, self.pool = tell, cast(Any, pool)
        self.graph: Any = None
        self.said: Any = None
        counts = [len(Field) * size, size * ancestors, scored]
        graphic = device.type == "cuda"
        self.here = torch.zeros(sum(counts), dtype=torch.long, device="cpu", pin_memory=graphic)
        self.there = torch.zeros(sum(counts), dtype=torch.long, device=device)
        views = []
        for numbers in (self.here, self.there):
            fields, under, score_S = numbers.split(counts)
            under_NA = under.view(size, ancestors) if ancestors else None
            views.append((Cells(fields.view(-1, size), under_NA), score_S))
        (self.cells, self.score_S), self.asked = views
        self.graphic = graphic
        self.read: Any = torch.cuda.Event() if graphic else None
        self.padding = ((Field.AT, spare), (Field.LENGTH, 1), (Field.BEGIN, 0), (Field.END, 1))

    def __call__(self, cells: Cells, score: Sequence[int]) -> Float[Tensor, "S V"]:
        """Logits, in memory that the next call of this network may overwrite."""
        if self.graphic:
            self.read.synchronize()  # what the call before was asked, has it been copied?
        self._fill(cells, score)
        self.there.copy_(self.here, non_blocking=True)
        if not self.graphic:
            return self.tell(*self.asked)[: len(score)]
        self.read.record()
        if self.graph is None:
            self.graph = self._captured()
        self.graph.replay()
        return self.said[: len(score)]

    def _fill(self, cells: Cells, score: Sequence[int]) -> None:
        """Cells that are missing see one that is there, and are written where nobody looks."""
        N, fields_FN = len(cells), self.cells.numbers_FN
        fields_FN[:, :N] = cells.numbers_FN
        if N < fields_FN.shape[1]:
            for field, number in self.padding:
                fields_FN[field, N:] = number
        if self.cells.under_NA is not None and cells.under_NA is not None:
            self.cells.under_NA[:N, : cells.under_NA.shape[1]] = cells.under_NA
        if score:
            self.score_S[: len(score)] = torch.tensor(score, device="cpu")

    def _captured(self) -> Any:
        """Run it twice on a stream of its own, so that libraries are ready; then capture it."""
        stream, now = self.pool.stream, torch.cuda.current_stream()
        stream.wait_stream(now)
        with torch.cuda.stream(stream):
            for _ in range(2):
                self.tell(*self.asked)
        now.wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with (
            alone(),
            torch.cuda.graph(
                graph, pool=self.pool.memory, stream=stream, capture_error_mode="thread_local"
            ),
        ):
            self.said = self.tell(*self.asked)
        return graph


@dataclass(frozen=True)
class Together:
    """What the graphs of one network share: they never run at the same time."""

    stream: Any  # on which they are captured
    memory: Any

    @staticmethod
    def on(device: torch.device) -> "Together | None":
        """None where nothing is captured."""
        if device.type != "cuda":
            return None
        with torch.cuda.device(device):
            return Together(torch.cuda.Stream(), torch.cuda.graph_pool_handle())


@contextmanager
def alone() -> Iterator[None]:
    """One capture at a time in a process, and no graph that nobody holds is destroyed meanwhile: it
    would be fatal.
    """
    with CAPTURING:
        collects = gc.isenabled()
        gc.disable()
        try:
            yield
        finally:
            if collects:
                gc.enable()
