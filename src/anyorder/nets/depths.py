"""How many layers a cell runs through, by the place where it stands: fewer and fewer.

    depths = Depths.falling(layers=6, most=5, least=3, until=20)
    depths.at(0), depths.at(10), depths.at(99)    # 5, 4, 3
    depths.layers_at(10)                          # 0, 3, 4, 5: the first one, and those on top

A cell runs through the first `warmup` layers and, to have its number, through the top ones; those
between are left out. No cell has more layers than the one before it. So whatever layer a cell runs
through, all cells before it have run through it, too: their keys and values are there, and nothing
is ever computed again.
Source: Del Corro et al. 2023 (arXiv:2307.02628): one number a place for all rows, which never
rises; lower and middle layers are left out, after a warm-up. That it falls in a line, and that the
warm-up is one layer, is from others' accounts of the paper.
Shapes: any number of cells.
"""

from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Bool, Int
from torch import Tensor


@dataclass(frozen=True)
class Depths:
    """`each`: layers at place 0, 1, ...; the last number holds for all places beyond.

    Raises ValueError for numbers that rise, and those that `layers` and `warmup` don't allow.
    """

    layers: int
    each: tuple[int, ...]
    warmup: int = 1

    def __post_init__(self) -> None:
        if not self.each or any(a < b for a, b in zip(self.each, self.each[1:], strict=False)):
            raise ValueError(
                f"no cell may have more layers than the one before it: {self.each}; it would miss "
                "keys and values that were never computed"
            )
        if not 0 <= self.warmup <= self.each[-1] or not 1 <= self.each[-1]:
            raise ValueError(
                f"every cell has 1 layer or more, the {self.warmup} first ones among them: "
                f"{self.each}"
            )
        if self.each[0] > self.layers:
            raise ValueError(f"there are {self.layers} layers, and a cell has {self.each[0]}")

    @staticmethod
    def falling(*, layers: int, most: int, least: int, until: int, warmup: int = 1) -> "Depths":
        """In a line from `most` at place 0 to `least` at place `until` and beyond, rounded.

        >>> Depths.falling(layers=6, most=3, least=1, until=4).each
        (3, 3, 2, 2, 1)
        """
        if until < 1:
            raise ValueError(f"it takes 1 place or more until the least, not {until}")
        lost = ((2 * (most - least) * n + until - 1) // (2 * until) for n in range(until + 1))
        return Depths(layers, tuple(most - n for n in lost), warmup)

    def at(self, place: int) -> int:
        """The layers of a cell."""
        return self.each[min(place, len(self.each) - 1)]

    def layers_at(self, place: int) -> list[int]:
        """Which these are, from below."""
        return [n for n in range(self.layers) if self.least_depth(n) <= self.at(place)]

    def least_depth(self, layer: int) -> int:
        """How many layers a cell has at least that runs through this one."""
        return 0 if layer < self.warmup else self.warmup + self.layers - layer

    def places(self, layer: int) -> int | None:
        """How many places, from 0 on, run through a layer; None: all."""
        least = self.least_depth(layer)
        count = sum(depth >= least for depth in self.each)
        return None if count == len(self.each) else count

    def runs(self, place_BT: Int[Tensor, "B T"]) -> list[bool | Bool[Tensor, "B T"]]:
        """For each layer whether the cells at these places run through it: all, none, or which."""
        depth_BT = self._each_R[place_BT.clamp_max(len(self.each) - 1)]
        low, high = (int(depth) for depth in depth_BT.aminmax())
        needs = map(self.least_depth, range(self.layers))
        return [
            True if least <= low else False if least > high else depth_BT >= least
            for least in needs
        ]

    @cached_property
    def _each_R(self) -> Tensor:
        return torch.tensor(self.each, device="cpu")
