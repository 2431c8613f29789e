"""The decoding dependency graph of Jacobi decoding: which token waited for which.

    graph = dependencies(trace, row=0)
    graph[4].call, graph[4].waited_for            # right from that call on; after these cells

A call corrects every guess of a block, given the guesses before it. A token is settled in the first
call that says it and after which it never changes. What could bring that about are the cells before
it that were settled in the call before: for these it has waited. Tokens that are settled in one
call are decoded in parallel. All is read from the trace, so that what a call says of a cell counts
if it was written or read again.
Source: Santilli et al. 2023 (arXiv:2305.10427), section 3.4 (DDGviz).
"""

from collections.abc import Mapping
from dataclasses import dataclass

from anyorder.canvas import DONE, GIVEN
from anyorder.meter import Call
from anyorder.trace import Trace


@dataclass(frozen=True)
class Settled:
    """A token, the call (from 0) that first said it for good, and the cells that it waited for."""

    token: int
    call: int
    waited_for: tuple[int, ...]


def dependencies(trace: Trace, row: int = 0) -> dict[int, Settled]:
    """The written cells of a row, from the left.

    Guesses are read as Jacobi decoding makes them: one after the other behind the last token, and
    each is what the call before has said of its cell. Raises ValueError for a trace of drafts that
    branch, and for a text with forced cells, which can't be told from guesses. Errors: IndexError
    if there is no such row.
    """
    status = trace.start.status_BN[row]
    if bool((status[len(trace.start.row(row)) :] == GIVEN).any()):
        raise ValueError(f"row {row} has forced cells; the graph is of texts without them")
    final, said = _said(trace, row)
    settled: dict[int, int] = {}
    for cell, token in final.items():
        calls = sorted(call for call, by_cell in said.items() if cell in by_cell)
        wrong = [call for call in calls if said[call][cell] != token]
        settled[cell] = next(call for call in calls if not wrong or call > wrong[-1])
    return {
        cell: Settled(
            final[cell],
            call,
            tuple(q for q in settled if q < cell and settled[q] == call - 1),
        )
        for cell, call in settled.items()
    }


def _said(trace: Trace, row: int) -> tuple[dict[int, int], Mapping[int, dict[int, int]]]:
    """The tokens that a row was given for good, and what each call said of each cell."""
    frontier = heard = len(trace.start.row(row))
    final: dict[int, int] = {}
    said: dict[int, dict[int, int]] = {}
    for number, step in enumerate(trace.steps):
        call, *more = (call for call in step.calls if call.role == "target")
        if more:
            raise ValueError("a step has more than one call; the graph is of Jacobi decoding")
        guesses = _guesses(call, row) if number else []
        # those that the call before has heard nothing of are copies, to begin with
        known = guesses[: max(heard - frontier, 0)]
        said.setdefault(number - 1, {}).update(enumerate(known, frontier))
        heard = frontier + len(guesses) + 1
        wrote = {c.cell: c.token for c in step.changes if c.row == row and c.status == DONE}
        final |= wrote
        said.setdefault(number, {}).update(wrote)
        frontier += len(wrote)
    return final, said


def _guesses(call: Call, row: int) -> list[int]:
    """The guesses of a row behind its last final token, without padding."""
    tokens = call.tokens_BT[row]
    parents = call.parents_BT[row] if call.parents_BT else range(-1, len(tokens) - 1)
    if any(above not in (-2, cell - 1) for cell, above in enumerate(parents)):
        raise ValueError("these drafts branch; the graph is of Jacobi decoding")
    return [token for token, parent in zip(tokens, parents, strict=True) if parent > -2][1:]
