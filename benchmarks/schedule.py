"""Who runs what, and when: the order of the runs, and the file that remembers those that are done.

    for job in jobs(contestants, ["story", "edit"], repeats=3): ...

One run at a time. Each turn visits every prompt, and at each prompt every contestant, in turn in
this order and in the reverse: what drifts (heat, neighbours) meets all alike.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from anyorder.measure.turns import in_turn
from benchmarks.engines.engine import Written

OURS, HUGGING, LLAMA = "anyorder", "transformers", "llama.cpp"
PLAIN = {OURS: "left-to-right", HUGGING: "greedy", LLAMA: "greedy"}


@dataclass(frozen=True)
class Contestant:
    """A decoder of an engine, in a precision. `most_turns`: for one that is slow and hopeless."""

    engine: str
    decoder: str
    precision: str
    most_turns: int | None = None

    @property
    def name(self) -> str:
        return f"{self.engine} {self.decoder} ({self.precision})"

    @property
    def plain(self) -> bool:
        """Whether it writes one token a call: what its engine's others are compared with."""
        return self.decoder == PLAIN[self.engine]


@dataclass(frozen=True)
class Job:
    """One run: the `turn`-th of a contestant on a prompt."""

    turn: int
    task: str
    contestant: Contestant

    @property
    def key(self) -> tuple[int, str, str, str, str]:
        who = self.contestant
        return (self.turn, self.task, who.engine, who.decoder, who.precision)


@dataclass(frozen=True)
class Run:
    """A job that is done."""

    job: Job
    written: Written

    @property
    def tokens_per_s(self) -> float:
        return len(self.written.tokens) / self.written.seconds


def contestants(
    decoders: Sequence[str],
    *,
    precisions: Sequence[str],
    peers: Mapping[str, Sequence[str]],
    assisted_layers: int,
) -> list[Contestant]:
    """All that take part, neighbours being those that are compared.

    `peers`: the precisions of each other engine that is there.
    """
    found: list[Contestant] = []
    for precision in precisions:
        if precision in peers.get(HUGGING, ()):
            found += [Contestant(HUGGING, name, precision) for name in ("greedy", "prompt-lookup")]
            assisted = f"assisted:layers={assisted_layers}"
            found.append(Contestant(HUGGING, assisted, precision, most_turns=1))
        if precision == precisions[-1]:  # int8, as a rule
            found += [
                Contestant(LLAMA, name, own)
                for own in peers.get(LLAMA, ())
                for name in ("greedy", "prompt-lookup")
            ]
        found += [Contestant(OURS, decoder, precision) for decoder in decoders]
    return list(dict.fromkeys(found))


def jobs(contestants: Sequence[Contestant], tasks: Sequence[str], *, repeats: int) -> list[Job]:
    """All runs in their order.

    >>> a, b = Contestant("anyorder", "a", "int8"), Contestant("anyorder", "b", "int8")
    >>> [(job.turn, job.contestant.decoder) for job in jobs([a, b], ["story"], repeats=2)]
    [(0, 'a'), (0, 'b'), (1, 'b'), (1, 'a')]
    """
    return [
        Job(number, task, contestant)
        for number in range(repeats)
        for task in tasks
        for contestant in in_turn(contestants, number)
        if contestant.most_turns is None or number < contestant.most_turns
    ]


class Journal:
    """The runs that are done, a line each; its first line says what they are runs of.

    A line that was cut short is passed over, and its run is done again.
    """

    def __init__(self, path: Path, facts: dict[str, Any]) -> None:
        """Raises ValueError if the file holds runs of something else."""
        self.path = path
        lines = list(_lines(path)) if path.exists() else []
        if lines and lines[0] != facts:
            differs = [name for name in facts if lines[0].get(name) != facts[name]]
            raise ValueError(
                f"{path} holds runs of another {', '.join(differs)}; "
                "finish those as they were begun, or begin anew with --fresh"
            )
        self.runs = [_read(line) for line in lines[1:]]
        path.parent.mkdir(parents=True, exist_ok=True)
        # Written anew, so that what was cut short does not spoil the next line.
        whole = [facts, *(_words(run) for run in self.runs)]
        path.write_text("".join(json.dumps(line) + "\n" for line in whole), encoding="utf-8")

    @property
    def done(self) -> set[tuple[int, str, str, str, str]]:
        return {run.job.key for run in self.runs}

    def add(self, run: Run) -> None:
        """Remember a run, on the disk too."""
        self.runs.append(run)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(_words(run)) + "\n")


def left(wanted: Iterable[Job], journal: Journal) -> list[Job]:
    """The jobs that are still to be done."""
    return [job for job in wanted if job.key not in journal.done]


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            yield json.loads(line)
        except ValueError:
            return


def _words(run: Run) -> dict[str, Any]:
    who = {"turn": run.job.turn, "task": run.job.task, **asdict(run.job.contestant)}
    return {**who, "written": run.written.words()}


def _read(line: dict[str, Any]) -> Run:
    who = Contestant(line["engine"], line["decoder"], line["precision"], line["most_turns"])
    return Run(Job(line["turn"], line["task"], who), Written(**line["written"]))
