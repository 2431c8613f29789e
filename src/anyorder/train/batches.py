"""Batches of pairs of like length: little padding, another order in every epoch.

    for batch in epoch(rows, cells=4096, seed=1, number=0): ...

Which batches an epoch has, and in which order, follows from the seed and its number alone, so that
a run goes on where it was. Shapes: see `Batch`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from anyorder.models.sources import padded
from anyorder.objectives.batch import Batch

Ids = Sequence[int]


@dataclass(frozen=True)
class Rows:
    """Pairs as token ids; where they are known, the fertilities of the sources, and the places in
    the source that target tokens come from (-1: none).

    Raises ValueError where there are no pairs, or a side of one is empty.
    """

    sources: tuple[Ids, ...]
    targets: tuple[Ids, ...]
    fertilities: tuple[Ids, ...] | None = None
    origins: tuple[Ids, ...] | None = None

    def __post_init__(self) -> None:
        assert len(self.sources) == len(self.targets), "pairs have two sides"
        if not self.sources or not all(self.sources) or not all(self.targets):
            raise ValueError("there are no pairs to learn from, or one of them is empty")

    def batch(self, chosen: Sequence[int]) -> Batch:
        """Some pairs as one block."""
        source_BS, source_B = padded([self.sources[i] for i in chosen])
        target_BN, target_B = padded([self.targets[i] for i in chosen])
        fertility_BS, origin_BN = (
            None if found is None else padded([found[i] for i in chosen])[0]
            for found in (self.fertilities, self.origins)
        )
        return Batch(source_BS, source_B, target_BN, target_B, fertility_BS, origin_BN)


def plan(rows: Rows, *, cells: int, seed: int, number: int) -> list[list[int]]:
    """The batches of epoch `number`, as indices of pairs: each pair once.

    A batch has at most `cells` cells on either side, padding included (a longer pair stands alone).
    """
    rng = np.random.default_rng([seed, number])
    longest = np.array(
        [max(len(s), len(t)) for s, t in zip(rows.sources, rows.targets, strict=True)]
    )
    order = np.argsort(longest + rng.uniform(0, 1.5, len(longest)))  # neighbours differ
    batches: list[list[int]] = []
    widest = 0
    for i in order.tolist():
        widest = max(widest, int(longest[i]))
        if not batches or (len(batches[-1]) + 1) * widest > cells:
            batches.append([])
            widest = int(longest[i])
        batches[-1].append(i)
    return [batches[i] for i in rng.permutation(len(batches))]


def epoch(rows: Rows, *, cells: int, seed: int, number: int, begin: int = 0) -> Iterator[Batch]:
    """The batches of epoch `number`, from the `begin`-th on."""
    for chosen in plan(rows, cells=cells, seed=seed, number=number)[begin:]:
        yield rows.batch(chosen)
