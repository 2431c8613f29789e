"""Sprites: small grey images, cell by cell, of which very many are as good as each other.

    task = Sprites(size=8, levels=16, pairs=8000)

The source says what is to be seen, a letter each: a shape (disc, square, cross), its place, its
size, how bright it is, and how bright the ground. The target is the image, row by row, a letter for
each level of grey; every cell has noise of its own. So a level beside the right one is nearly as
likely, as it is with the tokens of images, and no cell says how another one fell. Made here: no
image of anybody's.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from string import ascii_lowercase

import numpy as np

from anyorder.data.pairs import Example, Splits, split
from anyorder.units.text import TextUnits
from anyorder.units.training import letters

_SHAPES = "dsc"
_SIZES = 3
_GROUNDS = 4


@dataclass(frozen=True)
class Sprites:
    """`pairs` images of `size` times `size` cells in `levels` of grey, with noise of `noise` levels
    (standard deviation). Raises ValueError for what there can't be.
    """

    size: int = 8
    levels: int = 16
    noise: float = 1.0
    pairs: int = 8000
    seed: int = 0

    def __post_init__(self) -> None:
        if not 4 <= self.size <= len(ascii_lowercase):
            raise ValueError(f"images of {self.size} cells a side; there can be 4 to 26")
        if not _GROUNDS < self.levels <= len(ascii_lowercase):
            raise ValueError(f"{self.levels} levels of grey; there can be 5 to 26")
        if not 3 <= self.pairs <= len(self._sources()):
            raise ValueError(f"{self.pairs} pairs; there can be 3 to {len(self._sources())}")

    @property
    def name(self) -> str:
        """What it is called in commands and results."""
        return "sprites"

    def splits(self) -> Splits:
        """Every source once."""
        rng = np.random.default_rng(self.seed)
        sources = self._sources()
        chosen = [sources[i] for i in rng.permutation(len(sources))[: self.pairs]]
        examples = []
        for source in chosen:
            noisy = self.image(source) + self.noise * rng.standard_normal((self.size, self.size))
            cells = noisy.round().clip(0, self.levels - 1).astype(int).flatten()
            examples.append(Example(source, ("".join(ascii_lowercase[i] for i in cells),), source))
        return split(examples, valid=0.02, test=0.05)

    def image(self, source: str) -> np.ndarray:
        """What a source says, without noise: levels, by row and column."""
        row, column, radius, light, ground = (ascii_lowercase.index(each) for each in source[1:])
        y, x = np.mgrid[: self.size, : self.size]
        down, right, radius = abs(y - row), abs(x - column), radius + 1
        inside = {
            "d": down**2 + right**2 <= radius**2,
            "s": np.maximum(down, right) <= radius,
            "c": (np.minimum(down, right) == 0) & (np.maximum(down, right) <= radius),
        }[source[0]]
        return np.where(inside, light, ground)

    def units(self, train: Sequence[Example]) -> tuple[TextUnits, TextUnits]:
        """One token a letter on both sides."""
        source = letters([example.source for example in train])
        return source, letters([ascii_lowercase[: self.levels]])

    def scores(self, hypotheses: Sequence[str], examples: Sequence[Example]) -> dict[str, float]:
        """`error`: levels between what was written and the image without noise, the root of the
        mean square over all cells (a cell that is missing, or too many, counts as all levels);
        `whole`: the share of images that have all their cells and no other.
        """
        squares, whole = 0.0, 0
        for written, example in zip(hypotheses, examples, strict=True):
            wanted = self.image(example.source).flatten()
            cells = [ascii_lowercase.index(each) for each in written[: len(wanted)]]
            apart = np.array(cells, dtype=float) - wanted[: len(cells)]
            beyond = abs(len(written) - len(wanted))
            squares += (float(np.square(apart).sum()) + beyond * self.levels**2) / len(wanted)
            whole += len(written) == len(wanted)
        count = len(examples)
        return {"error": (squares / count) ** 0.5, "whole": whole / count}

    def _sources(self) -> list[str]:
        place, lights = ascii_lowercase[: self.size], range(_GROUNDS, self.levels)
        parts = (_SHAPES, place, place, ascii_lowercase[:_SIZES])
        bright = [
            "".join(ascii_lowercase[i] for i in each) for each in product(lights, range(_GROUNDS))
        ]
        return ["".join(each) for each in product(*parts, bright)]
