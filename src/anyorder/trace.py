"""The trace: what happened, step by step. Terminal, page and benchmark read nothing else.

    trace.steps[3].calls          what the model was asked in step 3, and what it cost
    fold(trace)                   the finished canvas
    trace.save(path); Trace.load(path)      JSON lines: a header, a line a step, a footer

A trace knows no model and no tokenizer; `pieces` maps token ids to text for whoever shows it, and
`raw` to bytes where a token is a part of a character, and no text by itself.
Shapes: B rows, N cells.
"""

import json
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from anyorder.canvas import DONE, Canvas
from anyorder.meter import Call, Cost, reading

FORMAT = 1


@dataclass(frozen=True)
class Change:
    """One cell after a step. `status` is a status of `anyorder.canvas`."""

    row: int
    cell: int
    token: int
    status: int
    logprob: float


@dataclass(frozen=True)
class Likeliest:
    """The likeliest tokens of a cell that a step wrote, each with its log-probability."""

    row: int
    cell: int
    top: tuple[tuple[int, float], ...]


@dataclass(frozen=True)
class Step:
    """One step of a decoder: its calls, the cells that changed, where the cells came from.

    `note`: what went wrong in it, or that nothing was drafted so far. `likeliest`: what else might
    stand in the cells, if that was asked for (see `decode.alternatives`). `drafting`: of its
    seconds, those in which guesses were made, and learnt from (0: nobody took the time).
    """

    calls: tuple[Call, ...]
    changes: tuple[Change, ...]
    origin: tuple[tuple[int, ...], ...] | None = None
    seconds: float = 0.0
    note: str = ""
    likeliest: tuple[Likeliest, ...] = ()
    drafting: float = 0.0

    @property
    def draft_seconds(self) -> float:
        """Of its seconds, those of drafting: inside draft models, where nobody took the time."""
        return max(self.drafting, sum(call.seconds for call in self.calls if call.role == "draft"))

    @property
    def written(self) -> dict[int, int]:
        """How many tokens it wrote for good into each row that it wrote into."""
        return dict(Counter(change.row for change in self.changes if change.status == DONE))

    @property
    def line(self) -> str:
        """Its line in the file."""
        changes = [[c.row, c.cell, c.token, c.status, finite(c.logprob)] for c in self.changes]
        noted = {
            "calls": [_noted(call) for call in self.calls],
            "changes": changes,
            "origin": self.origin,
            "seconds": self.seconds,
            **({"note": self.note} if self.note else {}),
            **({"drafting": self.drafting} if self.drafting else {}),
        }
        if self.likeliest:
            told = [[a.row, a.cell, [[t, finite(p)] for t, p in a.top]] for a in self.likeliest]
            noted["alternatives"] = told
        return json.dumps(noted)

    @staticmethod
    def between(
        before: Canvas, after: Canvas, calls: Sequence[Call] = (), seconds: float = 0.0
    ) -> "Step":
        """The step that made `after` of `before`."""
        old = before if after.origin_BN is None else moved(before, after.origin_BN.tolist())
        tokens_BN, status_BN = after.tokens_BN.numpy(), after.status_BN.numpy()
        differs_BN = old.tokens_BN.numpy() != tokens_BN
        row, cell = (differs_BN | (old.status_BN.numpy() != status_BN)).nonzero()
        changes = zip(
            row.tolist(),
            cell.tolist(),
            tokens_BN[row, cell].tolist(),
            status_BN[row, cell].tolist(),
            after.logprobs_BN.numpy()[row, cell].tolist(),
            strict=True,
        )
        origin = None
        if after.origin_BN is not None:
            origin = tuple(map(tuple, after.origin_BN.tolist()))
        return Step(tuple(calls), tuple(Change(*c) for c in changes), origin, seconds)


@dataclass(frozen=True)
class Trace:
    """A whole run: the canvas it began with, its steps, and facts about it for people."""

    start: Canvas
    steps: tuple[Step, ...] = ()
    facts: dict[str, Any] = field(default_factory=dict)  # decoder, model, prompts, texts, ...
    pieces: dict[int, str] = field(default_factory=dict)
    raw: dict[int, bytes] = field(default_factory=dict)

    def add(self, step: Step) -> "Trace":
        """One step more. Whoever has many steps gathers them first: this copies what was there."""
        return replace(self, steps=(*self.steps, step))

    @property
    def cost(self) -> Cost:
        """What the whole run cost; tokens are the cells that it wrote for good and that stayed."""
        calls = [call for step in self.steps for call in step.calls]
        target = [call for call in calls if call.role == "target"]
        rows = map(self.start.row, range(len(self.start.tokens_BN)))
        prompt = reading(target, max(rows, key=len, default=[]))
        return Cost(
            calls=len(target),
            cells=sum(call.cells for call in target),
            draft_calls=len(calls) - len(target),
            seconds=sum((step.seconds for step in self.steps), 0.0),
            model_seconds=sum((call.seconds for call in target), 0.0),
            prompt_seconds=sum((call.seconds for call in prompt), 0.0),
            draft_seconds=sum((step.draft_seconds for step in self.steps), 0.0),
            tokens=_written(self.steps),
        )

    @property
    def notes(self) -> list[str]:
        """What went wrong without stopping the run, and that nothing was drafted."""
        return [step.note for step in self.steps if step.note]

    def save(self, path: Path) -> None:
        """Write JSON lines; what was written stays readable if the disk fills up half-way."""
        with path.open("w", encoding="utf-8") as out:
            for line in self.lines():
                out.write(line + "\n")

    def lines(self) -> Iterator[str]:
        """The JSON lines of the file, one by one."""
        yield self.header
        yield from (step.line for step in self.steps)
        yield self.footer

    @property
    def header(self) -> str:
        """The first line: the canvas before the first step."""
        start = {
            "anyorder_trace": FORMAT,
            "tokens": self.start.tokens_BN.tolist(),
            "status": self.start.status_BN.tolist(),
            "logprobs": self.start.logprobs_BN.tolist(),
        }
        return json.dumps(start)

    @property
    def footer(self) -> str:
        """The last line: facts, and the text of each token; bytes are told as hexadecimal."""
        said = {"facts": self.facts, "pieces": self.pieces}
        return json.dumps(said | hexed(self.raw), ensure_ascii=False)

    @staticmethod
    def load(path: Path) -> "Trace":
        """Read a trace, also one that was cut off; ValueError names the line that is no trace."""
        trace: Trace | None = None
        steps: list[Step] = []
        lines = path.read_text(encoding="utf-8", errors="replace").split("\n")  # not at U+2028
        for number, line in enumerate(lines, 1):
            try:
                trace = _read(trace, json.loads(line), steps)
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                if number == len(lines) and (trace is not None or not line):
                    break  # the disk was full, or the run was stopped
                raise ValueError(f"{path}, line {number}: this is no anyorder trace") from error
        if trace is None:
            raise ValueError(f"{path} is empty: this is no anyorder trace")
        return replace(trace, steps=tuple(steps))


def _noted(call: Call) -> dict[str, Any]:
    """A call as the file has it: probes are named where there are some."""
    noted = asdict(call)
    if not call.probes:
        del noted["probes"]
    return noted


def _written(steps: Sequence[Step]) -> int:
    """Cells that the steps decided and that stayed: neither cut, nor deleted, nor opened again."""
    done: set[tuple[int, int]] = set()
    for step in steps:
        if step.origin is not None:
            rows = enumerate(step.origin)
            done = {(b, n) for b, row in rows for n, o in enumerate(row) if (b, o) in done}
        for change in step.changes:
            act = done.add if change.status == DONE else done.discard
            act((change.row, change.cell))
    return len(done)


def _read(trace: Trace | None, line: dict[str, Any], steps: list[Step]) -> Trace:
    """The trace without its steps, which are gathered in `steps`."""
    if trace is None:
        if line["anyorder_trace"] != FORMAT:
            raise ValueError(f"trace format {line['anyorder_trace']} is not known")
        status_BN = torch.tensor(line["status"], dtype=torch.uint8)
        tokens_BN = torch.tensor(line["tokens"], dtype=torch.long)
        logprobs_BN = torch.tensor(line["logprobs"], dtype=torch.float32)
        return Trace(Canvas(tokens_BN, status_BN, logprobs_BN))
    if "pieces" in line:
        pieces = {int(token): piece for token, piece in line["pieces"].items()}
        raw = {int(token): bytes.fromhex(told) for token, told in line.get("bytes", {}).items()}
        return replace(trace, facts=line["facts"], pieces=pieces, raw=raw)
    calls = tuple(Call(**call) for call in line["calls"])
    changes = tuple(Change(*change) for change in line["changes"])
    origin = None if line["origin"] is None else tuple(map(tuple, line["origin"]))
    likeliest = tuple(
        Likeliest(row, cell, tuple((token, logprob) for token, logprob in top))
        for row, cell, top in line.get("alternatives", ())
    )
    note, drafting = line.get("note", ""), line.get("drafting", 0.0)
    steps.append(Step(calls, changes, origin, line["seconds"], note, likeliest, drafting))
    return trace


def hexed(raw: Mapping[int, bytes]) -> dict[str, dict[int, str]]:
    """Bytes of tokens as a line of the file has them, if there are any.

    >>> hexed({7: b"\\xf0\\x9f"}), hexed({})
    ({'bytes': {7: 'f09f'}}, {})
    """
    return {"bytes": {token: told.hex() for token, told in raw.items()}} if raw else {}


def finite(logprob: float) -> float:
    """JSON has no infinity: the log-probability of what a filter forced is cut off at -1e9."""
    return logprob if logprob > -1e9 else -1e9  # NaN too


def moved(canvas: Canvas, origin: Sequence[Sequence[int]]) -> Canvas:
    """The canvas with each cell taken from where `origin` says; new cells are empty (PAD)."""
    source_BN = torch.tensor(origin, dtype=torch.long)
    new_BN = source_BN < 0
    source_BN = source_BN.clamp_min(0)
    return Canvas(
        canvas.tokens_BN.gather(1, source_BN).masked_fill(new_BN, 0),
        canvas.status_BN.gather(1, source_BN).masked_fill(new_BN, 0),
        canvas.logprobs_BN.gather(1, source_BN).masked_fill(new_BN, 0.0),
    )


def frames(trace: Trace) -> Iterator[Canvas]:
    """The canvas before the first step and after each one."""
    canvas = trace.start
    yield canvas
    for step in trace.steps:
        if step.origin is not None:
            canvas = moved(canvas, step.origin)
        canvas = _changed(canvas, step.changes)
        yield canvas


def fold(trace: Trace) -> Canvas:
    """The canvas that a trace ends with: the last of its frames, without making the others."""
    canvas, changes = trace.start, dict[tuple[int, int], Change]()
    for step in trace.steps:
        if step.origin is not None:
            canvas = moved(_changed(canvas, changes.values()), step.origin)
            changes.clear()
        changes.update(((change.row, change.cell), change) for change in step.changes)
    return _changed(canvas, changes.values())


def _changed(canvas: Canvas, changes: Collection[Change]) -> Canvas:
    """The canvas after `changes`, at most one a cell."""
    tokens_BN, status_BN = canvas.tokens_BN.clone(), canvas.status_BN.clone()
    logprobs_BN = canvas.logprobs_BN.clone()
    at = torch.tensor([(c.row, c.cell) for c in changes], dtype=torch.long).view(-1, 2).unbind(-1)
    tokens_BN[at] = torch.tensor([c.token for c in changes], dtype=tokens_BN.dtype)
    status_BN[at] = torch.tensor([c.status for c in changes], dtype=status_BN.dtype)
    logprobs_BN[at] = torch.tensor([c.logprob for c in changes], dtype=logprobs_BN.dtype)
    return Canvas(tokens_BN, status_BN, logprobs_BN)
