"""Where each cell came from: the draft that a call checked, and what of it was accepted.

    story(trace, row=0)      the frames of one row: cells with their origin, and the draft checked
    latest(trace, row=0)     the cells that the last step wrote, while a text is streamed
    acceptance(trace, ...)   drafts, drafted and accepted cells, acceptance length

All is derived from the trace, so it holds for any decoder: in a call of the target, a row that
begins with its last final token (the root) checks the cells below it, and what the step then
wrote is walked down that tree. Knows no decoder and no text; `player/trace.js` is its twin.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal, TypedDict

from anyorder.canvas import DONE, DRAFT, GIVEN, OPEN, PAD
from anyorder.meter import Call
from anyorder.trace import Step, Trace

Origin = Literal["pad", "open", "tentative", "drafted", "own", "given"]
Mark = Literal["", "corrected", "bonus", "inserted", "reopened", "moved"]

_ORIGIN: dict[int, Origin] = {
    PAD: "pad",
    OPEN: "open",
    DRAFT: "tentative",
    DONE: "own",
    GIVEN: "given",
}


@dataclass(frozen=True)
class Cell:
    """One cell of a frame. `step` wrote it (-1: it stood there at the start).

    `origin` is "given", "drafted" (accepted from a draft), "own" (the model's own next token),
    "tentative" (written, may still change), "open" or "pad". `mark` is what befell it: "inserted"
    between others, "reopened" after it was written, "corrected" (written anew, or where a guess was
    refused), "bonus" (the model's own, behind a draft that was accepted to its end), "moved" by
    this very step past others.
    """

    token: int
    status: int
    logprob: float
    origin: Origin
    step: int
    mark: Mark = ""


@dataclass(frozen=True)
class Draft:
    """The tree that a call checked in one row. A parent of -1 is the root, the last final token.

    `accepted` is the path that was written, as indices into `tokens`.
    """

    tokens: tuple[int, ...]
    parents: tuple[int, ...]
    accepted: tuple[int, ...] = ()

    @property
    def depths(self) -> list[int]:
        """Distance of each drafted cell from the root's children, which have depth 0.

        >>> Draft((5, 6, 7), (-1, 0, -1)).depths
        [0, 1, 0]
        """
        depths: list[int] = []
        for parent in self.parents:
            depths.append(0 if parent < 0 else depths[parent] + 1)
        return depths


@dataclass(frozen=True)
class Frame:
    """One row after a step (or before the first), and the draft that the step checked in it."""

    cells: tuple[Cell, ...]
    draft: Draft | None = None

    @property
    def frontier(self) -> int:
        """How many cells, from the left, are final."""
        ends = (n for n, cell in enumerate(self.cells) if cell.status < DONE)
        return next(ends, len(self.cells))


class Acceptance(TypedDict):
    """What `acceptance` measures. Lists are indexed by depth: 0 for the root's children."""

    drafts: int  # trees that were checked
    drafted: int  # cells in them
    accepted: int  # of these, cells that were written
    offered_at_depth: list[int]  # drafts that reach this depth
    accepted_at_depth: list[int]  # drafts of which a cell at this depth was written
    acceptance_length: float  # tokens written per draft, the model's own one included


def story(trace: Trace, row: int = 0) -> list[Frame]:
    """The frames of `row`: before the first step, and after each.

    Errors: IndexError if the trace has no such row.

    >>> from anyorder.canvas import Canvas
    >>> [cell.origin for cell in story(Trace(Canvas.of_prompts([[5]], new_cells=[1])))[0].cells]
    ['given', 'open']
    """
    start = zip(
        trace.start.tokens_BN[row].tolist(),
        trace.start.status_BN[row].tolist(),
        trace.start.logprobs_BN[row].tolist(),
        strict=True,
    )
    frames = [Frame(tuple(Cell(t, s, p, _ORIGIN[s], -1) for t, s, p in start))]
    prompts = _prompts(trace)
    for number, step in enumerate(trace.steps):
        frames.append(_after(frames[-1], step, number, row, prompts))
    return frames


def latest(trace: Trace, row: int = 0) -> list[Cell]:
    """What the last step wrote for good into `row`, from left to right: for a stream that tells
    where its tokens come from. `on_step` of `generate` is told such a trace, step by step.

    Errors: IndexError if the trace has no such row.

    >>> from anyorder.canvas import Canvas
    >>> latest(Trace(Canvas.of_prompts([[5]], new_cells=[1])))
    []
    """
    last, end = len(trace.steps) - 1, story(trace, row)[-1]
    return [cell for cell in end.cells if cell.step == last and cell.status == DONE]


def acceptance(*traces: Trace) -> Acceptance:
    """How well the drafts of some runs were guessed, over all their rows.

        acceptance length = (accepted + own tokens) / drafts

    A token that a stop or the end of the row cut off counts as not accepted. Without drafts all
    is 0. Source: Leviathan et al. 2023 (arXiv:2211.17192), section 3.1, counts the same tokens.
    """
    drafts: list[Draft] = []
    written = 0
    rows = [(trace, b) for trace in traces for b in range(len(trace.start.tokens_BN))]
    for trace, row in rows:
        for before, after in pairwise(story(trace, row)):
            if after.draft is not None:
                drafts.append(after.draft)
                written += after.frontier - before.frontier
    deepest = max((max(d.depths) + 1 for d in drafts), default=0)
    return Acceptance(
        drafts=len(drafts),
        drafted=sum(len(d.tokens) for d in drafts),
        accepted=sum(len(d.accepted) for d in drafts),
        offered_at_depth=[sum(max(d.depths) >= k for d in drafts) for k in range(deepest)],
        accepted_at_depth=[sum(len(d.accepted) > k for d in drafts) for k in range(deepest)],
        acceptance_length=written / len(drafts) if drafts else 0.0,
    )


def _after(before: Frame, step: Step, number: int, row: int, prompts: Sequence[list[int]]) -> Frame:
    cells = [replace(cell, mark="") if cell.mark == "moved" else cell for cell in before.cells]
    if step.origin is not None:
        cells = _rearranged(cells, step.origin[row], number)
    for c in step.changes:
        if c.row == row:
            mark = _mark(cells[c.cell], c.token, c.status)
            cells[c.cell] = Cell(c.token, c.status, c.logprob, _ORIGIN[c.status], number, mark)
    draft = None if step.origin is not None else _checked(before, step, row, prompts)
    if draft is None:
        return Frame(tuple(cells))
    written = [cell.token for cell in cells[before.frontier : Frame(tuple(cells)).frontier]]
    draft = replace(draft, accepted=_walk(draft, written))
    for n in range(before.frontier, before.frontier + len(draft.accepted)):
        if cells[n].status != GIVEN:  # a forced cell stood there before
            cells[n] = replace(cells[n], origin="drafted")
    own = before.frontier + len(draft.accepted)
    if len(written) > len(draft.accepted) and cells[own].status != GIVEN:
        guessed = _tip(draft) in draft.parents  # a guess hung here, and was refused
        cells[own] = replace(cells[own], mark="corrected" if guessed else "bonus")
    return Frame(tuple(cells), draft)


def _tip(draft: Draft) -> int:
    return draft.accepted[-1] if draft.accepted else -1


def _rearranged(cells: Sequence[Cell], origin: Sequence[int], number: int) -> list[Cell]:
    """The cells where `origin` puts them; those that it puts past others are marked."""
    empty = Cell(0, PAD, 0.0, "pad", number, "inserted")
    stay = in_order(origin)
    placed = enumerate(origin)
    kept = {
        n: cells[o] if n in stay else replace(cells[o], mark="moved") for n, o in placed if o >= 0
    }
    return [kept.get(n, empty) for n in range(len(origin))]


def in_order(origin: Sequence[int]) -> set[int]:
    """The most places that keep the order in which their cells stood (the first, of several).

    >>> in_order([2, 0, -1, 1]), in_order([0, -1, 1])
    ({1, 3}, {0, 2})
    """
    places = [n for n, o in enumerate(origin) if o >= 0]
    length: dict[int, int] = {}  # of the longest run that ends here
    above: dict[int, int] = {}
    for n in places:
        before = [m for m in places if m < n and origin[m] <= origin[n]]
        above[n] = max(before, key=lambda m: length[m], default=-1)
        length[n] = 1 + length.get(above[n], 0)
    n, kept = max(places, key=lambda m: length[m], default=-1), set[int]()
    while n >= 0:
        kept.add(n)
        n = above[n]
    return kept


def _mark(old: Cell, token: int, status: int) -> Mark:
    """What a change makes of a cell."""
    if status < DRAFT:
        if status == OPEN and old.status >= DRAFT:
            return "reopened"
        return "inserted" if status == OPEN and old.mark == "inserted" else ""
    if (old.status >= DRAFT and old.token != token) or old.mark == "reopened":
        return "corrected"
    return old.mark


def _checked(before: Frame, step: Step, row: int, prompts: Sequence[list[int]]) -> Draft | None:
    """The draft that the step's last call of the target checked in `row`, if it checked one."""
    targets = [call for call in step.calls if call.role == "target"]
    live = any(cell.status in (OPEN, DRAFT) for cell in before.cells)
    if not targets or not live or before.frontier == 0:
        return None  # a finished row is carried along with junk
    call = targets[-1]
    untouched = before.frontier == len(prompts[row])
    if untouched and _reads_prompts(call, prompts):
        return None
    root = before.cells[before.frontier - 1].token
    return _below_root(call, row, root)


def _prompts(trace: Trace) -> list[list[int]]:
    """The cells that each row begins with: the final ones at its left end."""
    return [trace.start.row(b) for b in range(trace.start.tokens_BN.shape[0])]


def _reads_prompts(call: Call, prompts: Sequence[list[int]]) -> bool:
    """Whether a call reads prompts (and pads the shorter ones) rather than drafts."""
    for cells, prompt in zip(call.tokens_BT, prompts, strict=False):
        both = min(len(cells), len(prompt))
        if both > 1 and cells[:both] == prompt[:both]:
            return True
    return False


def _below_root(call: Call, row: int, root: int) -> Draft | None:
    """The guesses that hang below the first cell. Equal siblings are one; padding hangs elsewhere,
    and probes are no guesses.
    """
    if row >= len(call.tokens_BT) or not call.tokens_BT[row] or call.tokens_BT[row][0] != root:
        return None  # not this loop's convention: nothing to tell
    cells = call.tokens_BT[row][: len(call.tokens_BT[row]) - call.probes]
    parents = range(-1, len(cells) - 1) if call.parents_BT is None else call.parents_BT[row]
    index = {0: -1}  # cell of the call -> drafted cell
    known: dict[tuple[int, int], int] = {}  # (parent, token) -> drafted cell
    for t in range(1, len(cells)):
        if parents[t] in index:
            index[t] = known.setdefault((index[parents[t]], cells[t]), len(known))
    if not known:
        return None
    return Draft(tuple(token for _, token in known), tuple(parent for parent, _ in known))


def _walk(draft: Draft, written: Sequence[int]) -> tuple[int, ...]:
    """The path that `written` takes down the tree, as far as it goes."""
    edges = zip(draft.parents, draft.tokens, strict=True)
    child = {edge: n for n, edge in enumerate(edges)}
    path: list[int] = []
    for token in written:
        node = child.get((path[-1] if path else -1, token))
        if node is None:
            break
        path.append(node)
    return tuple(path)
