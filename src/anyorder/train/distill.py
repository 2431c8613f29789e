"""Sequence-level distillation: a teacher translates the training sources, a pupil learns that.

    distill(teacher, task.splits().train, Path("distilled.jsonl"), decoder="beam:width=4")
    backward = Reversed(task).splits().train      # for a teacher of Reversed(task)
    distill(teacher, backward, Path("reverse.jsonl"), reverse=True, never=never_learnt(task))

A line a source, in order of length. Until the last one is there the file is called `.part`, so that
nobody learns from half of it; a run that was stopped goes on after its last whole line.
With `reverse` a teacher of the other direction writes sources for real targets: the targets keep
their rare words, which a forward teacher avoids.
Source: Kim & Rush 2016 (arXiv:1606.07947), section 3.2; for parallel models Gu et al. 2018
(arXiv:1711.02281), section 3.4; reverse distillation Ding et al. 2021 (arXiv:2106.00903).
"""

import hashlib
import json
import os
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from anyorder.data.pairs import Example
from anyorder.data.tasks import Task
from anyorder.decode.run import Decoder
from anyorder.measure.translation import translate
from anyorder.models.translator import Translator


@dataclass(frozen=True)
class Distilled:
    """Lines of the file, those of earlier runs included; nobody learns from the `empty` ones."""

    lines: int
    empty: int

    @property
    def pairs(self) -> int:
        """Those that can be learnt."""
        return self.lines - self.empty


def distill(
    teacher: Translator,
    examples: Sequence[Example],
    path: Path,
    *,
    decoder: Decoder | str = "beam:width=4",
    batch: int = 64,
    max_new_tokens: int = 200,
    reverse: bool = False,
    never: Collection[str] = (),
    on_progress: Callable[[int, int], None] | None = None,
) -> Distilled:
    """Write what the teacher makes of each source; what the file holds at the end.

    `reverse`: what it makes is the source of a line, and what it read the target. Where it writes
    nothing, one of the texts in `never`, or something that does not end within `max_new_tokens`,
    that side is empty, and nobody learns from the line.
    Raises ValueError where `path` holds the work of another run.
    """
    given, made = ("target", "source") if reverse else ("source", "target")
    order = sorted(range(len(examples)), key=lambda i: (len(examples[i].source), i))
    path.parent.mkdir(parents=True, exist_ok=True)
    job = [_mark(teacher), str(decoder), max_new_tokens, *(["reverse"] if reverse else [])]
    write = partial(
        translate, teacher, decoder=decoder, max_new_tokens=max_new_tokens, batch=batch, whole=True
    )
    growing = path if path.is_file() else path.with_name(path.name + ".part")
    _same_teacher(path, growing, job)
    done = _done(growing, [examples[i] for i in order], given)
    with nothing_left(growing), growing.open("a", encoding="utf-8") as file:
        for at in range(done, len(order), batch):
            part = [examples[i] for i in order[at : at + batch]]
            sources = [example.source for example in part]
            written = write(sources)
            for example, text in zip(part, written, strict=True):
                line = {given: example.source, made: "" if text in never else text}
                line |= {"group": example.group}
                file.write(json.dumps(line, ensure_ascii=False) + "\n")
            file.flush()
            if on_progress:
                on_progress(min(at + batch, len(order)), len(order))
    os.replace(growing, path)
    texts = [json.loads(line)[made] for line in _lines(path.read_bytes())]
    return Distilled(len(texts), empty=sum(not text.strip() for text in texts))


@contextmanager
def nothing_left(growing: Path) -> Iterator[None]:
    """A file into which nothing could be written is in nobody's way."""
    try:
        yield
    except ValueError:
        if not growing.stat().st_size:
            growing.unlink()
        raise


def never_learnt(task: Task) -> frozenset[str]:
    """What no model of the task may learn from: the sources of its held-out and test pairs."""
    splits = task.splits()
    return frozenset(example.source for example in (*splits.valid, *splits.test))


def _mark(teacher: Translator) -> str:
    """Of the teacher's weights."""
    found = hashlib.sha256()
    for name, weight in sorted(teacher.net.state_dict().items()):
        found.update(name.encode() + weight.contiguous().numpy().tobytes())
    return found.hexdigest()


def _same_teacher(path: Path, growing: Path, job: list[str | int]) -> None:
    """Remember who writes the file, beside it. Raises ValueError where that is somebody else."""
    beside = path.with_name(path.name + ".job")
    same = beside.is_file() and json.loads(beside.read_text()) == job
    if growing.is_file() and not same:
        raise ValueError(
            f"{growing} was written by another teacher, or in another way; name another file, "
            "or remove it"
        )
    if not same:  # others may be reading it
        beside.write_text(json.dumps(job) + "\n", encoding="utf-8")


def _done(path: Path, examples: Sequence[Example], given: str) -> int:
    """Whole lines that an earlier run has left; one that was cut short is taken away."""
    if not path.is_file():
        return 0
    content = path.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    sources = [_read(line, given) for line in _lines(whole)]
    if sources != [example.source for example in examples[: len(sources)]]:
        raise ValueError(f"{path} holds other pairs; name another file, or remove it")
    if len(whole) < len(content):
        path.write_bytes(whole)
    return len(sources)


def _lines(whole: bytes) -> list[str]:
    """Lines of a file that ends with one; texts may hold other ends of lines."""
    return whole.decode("utf-8").split("\n")[:-1]


def _read(line: str, given: str) -> str | None:
    """What the teacher read for a line; None for a line that is not ours."""
    try:
        return json.loads(line)[given]
    except (ValueError, KeyError, TypeError):
        return None
