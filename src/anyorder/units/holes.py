"""A text with holes: `___` is one, and `___:12` one of twelve tokens.

    cut("The ___ sat on ___:3.")          # ["The ", 6, " sat on ", 3, "."]
    pieces(units, "The ___ sat")          # token ids, and the sizes of holes between them

A colon behind the number ends it, and is no text: `___:2:30` is a hole of two tokens, and 30.
Knows nothing of models.
"""

import re
from collections.abc import Sequence
from typing import Final

from anyorder.units.between import within
from anyorder.units.text import TextUnits

HOLE: Final = 6  # tokens of a hole that does not say how many
_HOLE: Final = re.compile(r"_{3,}(?::(\d+):?)?")


def cut(text: str) -> list[str | int]:
    """The parts of a text, and the sizes of its holes where they stand.

    Raises ValueError for a hole of no token.

    >>> cut("___:2 sat ___"), cut("___:2:30")
    ([2, ' sat ', 6], [2, '30'])
    """
    parts, done = list[str | int](), 0
    for hole in _HOLE.finditer(text):
        parts.append(text[done : hole.start()])
        parts.append(HOLE if hole[1] is None else int(hole[1]))
        done = hole.end()
    if 0 in parts:
        raise ValueError("a hole of 0 tokens is none: leave it out, or write ___:1")
    return [part for part in [*parts, text[done:]] if part != ""]


def has_holes(text: str) -> bool:
    """Whether there is a hole in it.

    >>> has_holes("The ___ sat."), has_holes("The cat sat.")
    (True, False)
    """
    return _HOLE.search(text) is not None


def pieces(units: TextUnits, text: str) -> Sequence[list[int] | int]:
    """The tokens of a text's parts, each as it stands behind another text but the first, and the
    sizes of its holes. A space before a hole belongs to what fills it, if tokens begin with spaces.
    """
    cuts = cut(text)
    names = units.tokenizer.get_vocab()
    strips = any(name.startswith(" ") and name.strip() for name in names)
    found: list[list[int] | int] = []
    for at, part in enumerate(cuts):
        if isinstance(part, int):
            found.append(part)
            continue
        before_hole = at + 1 < len(cuts)
        shown = part.removesuffix(" ") if strips and before_hole else part
        found.append(within(units, shown) if at else units.plain(shown))
    return [part for part in found if part]
