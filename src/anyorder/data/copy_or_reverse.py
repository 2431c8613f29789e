"""Copy or reverse: a made-up task in which every source has two right targets.

    task = CopyOrReverse(length=8, alphabet=8, pairs=20_000)

A model that writes all letters at once, each by itself, mixes the two: it shows what
"multimodality" means (Gu et al. 2018, arXiv:1711.02281), and which methods are free from it.
Training sees both targets of every row, so their odds are equal.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from string import ascii_lowercase

import numpy as np

from anyorder.data.pairs import Example, Splits, split
from anyorder.measure.quality import exact
from anyorder.units.text import TextUnits
from anyorder.units.training import letters


@dataclass(frozen=True)
class CopyOrReverse:
    """Rows of `length` letters out of `alphabet`, `pairs` of them, all different.

    The target is the row or its reverse. Raises ValueError for an alphabet beyond 26 letters, and
    where there are not so many rows.
    """

    length: int = 8
    alphabet: int = 8
    pairs: int = 20_000
    seed: int = 0

    def __post_init__(self) -> None:
        if not 2 <= self.alphabet <= len(ascii_lowercase):
            raise ValueError(f"an alphabet of {self.alphabet} letters; there can be 2 to 26")
        if self.length < 2:
            raise ValueError(f"rows of {self.length} letters; a reverse needs 2 or more")
        if not 3 <= self.pairs <= self.alphabet**self.length // 2:
            raise ValueError(
                f"{self.pairs} different rows of {self.length} out of {self.alphabet} letters; "
                f"there can be 3 to {self.alphabet**self.length // 2} (half of all)"
            )

    @property
    def name(self) -> str:
        """What it is called in commands and results."""
        return "copy-or-reverse"

    def splits(self) -> Splits:
        """The rows; a row and its reverse are in the same part."""
        rng = np.random.default_rng(self.seed)
        rows = dict[str, None]()  # a set that keeps its order
        while len(rows) < self.pairs:  # at most half of all rows: about two draws a row
            drawn = rng.integers(0, self.alphabet, (self.pairs, self.length))
            rows |= dict.fromkeys("".join(ascii_lowercase[i] for i in row) for row in drawn)
        examples = [_example(row) for row in list(rows)[: self.pairs]]
        return split(examples, valid=0.02, test=0.05)

    def units(self, train: Sequence[Example]) -> tuple[TextUnits, TextUnits]:
        """One token a letter on both sides."""
        made = letters([example.source for example in train])
        return made, made

    def scores(self, hypotheses: Sequence[str], examples: Sequence[Example]) -> dict[str, float]:
        """`exact`: outputs that are one of the two targets; `mixed`: each letter is right in one of
        them, but the whole is neither; `copied`: the share of copies among the exact ones.
        """
        targets = [example.targets for example in examples]
        right = exact(hypotheses, targets)
        mixed = copied = 0
        for written, example in zip(hypotheses, examples, strict=True):
            copied += written == example.source
            mixed += written not in example.targets and _is_mixed(written, example)
        count = len(examples)
        share = copied / (right * count) if right else 0.0
        return {"exact": right, "mixed": mixed / count, "copied": share}


def _example(row: str) -> Example:
    targets = tuple(dict.fromkeys((row, row[::-1])))  # a palindrome has one
    return Example(row, targets, min(targets))


def _is_mixed(written: str, example: Example) -> bool:
    """Whether every letter stands there in some target."""
    allowed = list(zip(*example.targets, strict=True))
    return len(written) == len(allowed) and all(
        letter in cell for letter, cell in zip(written, allowed, strict=True)
    )
