"""One call of compiled code: what cells see, scratch memory, and the words that it reads.

    engine = Engine(plan, torch.float32)
    engine.run(x_NC, score, logits_NV, seen)

Shapes: N cells of a call, L layers, B rows, H heads, R room, D head width, O outputs of the head.
"""

import os
import threading
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from weakref import WeakSet

import torch
from torch import Tensor

from anyorder.nets.compiled.crew import crew
from anyorder.nets.compiled.machine import OUTPUTS
from anyorder.nets.compiled.machine_code import entry
from anyorder.nets.compiled.packing import padded
from anyorder.nets.compiled.plan import Plan
from anyorder.nets.compiled.scratch import Scratch, computed
from anyorder.nets.compiled.words import Call
from anyorder.nets.compiled.words import Seen as Words

SMALL = 1 << 22  # products; below, threads would wait longer for each other than they help

_living: WeakSet["Engine"] = WeakSet()


def _after_fork() -> None:
    """Who held a lock while another thread forked will not give it back."""
    for engine in _living:
        engine.lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


@dataclass(frozen=True)
class Seen:
    """Keys and values, L2BHRD, and the address of the words of what each cell sees of them. One
    layer of memory serves all layers, where nobody asks for it afterwards.
    """

    memory: Tensor
    table: int

    @property
    def words(self) -> list[int]:
        """In the order of `words.Seen`."""
        memory, size = self.memory, self.memory.element_size()
        layer, value, head = (memory.stride(i) * size for i in (0, 1, 3))
        made = [self.table, memory.data_ptr(), layer if len(memory) > 1 else 0, value, head]
        assert len(made) == Words.WORDS
        return made

    @property
    def room(self) -> int:
        """How many slots a row has."""
        return self.memory.shape[-2]


class Engine:
    """A plan, the code that runs it, and the memory between its phases. `dtype`: of the keys."""

    def __init__(self, plan: Plan, dtype: torch.dtype) -> None:
        self.plan = plan
        self.work = entry(plan.precision, str(dtype).removeprefix("torch."))
        self.scratch = Scratch.of(plan, 0, 0, 0)
        self.lock = threading.Lock()  # the scratch memory serves one call at a time
        _living.add(self)

    def outputs(self, rows: int, spare: int = 0) -> Tensor:
        """Room for what the head gives of so many cells, and for what is computed beside it."""
        width = padded(self.plan.shape.vocab_size, OUTPUTS)
        return torch.empty(computed(rows) + spare, width, dtype=torch.float32, device="cpu")

    def run(
        self,
        x_NC: Tensor,
        score: Sequence[int],
        logits_NO: Tensor,
        own: Seen,
        source: Seen | None = None,
    ) -> None:
        """Write the head's outputs of the cells in `score`. Who calls holds the lock."""
        N, C = x_NC.shape
        threads = crew.threads if N * self.plan.weights > SMALL else 1
        assert len(logits_NO) >= computed(len(score)), "compiled code would write beyond the logits"
        assert self.plan.cross == (source is not None), "who has cross attention needs a source"
        rows = max(N, len(score))  # cells may be scored twice
        room = max(own.room, source.room if source else 0)
        if not self.scratch.serves(rows, threads, room):
            self.scratch = Scratch.of(self.plan, rows, threads, room)
        self.scratch.x[:N, :C] = x_NC
        counters, scores = array("q", bytes(self.plan.counter_bytes)), array("i", score)
        call = array(
            "q",
            [
                N,
                len(score),
                threads,
                counters.buffer_info()[0],
                scores.buffer_info()[0],
                *own.words,
                *(source.words if source else [0] * Words.WORDS),
                *self.scratch.addresses,
                logits_NO.data_ptr(),
                logits_NO.stride(0) * 4,
            ],
        )
        assert len(call) == Call.WORDS
        words = array("q", [self.plan.address, call.buffer_info()[0], 0])
        crew.run(self.work, words, threads, held=(self.plan, counters, call))
