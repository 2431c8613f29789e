"""Keys and values on a device, in memory that outlives a cache, so that graphs can be replayed.

    pool = Pool(lambda batch, room: torch.zeros(...))
    cache = DeviceKeyValues(pool, batch=2, room=100)      # gives its block back when it is gone

A CUDA graph knows the addresses that it was captured with: graphs belong to a block of memory, and
a block serves one cache after the other.
Shapes: L layers, B rows, H key heads, R cells of a block, D head width, P cells of a path.
"""

import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from queue import SimpleQueue
from threading import Lock
from typing import Any, Final

import torch
from jaxtyping import Float, Int
from torch import Tensor

from anyorder.nets.cache import Memory

LEAST: Final = 256  # cells of the smallest block
MOST_FREE: Final = 32  # blocks that wait for a cache, and what they may hold together
MOST_BYTES: Final = 2**31


def roomy(cells: int) -> int:
    """The size of a block that holds so many cells: few sizes, so that few graphs are captured.

    >>> [roomy(cells) for cells in (1, 256, 257, 1025)]
    [256, 256, 512, 2048]
    """
    return max(LEAST, 1 << (cells - 1).bit_length())


@dataclass(eq=False)
class Block:
    """Memory, and what was captured with its addresses."""

    memory_L2BHRD: Float[Tensor, "L 2 B H R D"]
    calls: dict[Any, Any] = field(default_factory=dict)

    @property
    def bytes(self) -> int:
        return self.memory_L2BHRD.numel() * self.memory_L2BHRD.element_size()

    @property
    def size(self) -> tuple[int, int]:
        """Rows, and cells of a row."""
        return self.memory_L2BHRD.shape[2], self.memory_L2BHRD.shape[4]


class Pool:
    """Blocks that wait for their next cache; `new` makes one of so many rows and cells.

    A block is given back when its cache is gone, which may be in the middle of anything: so `give`
    takes no lock, and what waits is put in order by whoever takes.
    """

    def __init__(self, new: Callable[[int, int], Float[Tensor, "L 2 B H R D"]]) -> None:
        self.new, self.lock = new, Lock()
        self.back: SimpleQueue[Block] = SimpleQueue()
        self.free: list[Block] = []

    def take(self, batch: int, cells: int) -> Block:
        """A block of that many rows, of `roomy(cells)` cells each; what it holds is of no worth."""
        size = batch, roomy(cells)
        with self.lock:
            self._tidy()
            found = next((block for block in self.free if block.size == size), None)
            if found is not None:
                self.free.remove(found)
                return found
        try:
            return Block(self.new(*size))
        except torch.OutOfMemoryError:
            self.clear()
            return Block(self.new(*size))

    def give(self, block: Block) -> None:
        """Take it back."""
        self.back.put(block)

    def clear(self) -> None:
        """Let go of all that wait, graphs and all."""
        with self.lock:
            self._tidy()
            self.free.clear()

    def _tidy(self) -> None:
        """The blocks that wait the longest go when there are too many, or too much memory waits."""
        while not self.back.empty():
            self.free.append(self.back.get())
        while len(self.free) > 1 and (
            len(self.free) > MOST_FREE or sum(block.bytes for block in self.free) > MOST_BYTES
        ):
            del self.free[0]


class DeviceKeyValues(Memory):
    """Satisfies `anyorder.models.capability.Cache`; lengths are known here, cells are there."""

    def __init__(self, pool: Pool, *, batch: int, room: int) -> None:
        """A row has one cell more than its room, where padding is written."""
        self.pool, self.most = pool, room
        self.block = pool.take(batch, room + 1)
        self.memory_L2BHRD = self.block.memory_L2BHRD
        self.lengths, self.reached = [0] * batch, 0
        weakref.finalize(self, pool.give, self.block)

    @property
    def room(self) -> int:
        return self.most

    @torch.inference_mode(False)
    @torch.no_grad()
    def keep(self, path_BP: Int[Tensor, "B P"], count_B: Int[Tensor, " B"]) -> None:
        moves, counts = [], count_B.tolist()
        for row, (path, count) in enumerate(zip(path_BP.tolist(), counts, strict=True)):
            begin = self.lengths[row]
            moves += [(row, begin + path[i], begin + i) for i in range(count) if path[i] != i]
            self.lengths[row] = begin + count
        if moves:
            row_N, from_N, to_N = torch.tensor(moves, device="cpu").T.to(self.memory_L2BHRD.device)
            memory_L2HBRD = self.memory_L2BHRD.transpose(2, 3)
            memory_L2HBRD[..., row_N, to_N, :] = memory_L2HBRD[..., row_N, from_N, :]

    @torch.inference_mode(False)
    @torch.no_grad()
    def select(self, rows_R: Int[Tensor, " R"]) -> "DeviceKeyValues":
        chosen = DeviceKeyValues(self.pool, batch=len(rows_R), room=self.most)
        chosen.reached = end = self.reached
        rows_R = rows_R.to(self.memory_L2BHRD.device)
        chosen.memory_L2BHRD[..., :end, :] = self.memory_L2BHRD[:, :, rows_R, :, :end]
        chosen.lengths = [self.lengths[row] for row in rows_R.tolist()]
        return chosen
