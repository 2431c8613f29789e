"""What a call of a network with memory of its own is asked: does it fit, and which cells answer?

    check(cache, net.cache_kind, tokens_BT, tree)
    order = scored(score_BS, B, T)                # [0, 5]: the first cell, and the last of row two

Shapes: B rows, T new cells of a row, S scored cells.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from anyorder.masks import Tree
from anyorder.nets.cache import Memory


def check(
    cache: Memory,
    like: tuple[int, int, int, torch.dtype],
    tokens_BT: Tensor,
    tree: Tree | None,
    *,
    whole: bool = False,
) -> None:
    """ValueError for what does not fit: compiled code would read and write beyond its memory.

    `like`: layers, key heads, head width and dtype of the network's own caches. `whole`: a call is
    never cut into parts, so that a cell may see some that come after it.
    """
    memory, (B, T) = cache.memory_L2BHRD, tokens_BT.shape
    layers, _, batch, heads, _, width = memory.shape
    if (layers, heads, width, memory.dtype) != like:
        raise ValueError("the cache was made for another network; take one of `new_cache`")
    if batch != B:
        raise ValueError(f"there are {B} rows of tokens for a cache of {batch} rows")
    if tree is not None:
        rows, cells = tree.parents_BT.shape
        if cells != T or rows not in (1, B):
            raise ValueError(f"a tree of {rows} x {cells} cells does not fit {B} x {T} tokens")
        if tree.mutual and not whole:
            raise ValueError("this network reads from the left alone, not a block from both sides")
    assert memory.stride()[-2:] == (width, 1), "a head's cells lie one after the other"


def scored(score_BS: Tensor | None, B: int, T: int) -> Sequence[int]:
    """The cells to be scored, counted through the rows; ValueError for one that is not there.

    >>> scored(torch.tensor([[0], [-1]]), 2, 3)
    [0, 5]
    """
    if score_BS is None:
        return range(B * T)
    rows = score_BS.tolist()
    if len(rows) != B or any(not -T <= cell < T for row in rows for cell in row):
        raise ValueError(f"scores of {B} rows of {T} cells are wanted where there are none")
    return [row * T + cell % T for row, cells in enumerate(rows) for cell in cells]


def as_wanted(logits_SV: Tensor, order: Sequence[int]) -> Tensor:
    """Rows that came in this order, as they were asked for: row `order[i]` is the i-th that came.

    >>> as_wanted(torch.tensor([[5], [7]]), [1, 0]).tolist()
    [[7], [5]]
    """
    if order == list(range(len(order))):
        return logits_SV
    where_S = torch.tensor(order, device=logits_SV.device)
    return torch.empty_like(logits_SV).index_copy_(0, where_S, logits_SV)
