"""Runs the jobs, one at a time, and remembers each.

    for turn in conduct(jobs, journal, stage): ...        # after each turn of the repeats

Every contestant plays a few tokens first, which are not counted. One that can't play is named in a
sentence and left out; the others go on.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby

from benchmarks.engines.engine import Task, Written
from benchmarks.hire import Worker, WorkerError
from benchmarks.schedule import Contestant, Job, Journal, Run, left

WARM_UP = 16  # tokens


@dataclass(frozen=True)
class Stage:
    """What all play with: workers by engine, prompts (ids) by name, what ends an answer."""

    workers: Mapping[str, Worker]
    prompts: Mapping[str, Sequence[int]]
    eos: Sequence[int]
    new: int

    def play(self, who: Contestant, prompt: str, new: int) -> Written:
        """One run. Raises WorkerError."""
        task = Task(who.precision, who.decoder, list(self.prompts[prompt]), new, list(self.eos))
        return Written(**self.workers[who.engine].ask("write", **asdict(task)))


def conduct(
    wanted: Sequence[Job],
    journal: Journal,
    stage: Stage,
    *,
    say: Callable[[str], None],
    on_run: Callable[[str], None] = lambda name: None,
) -> Iterator[int]:
    """Do what is left of `wanted`; yields the number of each turn that is over.

    `say` is told who is left out, and why; `on_run` is told of each run before it begins.
    """
    todo = left(wanted, journal)
    out = _warmed_up(todo, stage, say, on_run)
    for turn, these in groupby(todo, key=lambda job: job.turn):
        for job in these:
            who = job.contestant
            on_run(f"{who.name}, {job.task}")
            if who in out:
                continue
            try:
                journal.add(Run(job, stage.play(who, job.task, stage.new)))
            except WorkerError as error:
                out |= _leave_out(who, error, todo, say)
        yield turn


def _warmed_up(
    todo: Sequence[Job],
    stage: Stage,
    say: Callable[[str], None],
    on_run: Callable[[str], None],
) -> set[Contestant]:
    """Everyone plays a little; those who can't."""
    out: set[Contestant] = set()
    first = next(iter(stage.prompts))
    for who in dict.fromkeys(job.contestant for job in todo):
        on_run(f"{who.name}, warming up")
        if who not in out:
            try:
                stage.play(who, first, min(WARM_UP, stage.new))
            except WorkerError as error:
                out |= _leave_out(who, error, todo, say)
    return out


def _leave_out(
    who: Contestant, error: WorkerError, todo: Sequence[Job], say: Callable[[str], None]
) -> set[Contestant]:
    """This one; all of its engine, if the engine is gone."""
    say(f"{who.engine if error.gone else who.name} is left out: {error}")
    if not error.gone:
        return {who}
    return {job.contestant for job in todo if job.contestant.engine == who.engine}
