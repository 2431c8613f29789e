"""What was promised, and whether the rows keep it: computed, never typed in.

    for verdict in verdicts(rows): print(verdict)

A target holds on every prompt or not at all: its value is that of the worst prompt. Those of a
median say so.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median

from anyorder.measure.results import Peer
from benchmarks.schedule import HUGGING, LLAMA, OURS, PLAIN

COPYING = "edit"  # the prompt whose answer stands in it


@dataclass(frozen=True)
class Verdict:
    """A target, its least value that will do, and the value that was found; `where`: at which
    prompt, if it is that of the worst.
    """

    text: str
    floor: float
    value: float | None
    where: str = ""

    @property
    def word(self) -> str:
        if self.value is None:
            return "not measured"
        return "met" if self.value >= self.floor else "missed"

    def __str__(self) -> str:
        if self.value is None:
            return f"{self.word:13}{'':8}{self.text}"
        worst = f" (worst: {self.where})" if self.where else ""
        return f"{self.word:13}{self.value:<8.2f}{self.text}{worst}"


@dataclass(frozen=True)
class Speeds:
    """Tokens per second, found by who, in which precision, on which prompt."""

    rows: Sequence[Peer]

    def tasks(self) -> list[str]:
        return list(dict.fromkeys(row.task for row in self.rows))

    def find(self, engine: str, task: str, precision: str | None, *decoders: str) -> list[float]:
        """Speeds of the decoders of these names (all, if none is named), options aside."""
        return [
            row.tokens_per_s
            for row in self.rows
            if (row.engine, row.task) == (engine, task)
            and precision in (None, row.precision)
            and (not decoders or row.decoder.partition(":")[0] in decoders)
        ]


def verdicts(rows: Sequence[Peer]) -> list[Verdict]:
    """All targets."""
    speeds = Speeds(rows)
    return [
        *_against_transformers(speeds, "float32", plain=1.7, copying=3.5, other=2.4, middle=3.0),
        *_against_transformers(speeds, "bfloat16", plain=2.5, copying=5.0, other=3.3, middle=4.0),
        *_against_llama(speeds),
        *_own(speeds),
    ]


def _against_transformers(
    speeds: Speeds, precision: str, *, plain: float, copying: float, other: float, middle: float
) -> Iterator[Verdict]:
    greedy = {task: speeds.find(HUGGING, task, precision, "greedy") for task in speeds.tasks()}
    drafted = {
        task: speeds.find(HUGGING, task, precision, "prompt-lookup", "assisted") for task in greedy
    }
    ours = {task: speeds.find(OURS, task, precision, PLAIN[OURS]) for task in greedy}
    best = {task: speeds.find(OURS, task, precision) for task in greedy}
    others = {task: found for task, found in best.items() if task != COPYING}
    edit = {task: found for task, found in best.items() if task == COPYING}
    of = f"transformers' greedy, {precision}"
    yield _worst(f"left to right at least {plain} times {of}", plain, ours, greedy)
    yield _worst(f"best decoder at least {copying} times {of}: {COPYING}", copying, edit, greedy)
    yield _worst(f"best decoder at least {other} times {of}: the others", other, others, greedy)
    text = f"best decoder at least 1.3 times transformers' best drafting, {precision}"
    yield _worst(text, 1.3, best, drafted)
    yield _median(f"best decoder at least {middle} times {of}", middle, best, greedy)
    either = {task: found + drafted[task] for task, found in greedy.items()}
    text = f"best decoder at least 1.8 times transformers' best, {precision}"
    yield _median(text, 1.8, best, either)


def _against_llama(speeds: Speeds) -> Iterator[Verdict]:
    tasks = speeds.tasks()
    greedy = {task: speeds.find(LLAMA, task, None, "greedy") for task in tasks}
    either = {task: speeds.find(LLAMA, task, None) for task in tasks}
    ours = {task: speeds.find(OURS, task, "int8", PLAIN[OURS]) for task in tasks}
    best = {task: speeds.find(OURS, task, "int8") for task in tasks}
    yield _worst("left to right as fast as llama.cpp's greedy, int8", 1.0, ours, greedy)
    yield _worst("best decoder at least 1.2 times llama.cpp's best, int8", 1.2, best, either)
    yield _median("best decoder at least 1.5 times llama.cpp's best, int8", 1.5, best, either)


def _own(speeds: Speeds) -> Iterator[Verdict]:
    plain = f"{OURS} {PLAIN[OURS]}"
    for precision in ("float32", "bfloat16", "int8"):
        ratio = {
            row.task: row.ratio[plain]
            for row in speeds.rows
            if (row.engine, row.decoder, row.precision) == (OURS, "auto", precision)
            and plain in row.ratio
        }
        where = min(ratio, key=lambda task: ratio[task], default="")
        text = f"auto at most 5 % slower than left to right, {precision}"
        yield Verdict(text, 0.95, ratio.get(where), where)
        yield _auto(speeds, precision)
    texts = [
        row
        for row in speeds.rows
        if row.engine == OURS and row.precision == "float32" and row.same_text is not None
    ]
    other = next((row for row in texts if not row.same_text), None)
    value = None if not texts else float(other is None)
    where = f"{other.decoder}, {other.task}" if other else ""
    yield Verdict("the same text from every decoder, float32", 1.0, value, where)


def _auto(speeds: Speeds, precision: str) -> Verdict:
    """Auto over each of our other decoders, turn by turn; at each prompt over the best of them."""
    ratio = dict[str, float]()
    for task in speeds.tasks():
        rows = [
            r for r in speeds.rows if (r.engine, r.precision, r.task) == (OURS, precision, task)
        ]
        names = [f"{OURS} {row.decoder}" for row in rows if not _is_auto(row)]
        for row in filter(_is_auto, rows):
            if names and all(name in row.ratio for name in names):
                ratio[task] = min(row.ratio[name] for name in names)
    where = min(ratio, key=lambda task: ratio[task], default="")
    text = f"auto at most 10 % slower than the best other decoder, {precision}"
    return Verdict(text, 0.9, ratio.get(where), where)


def _is_auto(row: Peer) -> bool:
    return row.decoder.partition(":")[0] == "auto"


def _worst(
    text: str, floor: float, ours: dict[str, list[float]], theirs: dict[str, list[float]]
) -> Verdict:
    """Our best over their best, at the prompt where that is least."""
    ratio = _over(ours, theirs)
    where = min(ratio, key=lambda task: ratio[task], default="")
    return Verdict(text, floor, ratio.get(where), where)


def _median(
    text: str, floor: float, ours: dict[str, list[float]], theirs: dict[str, list[float]]
) -> Verdict:
    """Our best over their best, in the median of all prompts; None if one was not measured."""
    ratio = _over(ours, theirs)
    value = median(ratio.values()) if ratio and len(ratio) == len(ours) else None
    return Verdict(f"{text}: the median", floor, value)


def _over(ours: dict[str, list[float]], theirs: dict[str, list[float]]) -> dict[str, float]:
    """Our best over their best, at each prompt."""
    return {
        task: max(found) / max(theirs[task])
        for task, found in ours.items()
        if found and theirs.get(task)
    }
