"""Calls for several texts, computed as one: each text has a row of the same memory.

    rows = Rows(net, count=8, room=2048)
    row = rows.take()                             # a cache for one text; None: all are taken
    call = rows.call(tokens_1T, row, tree=None, score_1S=None)
    while not call.ready:
        rows.compute([call, others])              # some cells of each
    call.logits_1SV

The cells of a call may be of any number; a long one is computed in parts, beside the short ones.
What a text is told is the same to the last bit whoever else is there: see `network`.
A text that begins as one that was read before has these keys and values copied, not computed.
Shapes: T new cells, S scored cells, N cells computed together, C channels, V vocabulary.
"""

import threading
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Int
from torch import Tensor

from anyorder.masks import Tree
from anyorder.nets.asked import as_wanted, check, scored
from anyorder.nets.cache import KeyValues
from anyorder.nets.compiled.cells import Table, table_of
from anyorder.nets.compiled.engine import Seen
from anyorder.nets.compiled.machine import ROWS
from anyorder.nets.compiled.network import SLICE, Compiled
from anyorder.nets.compiled.words import Cell

WORTH = 16  # cells in common, at the least, for which a copy pays
SHORT = 32  # cells of a call that is never cut: a draft's


class Row(KeyValues):
    """One row of the memory, as the cache of one text. It knows what it holds."""

    def __init__(self, rows: "Rows", number: int) -> None:
        self.rows, self.number = rows, number
        self.memory_L2BHRD = rows.memory_L2BHRD[:, :, number : number + 1]
        self.lengths, self.reached = [0], 0
        self.text: list[int] = []  # of the committed cells, as far as it is known
        self.asked: list[int] | None = None  # of those that were written last
        self._views()

    def keep(self, path_BP: Int[Tensor, "B P"], count_B: Int[Tensor, " B"]) -> None:
        before = self.lengths[0]
        super().keep(path_BP, count_B)
        asked, self.asked = self.asked, None
        if asked is None or len(self.text) < before:  # it was written past us: not to be copied
            return
        kept = path_BP[0].tolist()[: int(count_B[0])]
        with self.rows.lock:
            self.text += [asked[cell] for cell in kept]

    def trim(self, length_B: Int[Tensor, " B"]) -> None:
        with self.rows.lock:
            super().trim(length_B)
            del self.text[self.lengths[0] :]

    def give_back(self) -> None:
        """Let another text have it; what it holds can be copied until then."""
        self.rows.give_back(self)


@dataclass
class Call:
    """One call for one text, and how far it is computed."""

    row: Row
    table: Table
    x_NC: Tensor
    score: Sequence[int]
    logits_SV: Tensor | None = None
    done: int = 0
    scored: list[int] = field(default_factory=list)

    @property
    def cells(self) -> int:
        """Still to be computed."""
        return len(self.x_NC) - self.done

    @property
    def ready(self) -> bool:
        return not self.cells

    @property
    def logits_1SV(self) -> Tensor:
        """Of the scored cells, in the order in which they were wanted."""
        assert self.ready, "all cells are computed first"
        assert self.logits_SV is not None, "with them, the logits"
        return as_wanted(self.logits_SV, self.scored)[None]


class Rows:
    """See the module. `room`: cells of a row."""

    def __init__(self, net: Compiled, *, count: int, room: int) -> None:
        self.net, self.lock = net, threading.Lock()
        self.room = min(room, net.max_length + SLICE)
        like = net.new_cache(count, 1).memory_L2BHRD
        with torch.inference_mode(False):  # not zeros: what no text has touched takes no memory
            self.memory_L2BHRD = like.new_empty((*like.shape[:-2], self.room, like.shape[-1]))
        self.each = [Row(self, number) for number in range(count)]
        self.free = list(self.each)

    def take(self) -> Row | None:
        """An empty row; the one that was given back first, so that what is new can be copied."""
        with self.lock:
            if not self.free:
                return None
            row = self.free.pop(0)
            row.lengths, row.reached, row.text, row.asked = [0], 0, [], None
        return row

    def give_back(self, row: Row) -> None:
        """See `Row.give_back`."""
        with self.lock:
            assert row not in self.free, "it is given back once"
            self.free.append(row)

    def call(
        self,
        tokens_1T: Int[Tensor, "1 T"],
        row: Row,
        *,
        tree: Tree | None = None,
        score_1S: Int[Tensor, "1 S"] | None = None,
    ) -> Call:
        """What is to be computed; see `CausalLM.extend`. Raises ValueError as that does."""
        net, (_, T) = self.net, tokens_1T.shape
        check(row, net.cache_kind, tokens_1T, tree)
        row.reserve(T)
        score = scored(score_1S, 1, T)
        table = table_of(row, T, tree, net.shape.window, net.max_length - 1)
        begin = row.number * row.memory_L2BHRD.stride(2) * row.memory_L2BHRD.element_size()
        table.words[Cell.ROW :: Cell.WORDS] = array("q", [begin]) * T
        x_NC = net.embedding_VC[tokens_1T[0]]
        if net.positions_RC is not None:
            x_NC = x_NC.float() + net.positions_RC[table.places]
        row.asked = tokens_1T[0].tolist()
        call = Call(row, table, x_NC, score)
        if tree is None and not row.lengths[0] and score:
            call.done = self._copied(row, row.asked[: min(score)])
        return call

    def _copied(self, row: Row, text: list[int]) -> int:
        """How many cells of the text that it begins with stand in its memory now."""
        with self.lock:
            shared = {other: common(other.text, text) for other in self.each}
            other = max(self.each, key=lambda one: shared[one])
            cells = shared[other]
            if other is row or cells < WORTH:
                return 0
            mine, theirs = row.memory_L2BHRD, other.memory_L2BHRD
            mine[..., :cells, :] = theirs[..., :cells, :]
        return cells

    def compute(self, calls: Sequence[Call], most: int = SLICE) -> int:
        """Compute the short calls, and beside them of the long ones, the first first, as much as
        fits among `most` cells, or a little, and to their ends where less than half as much would
        be left: how many cells in all.

        Whoever calls sees to it that nobody else does so meanwhile.
        """
        short = [(call, call.cells) for call in calls if call.cells <= SHORT]
        left = max(most - sum(cells for _, cells in short), SHORT)
        long = []
        for call in calls:
            if call.cells > SHORT and left > 0:
                # all pay for a round: a prompt's last few cells are not worth one of their own
                cells = call.cells if call.cells <= left + most // 2 else left
                long.append((call, cells))
                left -= cells
        self._run(short + long)
        return sum(cells for _, cells in short + long)

    def _run(self, taken: Sequence[tuple[Call, int]]) -> None:
        """So many cells of each call, in one."""
        net, words, score, at = self.net, array("q"), [], 0
        inside: list[list[int]] = []  # which of its scores each call is told
        for call, cells in taken:
            end = call.done + cells
            words.extend(call.table.words[Cell.WORDS * call.done : Cell.WORDS * end])
            inside.append([i for i, cell in enumerate(call.score) if call.done <= cell < end])
            score += [at + call.score[i] - call.done for i in inside[-1]]
            at += cells
        x_NC = torch.cat([call.x_NC[call.done : call.done + cells] for call, cells in taken])
        logits_NV = net.engine.outputs(len(score), ROWS)
        with net.engine.lock:
            seen = Seen(self.memory_L2BHRD, words.buffer_info()[0])
            net.engine.run(x_NC, score, logits_NV, seen)
        at = 0
        for (call, cells), told in zip(taken, inside, strict=True):
            call.done += cells
            # a copy: whoever remembers what he was told does not hold what all others were
            _tell(call, told, logits_NV[at : at + len(told), : net.vocab_size].clone())
            at += len(told)


def _tell(call: Call, told: list[int], logits_SV: Tensor) -> None:
    """Put these logits behind those that the call has."""
    call.scored += told
    if call.logits_SV is None or not len(call.logits_SV):
        call.logits_SV = logits_SV
    elif told:
        call.logits_SV = torch.cat([call.logits_SV, logits_SV])


def common(a: Sequence[int], b: Sequence[int]) -> int:
    """How many tokens both begin with.

    >>> common([1, 2, 3], [1, 2, 4])
    2
    """
    end = min(len(a), len(b))
    return next((i for i in range(end) if a[i] != b[i]), end)
