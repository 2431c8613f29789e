"""A decoder's cache together with the source that it writes about: rows are chosen alike.

    cache = SourceCache(own, sources)             # keys and values of the text, and of the source
    cache.select(rows_R)

Where every row keeps its source, as beams of a source do that go on from one another, the source's
keys and values are shared, not copied.

Shapes: B rows, R chosen rows, P cells of a path.
"""

from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar, runtime_checkable

from jaxtyping import Int
from torch import Tensor

from anyorder.nets.cache import KeyValues
from anyorder.nets.layers import KeysValues

Source = tuple[KeysValues, Tensor]  # of one layer: keys, values, and who sees them


@runtime_checkable
class Own(Protocol):
    """The cache of a text alone."""

    @property
    def length_B(self) -> Int[Tensor, " B"]: ...
    @property
    def room(self) -> int: ...
    def keep(self, path_BP: Int[Tensor, "B P"], count_B: Int[Tensor, " B"]) -> None: ...
    def trim(self, length_B: Int[Tensor, " B"]) -> None: ...


OwnCache = TypeVar("OwnCache", bound=Own)


@dataclass
class BesideSource(Generic[OwnCache]):
    """What a cache with a source leaves to the text's `own`; how rows are chosen, each says."""

    own: OwnCache

    @property
    def length_B(self) -> Int[Tensor, " B"]:
        return self.own.length_B

    @property
    def room(self) -> int:
        return self.own.room

    def keep(self, path_BP: Int[Tensor, "B P"], count_B: Int[Tensor, " B"]) -> None:
        self.own.keep(path_BP, count_B)

    def trim(self, length_B: Int[Tensor, " B"]) -> None:
        self.own.trim(length_B)


@dataclass
class SourceCache(BesideSource[KeyValues]):
    """Satisfies `anyorder.models.capability.Cache`."""

    sources: list[Source]
    origin: tuple[int, ...] | None = None  # the source of each row; None: its own

    @property
    def origins(self) -> tuple[int, ...]:
        """The source of each row, counted in the rows at first."""
        return tuple(range(len(self.own.lengths))) if self.origin is None else self.origin

    def select(self, rows_R: Int[Tensor, " R"]) -> "SourceCache":
        origin = tuple(self.origins[row] for row in rows_R.tolist())
        sources = self.sources
        if origin != self.origins:
            sources = [
                ((keys[rows_R], values[rows_R]), sees[rows_R])
                for (keys, values), sees in self.sources
            ]
        return SourceCache(self.own.select(rows_R), sources, origin)
