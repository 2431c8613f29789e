"""A block of cells that see one another, read below what a model has still to read left to right.

    last_BV, block_BKV = read_block(model, cache, pending(canvas, cache), tokens_BK, inside_BK)

Shapes: B rows, P cells read left to right, K cells of a block, V vocabulary, S scored cells.
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from anyorder.decode.reading import Pending
from anyorder.masks import Tree
from anyorder.models.capability import Cache
from anyorder.models.further import SetBlockLM


def read_block(
    model: SetBlockLM,
    cache: Cache,
    read: Pending,
    tokens_BK: Int[Tensor, "B K"],
    inside_BK: Bool[Tensor, "B K"],
    *,
    last: bool = True,
) -> tuple[Float[Tensor, "B V"] | None, Float[Tensor, "B K V"]]:
    """What is said behind the last token, None where none was left to be read or `last` is not
    asked for, and of each of a block's cells; those that are not inside are padding. What was read
    from the left is kept.
    """
    B, K = tokens_BK.shape
    P = int(read.count_B.max())
    cells_P, cells_K = torch.arange(P), torch.arange(K)
    chain_BP = torch.where(cells_P < read.count_B[:, None], cells_P - 1, -2)
    block_BK = torch.where(cells_K == 0, read.count_B[:, None] - 1, P + cells_K - 1)
    block_BK = block_BK.where(inside_BK, -2)
    tree = Tree(torch.cat([chain_BP, block_BK], 1), probes=P + K, mutual=K)
    tokens_BT = torch.cat([read.tokens_BT[:, :P], tokens_BK], 1)
    last_B1 = read.last_B1[:, : int(last and P > 0)]
    score_BS = torch.cat([last_B1, (P + cells_K).expand(B, K)], 1)
    logits_BSV = model.extend(tokens_BT, cache, tree=tree, score_BS=score_BS)
    cache.keep(cells_P.expand(B, P), read.count_B)
    return (logits_BSV[:, 0] if last_B1.shape[1] else None), logits_BSV[:, -K:]
