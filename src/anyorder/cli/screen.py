"""What a person sees in a terminal beside the result: all of it on stderr, none of it in a log."""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, Task

WIDE = 250  # columns of what no terminal shows: a row of a table is one line
EVERY = 30.0  # seconds between lines of progress where there is no terminal
MANY = 20  # parts of a work, from which on they are like enough to say how long the others take


def out() -> "Console":
    """Results: stdout. A pipe has no width, so lines are not broken for one of 80 columns."""
    from rich.console import Console

    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=WIDE)


def aside() -> "Console":
    """Remarks: stderr."""
    from rich.console import Console

    return Console(stderr=True, highlight=False)


def remark(words: str) -> None:
    """One dim line on stderr."""
    aside().print(words, style="dim", markup=False, soft_wrap=True)


@contextmanager
def waiting(words: str) -> Iterator[None]:
    """A line that moves while something takes its time, and goes when it is done."""
    console = aside()
    if not console.is_terminal:
        yield
        return
    with console.status(words):
        yield


@contextmanager
def progress() -> "Iterator[Progress]":
    """A bar with the time that is left; it goes when the work is done. Where there is no terminal
    (a log, say), a line now and then.
    """
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    console = aside()
    with Progress(
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.description}", markup=False),
        console=console,
        transient=True,
        refresh_per_second=2,  # what is measured meanwhile has the processor
        disable=not console.is_terminal,
    ) as bar:
        with _told(bar) if bar.disable else nullcontext():
            yield bar


@contextmanager
def _told(bar: "Progress") -> Iterator[None]:
    """A line for each of its tasks, every now and then."""
    done = threading.Event()

    def tell() -> None:
        while not done.wait(EVERY):
            for task in bar.tasks:
                remark(_line(task))

    teller = threading.Thread(target=tell, daemon=True)
    teller.start()
    try:
        yield
    finally:
        done.set()
        teller.join()


def _line(task: "Task") -> str:
    """How far it is, and how long it will take; of few parts, how long it has taken."""
    words = [task.description]
    if task.total is not None:
        words = [f"{task.completed:,.0f} of {task.total:,.0f}", *words]
    many = task.total is not None and task.total >= MANY
    if many and task.time_remaining:
        words += [f"about {_minutes(float(task.time_remaining))} left"]
    elif not many and task.elapsed:
        words += [f"{_minutes(task.elapsed)} so far"]
    return " · ".join(words)


def _minutes(seconds: float) -> str:
    """
    >>> _minutes(20.0), _minutes(100.0)
    ('1 minute', '2 minutes')
    """
    minutes = max(1, round(seconds / 60))
    return f"{minutes} minute{'s' * (minutes > 1)}"


def complain(*sentences: str) -> None:
    """Each on stderr, as `main` does it; for what does not end the work."""
    for sentence in sentences:
        print(f"anyorder: {sentence}", file=sys.stderr)
