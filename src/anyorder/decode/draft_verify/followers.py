"""What the model nearly said after each token: the adjacency matrix of token recycling.

    followers = Followers(ranks=8)
    followers.learn(seen)                       # every cell that was read renews a row
    draft = followers.filled(shape, roots)      # a tree of followers of followers

Only rows that were seen are kept: a dictionary serves a few cells faster than operations on arrays.
Source: Luo et al. 2024 (arXiv:2408.08696), section 3.
Shapes: B rows, S scored cells, K drafted cells, X cells, V vocabulary, R ranks.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from anyorder.decode.draft_verify.loop import Draft, Seen
from anyorder.decode.draft_verify.tree_shape import TreeShape


class Followers:
    """For each token that was read, the `ranks` tokens likeliest after it when it was read last."""

    def __init__(self, *, ranks: int) -> None:
        self.ranks = ranks
        self.after: dict[int, list[int]] = {}

    def learn(self, seen: Seen) -> None:
        """Cells that are no padding renew the rows of their tokens, right guesses and wrong."""
        ranked = likeliest(seen.logits_BSV.flatten(0, 1), self.ranks).tolist()
        real = seen.real_BS.flatten().tolist()
        for token, is_real, after in zip(
            seen.tokens_BS.flatten().tolist(), real, ranked, strict=True
        ):
            if is_real:
                self.after[token] = after

    def filled(self, shape: TreeShape, roots: Sequence[int]) -> Draft | None:
        """The tree below each root, each cell the follower of its parent; unknown: no guess.

        None where no root is known.
        """
        if not any(root in self.after for root in roots):
            return None
        rows = [self._row(shape, root) for root in roots]
        tokens_BK = torch.tensor([[max(token, 0) for token in row] for row in rows])
        parents_BK = torch.tensor(
            [[p if t >= 0 else -2 for t, p in zip(row, shape.parents, strict=True)] for row in rows]
        )
        return Draft(tokens_BK, parents_BK)

    def _row(self, shape: TreeShape, root: int) -> list[int]:
        """The tokens of one row's tree; -1: none."""
        row: list[int] = []
        for parent, rank in zip(shape.parents, shape.ranks, strict=True):
            after = self.after.get(root if parent < 0 else row[parent])
            row.append(-1 if after is None else after[rank])
        return row


def likeliest(logits_XV: Float[Tensor, "X V"], ranks: int) -> Int[Tensor, "X R"]:
    """The `ranks` likeliest tokens, best first. Large vocabularies are searched block by block.

    The r likeliest tokens stand in the r blocks with the highest maxima.
    """
    X, V = logits_XV.shape
    width = 256
    if width * ranks * 2 > V or V % width:
        return logits_XV.topk(ranks, -1).indices
    blocks_XMW = logits_XV.view(X, -1, width)
    block_XR = blocks_XMW.amax(-1).topk(ranks, -1).indices
    inside_XRW = blocks_XMW.gather(1, block_XR[..., None].expand(-1, -1, width))
    best_XR = inside_XRW.flatten(1).topk(ranks, -1).indices
    return block_XR.gather(1, best_XR // width) * width + best_XR % width
