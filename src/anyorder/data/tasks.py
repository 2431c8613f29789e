"""A task: pairs to learn from, the units of both sides, and how outputs are scored.

    chosen = task("pronounce")
    splits = chosen.splits()
    source_units, target_units = chosen.units(splits.train)
    chosen.scores(hypotheses, splits.test)        # {"phoneme_error_rate": 0.07, ...}

A task is any object with these four; the built-in ones are named in `TASKS`, and the path of a file
of pairs, or a data set's name, is a task too (`data.own`).
"""

from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Final, Protocol, runtime_checkable

from anyorder.data.copy_or_reverse import CopyOrReverse
from anyorder.data.modernise import Modernise
from anyorder.data.own import SUFFIXES, Fields, OwnPairs
from anyorder.data.pairs import Example, Splits
from anyorder.data.pronounce import Pronounce
from anyorder.data.sprites import Sprites
from anyorder.data.translate import Translate
from anyorder.units.text import TextUnits


@runtime_checkable
class Task(Protocol):
    """Pairs, units and scores under a name. Frozen dataclasses of options satisfy it."""

    @property
    def name(self) -> str:
        """What it is called in commands and results."""
        ...

    def splits(self) -> Splits:
        """The pairs; fetched and kept when they are first asked for.

        Raises OSError where they can't be fetched or read, ValueError where they are no pairs.
        """
        ...

    def units(self, train: Sequence[Example]) -> tuple[TextUnits, TextUnits]:
        """Units of sources and of targets, learned from training pairs alone."""
        ...

    def scores(self, hypotheses: Sequence[str], examples: Sequence[Example]) -> dict[str, float]:
        """Numbers that say how good the outputs are, one for each example in order."""
        ...


TASKS: Final[Mapping[str, Callable[[], Task]]] = {
    "pronounce": Pronounce,
    "translate": Translate,  # English to German
    "translate-en-de": lambda: Translate("de"),
    "translate-en-fr": lambda: Translate("fr"),
    "modernise": Modernise,
    "copy-or-reverse": CopyOrReverse,
    "sprites": Sprites,
}


def task(name: str, *, fields: Fields | None = None) -> Task:
    """The task of that name; or the pairs in a file or a folder; or a data set of that name.

    `fields` says what the columns of one's own pairs are called. Raises ValueError, with the
    nearest names, for what is none of these.

    >>> task("copy-or-reverse").name
    'copy-or-reverse'
    """
    if name in TASKS:
        if fields is not None:
            raise ValueError(f"{name} has its own fields; leave yours out, or name a file")
        return TASKS[name]()
    looks_like_file = name.endswith(SUFFIXES)
    if Path(name).exists() or ("/" in name and not looks_like_file):
        return OwnPairs(name, fields or Fields())
    if looks_like_file:
        raise ValueError(f"there is no file {name}; is the path right?")
    near = get_close_matches(name, TASKS, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else f"there is {', '.join(TASKS)}"
    raise ValueError(f"there is no task {name!r}; {hint}, or give the path of a file of pairs")
