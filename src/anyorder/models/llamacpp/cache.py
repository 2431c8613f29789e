"""The ragged cache of `LlamaCppLM`: rows and draft trees as sequences of one memory of llama.cpp.

    cache = SequenceCache(weights, batch=2, room=64)
    logits_SV = cache.read(tokens, parents, wanted)
    cache.keep(path_BP, count_B)

Row b is sequence b. In llama.cpp a cell sees its sequence, and no mask can be given; so each branch
of a draft tree, from the root to an end, gets a sequence of its own for the length of a call: the
committed cells belong to all of them, a drafted cell to those whose ends lie below it. What is kept
joins the row's sequence, and the branches are forgotten. A memory grows to 256 sequences: where the
trees of all rows have more branches together, rows are read in turns, and what is kept of the
earlier turns is read once more.
Shapes: B rows, P cells of a path, S scored cells, R chosen rows, V vocabulary.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import torch
from jaxtyping import Float, Int
from torch import Tensor

from anyorder.models.llamacpp.context import SEQUENCES, Context
from anyorder.models.llamacpp.library import Weights

PADDING: Final = -2  # the parent of a cell that is none
_SPARE: Final = 16  # sequences for branches that a memory begins with
Cells = Sequence[int]  # of one row: their tokens, or their parents


@dataclass(frozen=True)
class Fresh:
    """Cells of a row that were read, and not kept yet.

    `below`: the sequences of each cell. `branches`: those that live as long as the call; none where
    the cells are a chain, in the row's own sequence. `gone`: another turn needed them.
    """

    tokens: Cells
    parents: Cells
    below: Sequence[Sequence[int]]
    branches: range
    gone: bool = False


@dataclass
class Call:
    """The cells of one call of llama.cpp."""

    tokens: list[int] = field(default_factory=list)
    places: list[int] = field(default_factory=list)
    sequences: list[Sequence[int]] = field(default_factory=list)
    wanted: list[bool] = field(default_factory=list)

    def add(self, fresh: Fresh, length: int, wanted: Sequence[bool]) -> None:
        """Cells below a row of this length; padding is left out."""
        depths: list[int] = []
        for cell, parent in enumerate(fresh.parents):
            depths.append(0 if parent < 0 else depths[parent] + 1)
            if parent > PADDING:
                self.tokens.append(fresh.tokens[cell])
                self.places.append(length + depths[cell])
                self.sequences.append(fresh.below[cell])
                self.wanted.append(wanted[cell])


class SequenceCache:
    """Satisfies `anyorder.models.capability.Cache`.

    Raises ValueError for more rows than llama.cpp has sequences, MemoryError without memory.
    """

    def __init__(self, weights: Weights, *, batch: int, room: int) -> None:
        if batch > SEQUENCES:
            raise ValueError(
                f"llama.cpp holds {SEQUENCES} texts at most; give fewer than {batch} at once"
            )
        self.lengths = [0] * batch
        self._room = room
        self._fresh: dict[int, Fresh] = {}
        self._context = self._of(weights, min(batch + _SPARE, SEQUENCES))

    def _of(self, weights: Weights, sequences: int) -> Context:
        cells = max(1, len(self.lengths) * self._room)
        return Context(weights, cells=cells, sequences=sequences)

    @property
    def length_B(self) -> Int[Tensor, " B"]:
        return torch.tensor(self.lengths, dtype=torch.long)

    @property
    def room(self) -> int:
        return self._room

    def read(
        self, tokens: Sequence[Cells], parents: Sequence[Cells], wanted: Sequence[Sequence[bool]]
    ) -> Float[Tensor, "S V"]:
        """Read cells below each row, and tell the logits of those that are wanted, row by row.

        Raises ValueError if there is no room, or a tree has too many branches.
        """
        end = max(self.lengths) + len(tokens[0])
        if end > self._room:
            raise ValueError(f"the cache has room for {self._room} cells a row; {end} were needed")
        self._drop()
        found: list[Tensor] = []
        ends = [ends_below(row) for row in parents]
        counts = [_count(row) for row in ends]
        self._widen(len(self.lengths) + sum(counts))
        for turn in turns(counts, self._context.sequences - len(self.lengths)):
            if found:
                found[-1] = found[-1].clone()  # it is overwritten now
                self._give_way()
            call, free = Call(), len(self.lengths)
            for row in turn:
                branches = range(free, free + counts[row])
                free = branches.stop
                fresh = self._branched(row, tokens[row], parents[row], ends[row], branches)
                self._fresh[row] = fresh
                call.add(fresh, self.lengths[row], wanted[row])
            found.append(self._context.read(call.tokens, call.places, call.sequences, call.wanted))
        return torch.cat(found) if len(found) > 1 else found[0]

    def keep(self, path_BP: Int[Tensor, "B P"], count_B: Int[Tensor, " B"]) -> None:
        assert len(self._fresh) == len(count_B) == len(path_BP), "cells are kept once, row by row"
        again = Call()
        for row, (path, count) in enumerate(zip(path_BP.tolist(), count_B.tolist(), strict=True)):
            self._keep(row, path[:count], again)
        self._fresh = {}
        if again.tokens:
            self._context.read(again.tokens, again.places, again.sequences, again.wanted)

    def trim(self, length_B: Int[Tensor, " B"]) -> None:
        self._drop()
        for row, length in enumerate(length_B.tolist()):
            if length < self.lengths[row]:
                self._context.forget(row, begin=length)
                self.lengths[row] = length

    def select(self, rows_R: Int[Tensor, " R"]) -> "SequenceCache":
        self._drop()
        rows = rows_R.tolist()
        chosen = SequenceCache(self._context.weights, batch=len(rows), room=self._room)
        chosen.lengths = [self.lengths[row] for row in rows]
        chosen._take(self._context, rows)
        return chosen

    def _widen(self, sequences: int) -> None:
        """A memory for more sequences, where these are too many for this one."""
        if sequences > self._context.sequences < SEQUENCES:
            narrow = self._context
            self._context = self._of(narrow.weights, min(2 * sequences, SEQUENCES))
            self._take(narrow, range(len(self.lengths)))

    def _take(self, context: Context, rows: Sequence[int]) -> None:
        for to, row in enumerate(rows):
            if self.lengths[to]:
                self._context.take(context, row, to)

    def _branched(
        self, row: int, tokens: Cells, parents: Cells, ends: Sequence[Cells], branches: range
    ) -> Fresh:
        """New cells of a row, its committed ones being part of each branch."""
        if not branches:
            return Fresh(tokens, parents, [[row]] * len(tokens), branches)
        for branch in branches:
            self._context.copy(row, branch)
        return Fresh(tokens, parents, [[branches[end] for end in cell] for cell in ends], branches)

    def _keep(self, row: int, path: Cells, again: Call) -> None:
        fresh, begin = self._fresh[row], self.lengths[row]
        above = -1
        for cell in path:
            assert fresh.parents[cell] == above, f"row {row}: {path} is no path"
            above = cell
        if fresh.gone:
            tokens, chain = [fresh.tokens[cell] for cell in path], range(-1, len(path) - 1)
            same = Fresh(tokens, chain, [[row]] * len(path), range(0))
            again.add(same, begin, [False] * len(path))
        elif fresh.branches:
            if path:
                self._context.copy(
                    fresh.below[path[-1]][0], row, begin=begin, end=begin + len(path)
                )
            self._forget(fresh.branches)
        else:
            self._context.forget(row, begin=begin + len(path))
        self.lengths[row] = begin + len(path)

    def _give_way(self) -> None:
        """Another turn needs the sequences of all branches."""
        for row, fresh in self._fresh.items():
            if fresh.branches and not fresh.gone:
                self._forget(fresh.branches)
                self._fresh[row] = replace(fresh, gone=True)

    def _drop(self) -> None:
        """Forget what was read and not kept."""
        self._give_way()
        for row, fresh in self._fresh.items():
            if not fresh.gone:
                self._context.forget(row, begin=self.lengths[row])
        self._fresh = {}

    def _forget(self, branches: range) -> None:
        for branch in branches:
            self._context.forget(branch)


def ends_below(parents: Cells) -> list[list[int]]:
    """For each cell the ends of branches at it or below it, by number; padding has none.

    >>> ends_below([-1, 0, 0, -1, -2])
    [[0, 1], [0], [1], [2], []]
    """
    below: list[list[int]] = [[] for _ in parents]
    inner, number = set(parents), 0
    for cell, parent in enumerate(parents):
        if parent > PADDING and cell not in inner:
            while cell >= 0:
                below[cell].append(number)
                cell = parents[cell]
            number += 1
    return below


def _count(ends: Sequence[Cells]) -> int:
    """How many branches a row needs sequences for: none if it has no more than one."""
    count = 1 + max((number for cell in ends for number in cell), default=0)
    return count if count > 1 else 0


def turns(counts: Sequence[int], most: int) -> Iterator[list[int]]:
    """Rows that have at most `most` branches together, turn by turn.

    Raises ValueError if a row alone has more.

    >>> list(turns([2, 3, 0, 4], most=5))
    [[0, 1, 2], [3]]
    """
    turn, used = list[int](), 0
    for row, count in enumerate(counts):
        if count > most:
            raise ValueError(
                f"a draft tree has {count} branches, and llama.cpp can hold {most} here: "
                "make smaller trees, or write fewer texts at once"
            )
        if used + count > most:
            yield turn
            turn, used = [], 0
        turn.append(row)
        used += count
    yield turn
