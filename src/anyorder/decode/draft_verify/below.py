"""A draft below what a row has still to read: the cells of one call.

    asked = below(read, draft)
    model.extend(asked.tokens_BT, cache, tree=asked.tree, score_BS=asked.score_BS)

Shapes: B rows, T cells of the call, S scored cells (the root, and the draft below it).
"""

from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor

from anyorder.decode.draft_verify.draft import Draft
from anyorder.decode.reading import Pending
from anyorder.masks import Tree


@dataclass(frozen=True)
class Below:
    """What a call reads, and which of it is the draft: `drafted_BS[:, 0]` is the root."""

    tokens_BT: Int[Tensor, "B T"]
    tree: Tree | None
    score_BS: Int[Tensor, "B S"] | None
    drafted_BS: Int[Tensor, "B S"]
    parents_BS: Int[Tensor, "B S"]


def below(read: Pending, draft: Draft) -> Below:
    """The root is the last cell that each row has to read; most often the only one."""
    (B, T), K = read.tokens_BT.shape, draft.tokens_BK.shape[1]
    tokens_BT = torch.cat([read.tokens_BT, draft.tokens_BK], 1)
    below_BK = torch.where(draft.parents_BK == -2, -2, draft.parents_BK + 1)
    root_BS = torch.cat([torch.full((B, 1), -1), below_BK], 1)
    if T == 1:
        tree = Tree(root_BS, draft.probes)
        chain = tree.is_chain and not draft.probes
        return Below(tokens_BT, None if chain else tree, None, tokens_BT, root_BS)
    cells_T = torch.arange(T)
    above_BT = torch.where(cells_T < read.count_B[:, None], cells_T - 1, -2)
    hangs_BK = torch.where(draft.parents_BK == -1, read.last_B1, draft.parents_BK + T)
    hangs_BK = hangs_BK.where(draft.parents_BK > -2, -2)
    tree = Tree(torch.cat([above_BT, hangs_BK], 1), T + draft.probes)  # nothing is guessed here
    score_BS = torch.cat([read.last_B1, (T + torch.arange(K)).expand(B, K)], 1)
    return Below(tokens_BT, tree, score_BS, tokens_BT.gather(1, score_BS), root_BS)
