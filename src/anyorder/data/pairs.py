"""Pairs of texts, and how they are shared out for training and for tests.

    splits = split(examples, valid=0.02, test=0.1)

Where a group goes follows from its name alone, so it stays there when pairs are added, and what is
near to a test pair is never trained on. Knows nothing of tokens or files.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Example:
    """A source, its targets (any of them is right), and the group that must stay together.

    Raises ValueError where there is no target.
    """

    source: str
    targets: tuple[str, ...]
    group: str

    def __post_init__(self) -> None:
        if not self.targets:
            raise ValueError(f"the source {self.source!r} has no target")


@dataclass(frozen=True)
class Splits:
    """Three parts without a common group."""

    train: tuple[Example, ...]
    valid: tuple[Example, ...]
    test: tuple[Example, ...]


def split(examples: Sequence[Example], *, valid: float, test: float) -> Splits:
    """Share out whole groups: about a part `valid` and a part `test` of them, the rest to train.

    A group goes by u = `place(name)`: to test if u < test, to valid if u < test + valid.
    Each part that is asked for gets one group at least, and so does training. Training pairs keep
    their order; those that are held out are shuffled by name, so that the first hundred of them are
    drawn from all. Raises ValueError for parts that leave nothing to train on, and for too few
    groups.

    >>> pairs = [Example(str(i), ("x",), str(i)) for i in range(1000)]
    >>> parts = split(pairs, valid=0.1, test=0.2)
    >>> len(parts.train), len(parts.valid), len(parts.test)
    (676, 112, 212)
    """
    if valid < 0 or test < 0 or valid + test >= 1:
        raise ValueError(f"parts of {valid} and {test} leave nothing to train on")
    places = {group: place(group) for group in {example.group for example in examples}}
    order = sorted(places, key=lambda group: (places[group], group))
    needed = 1 + (valid > 0) + (test > 0)
    if len(order) < needed:
        raise ValueError(
            f"{len(order)} groups are too few to share out: there must be {needed} or more, "
            "and better hundreds"
        )
    # each part that is wanted gets one at least, and so does training
    tests = sum(u < test for u in places.values())
    tests = min(max(tests, test > 0), len(order) - 1 - (valid > 0))
    valids = sum(test <= u < test + valid for u in places.values())
    valids = min(max(valids, valid > 0), len(order) - 1 - tests)
    rank = {group: i for i, group in enumerate(order)}
    return Splits(
        train=tuple(e for e in examples if rank[e.group] >= tests + valids),
        valid=_shuffled(e for e in examples if tests <= rank[e.group] < tests + valids),
        test=_shuffled(e for e in examples if rank[e.group] < tests),
    )


def _shuffled(examples: Iterable[Example]) -> tuple[Example, ...]:
    """In an order that follows from each pair alone."""
    return tuple(sorted(examples, key=lambda e: place(f"{e.group}\n{e.source}")))


def place(group: str) -> float:
    """A number in [0, 1) that follows from the name: 48 bits of its SHA-256, read as a fraction."""
    digest = hashlib.sha256(group.encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:6], "big") / 2**48  # exact in float64
