"""Who may see whom: one algebra of attention predicates, and the draft tree.

    mask = causal() & window(128) | prefix(8)
    mask.render(queries, keys)            # a boolean matrix for the CPU
    mask.flex()                           # a mask_mod for torch's FlexAttention
    tree = Tree(parents_BT)               # -1: child of what is already committed

Shapes: B rows, T drafted cells, Q queries, K keys.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Bool, Int
from torch import Tensor

Predicate = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Mask:
    """A predicate `sees(query_position, key_position)`, made of others by `&`, `|` and `~`."""

    sees: Predicate

    def __and__(self, other: "Mask") -> "Mask":
        return Mask(lambda q, k: self.sees(q, k) & other.sees(q, k))

    def __or__(self, other: "Mask") -> "Mask":
        return Mask(lambda q, k: self.sees(q, k) | other.sees(q, k))

    def __invert__(self) -> "Mask":
        return Mask(lambda q, k: ~self.sees(q, k))

    def render(self, queries: int, keys: int, *, offset: int = 0) -> Bool[Tensor, "Q K"]:
        """The mask of `queries` positions from `offset` on, against `keys` positions from 0.

        >>> causal().render(2, 3, offset=1).int().tolist()
        [[1, 1, 0], [1, 1, 1]]
        """
        q_Q1 = torch.arange(offset, offset + queries)[:, None]
        return self.sees(q_Q1, torch.arange(keys)[None]).expand(queries, keys)

    def flex(self) -> Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]:
        """The same predicate as a `mask_mod(batch, head, query, key)` for FlexAttention."""
        return lambda _batch, _head, q, k: self.sees(q, k)


def causal() -> Mask:
    """A cell sees itself and all before it."""
    return Mask(lambda q, k: k <= q)


def prefix(cells: int) -> Mask:
    """The first `cells` cells are seen by all."""
    return Mask(lambda q, k: (k < cells) | (q < 0))


def window(cells: int) -> Mask:
    """A cell sees the last `cells` cells, itself included; combine with `causal()`."""
    return Mask(lambda q, k: k > q - cells)


def blocks(cells: int) -> Mask:
    """A cell sees all cells of its own block of `cells`."""
    return Mask(lambda q, k: q // cells == k // cells)


def known_in_blocks(cells: int, block: int, *, first: int) -> Int[Tensor, " N"]:
    """How many cells a model that reads in blocks has read when each cell is: the first one, and
    then whole blocks, of which the first is cut short to `first` cells.

    In a block of one that is every cell up to the own one.

    >>> known_in_blocks(5, 2, first=1).tolist(), known_in_blocks(5, 3, first=3).tolist()
    ([1, 2, 2, 4, 4], [1, 1, 1, 4, 4])
    """
    assert 1 <= first <= block, "a block is cut short, not made longer"
    cells_N = torch.arange(cells)
    begin_N = (cells_N - first).div(block, rounding_mode="floor") * block + first
    return 1 + begin_N.clamp_min(0)


@dataclass(frozen=True)
class Tree:
    """Drafted cells that hang below the committed text; each names its parent.

    `parents_BT[b, t] < t`, and -1 makes a cell a child of the committed text. A chain is the tree
    in which every cell is the parent of the next. `probes`: the last so many cells of each row are
    no guesses, but read for what is said behind them. `mutual`: so many of the last cells see one
    another, too, where they are no padding: a block, read from both sides.
    """

    parents_BT: Int[Tensor, "B T"]
    probes: int = 0
    mutual: int = 0

    def __post_init__(self) -> None:
        T = self.parents_BT.shape[1]
        assert bool((self.parents_BT < torch.arange(T)).all()), "a parent comes before its child"
        assert 0 <= self.mutual <= T, f"a block of {self.mutual} of {T} cells"

    @staticmethod
    def chain(batch: int, cells: int) -> "Tree":
        return Tree((torch.arange(cells) - 1).expand(batch, cells))

    @property
    def is_chain(self) -> bool:
        return bool((self.parents_BT == torch.arange(self.parents_BT.shape[1]) - 1).all())

    @cached_property
    def sees_BTT(self) -> Bool[Tensor, "B T T"]:
        """Each cell sees itself and its ancestors; those of a block, each other.

        >>> Tree(torch.tensor([[-1, 0, 0]])).sees_BTT.int().tolist()
        [[[1, 0, 0], [1, 1, 0], [1, 0, 1]]]
        """
        if not self.mutual:
            return self._under_BTT
        T = self.parents_BT.shape[1]
        in_block_BT = (torch.arange(T) >= T - self.mutual) & (self.parents_BT > -2)
        return self._under_BTT | (in_block_BT[:, None] & in_block_BT[..., None])

    @cached_property
    def _under_BTT(self) -> Bool[Tensor, "B T T"]:
        B, T = self.parents_BT.shape
        up_BTT = self.parents_BT[..., None] == torch.arange(T)  # one step towards the root
        reach_BTT = (up_BTT | torch.eye(T, dtype=torch.bool)).float()
        for _ in range(max(1, (T - 1).bit_length())):  # squaring doubles how far it reaches
            reach_BTT = (reach_BTT @ reach_BTT).clamp_max(1.0)
        return reach_BTT > 0

    @cached_property
    def depth_BT(self) -> Int[Tensor, "B T"]:
        """Distance from the committed text: 0 for its children."""
        return self._under_BTT.sum(-1) - 1
