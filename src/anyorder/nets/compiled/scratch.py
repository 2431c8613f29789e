"""Memory between the phases of a call.

Shapes: N cells of a call.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from anyorder.nets.compiled.machine import GROUP, ROWS
from anyorder.nets.compiled.packing import padded
from anyorder.nets.compiled.plan import Plan
from anyorder.nets.compiled.words import CELLS, QUERIES


def computed(rows: int) -> int:
    """How many rows are computed where `rows` are wanted: loops take 1, 2, 4 or `ROWS`.

    >>> [computed(rows) for rows in (0, 1, 2, 3)]
    [0, 1, 2, 4]
    """
    rest = rows % ROWS
    return rows - rest + (rest if rest <= 2 else min(padded(rest, 4), ROWS))


@dataclass(frozen=True)
class Scratch:
    """Room for so many cells, threads, and cells of a cache that are seen."""

    x: Tensor  # what the layers add to
    rest: tuple[Tensor, ...]
    addresses: tuple[int, ...]  # in the order of `words.Call`, from X to THREAD_BYTES
    cells: int
    threads: int
    room: int

    @staticmethod
    @torch.inference_mode(False)  # a tensor made in it can't be written to outside of it
    def of(plan: Plan, cells: int, threads: int, room: int) -> "Scratch":
        """Take it; zeros, so that what is computed for nothing is computed with numbers."""
        rows, channels = padded(cells, ROWS), padded(plan.shape.channels, 64)
        share = padded(room, 16)
        queries = max(QUERIES, plan.shape.heads // plan.shape.key_heads)
        sizes = (
            (rows, channels),  # X
            (rows, channels),  # DELTA: what the last matrix gave
            (rows, plan.longest),  # INPUT: of the next matrix
            (rows, plan.longest),  # TILES: the same as the loops read it
            (rows, plan.longest // GROUP),  # SIZES: of its groups
            (rows, plan.widest),  # WIDE: outputs within a layer
            (threads, 16 * (CELLS + queries) + share * queries),  # SHARES: see `attend`
        )
        tensors = tuple(torch.zeros(size, dtype=torch.float32, device="cpu") for size in sizes)
        addresses = [tensor.data_ptr() for tensor in tensors]
        bytes_ = 4 * share, 4 * tensors[-1].shape[1]
        return Scratch(tensors[0], tensors[1:], (*addresses, *bytes_), cells, threads, room)

    def serves(self, cells: int, threads: int, room: int) -> bool:
        """Whether there is enough of it."""
        return self.cells >= cells and self.threads >= threads and self.room >= room
