"""What the model nearly said after each token: the adjacency matrix of token recycling.

    followers = Followers(vocab_size=49_152, ranks=8)
    followers.learn(seen)                       # every cell that was read renews a row
    draft = followers.filled(shape, roots)      # a tree of followers of followers

The matrix is an array of numpy, whose single numbers are read faster than those of a tensor. Rows
are ranked when they are asked for: where nothing is drafted, most never are.
Source: Luo et al. 2024 (arXiv:2408.08696), section 3.
Shapes: B rows, S scored cells, K drafted cells, X cells, V vocabulary, R ranks.
"""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from anyorder.decode.draft_verify.draft import Draft, Seen
from anyorder.decode.draft_verify.tree_shape import TreeShape

WAITING = 64  # cells whose logits are held at the most, until they are ranked


class Followers:
    """For each token that was read, the `ranks` tokens likeliest after it when it was read last."""

    def __init__(self, *, vocab_size: int, ranks: int) -> None:
        self.matrix_VR = np.full((vocab_size, min(ranks, vocab_size)), -1, np.int32)
        self._unranked: dict[int, Float[Tensor, " V"]] = {}  # the logits after tokens read of late

    @property
    def ranks(self) -> int:
        return self.matrix_VR.shape[1]

    def rank_of(self, follower: int, token: int) -> int:
        """Which place it has among what follows a token, from 0; -1: none of them.

        To count what is likelier is quicker than to rank all.
        """
        logits_V = self._unranked.get(token)
        if logits_V is not None:
            likelier = int(torch.count_nonzero(logits_V > logits_V[follower]))
            return likelier if likelier < self.ranks else -1
        row = self.matrix_VR[token].tolist()
        return row.index(follower) if follower in row else -1

    def knows(self, token: int) -> bool:
        """Whether the token was read; -1 stands for none."""
        return token in self._unranked or (token >= 0 and bool(self.matrix_VR[token, 0] >= 0))

    def learn(self, seen: Seen) -> None:
        """Cells that are no padding renew the rows of their tokens, right guesses and wrong."""
        cells = zip(seen.tokens_BS.flatten().tolist(), seen.real_BS.flatten().tolist(), strict=True)
        for (token, real), logits_V in zip(cells, seen.logits_BSV.flatten(0, 1), strict=True):
            if real:
                self._unranked[token] = logits_V
        if len(self._unranked) > WAITING:
            self._rank(list(self._unranked))

    def _rank(self, tokens: list[int]) -> None:
        """Put the followers of tokens that wait into the matrix."""
        logits_XV = torch.stack([self._unranked.pop(token) for token in tokens])
        self.matrix_VR[tokens] = likeliest(logits_XV, self.ranks).cpu().numpy()

    def filled(self, shape: TreeShape, roots: Sequence[int]) -> Draft | None:
        """The tree below each root, each cell the follower of its parent; unknown: no guess.

        A root of -1 is that of a row that has ended. None where no root is known.
        """
        if not any(map(self.knows, roots)):
            return None
        if self._unranked:
            self._rank(list(self._unranked))
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
            above = root if parent < 0 else row[parent]
            row.append(int(self.matrix_VR[above, rank]) if above >= 0 else -1)
        return row


def likeliest(logits_XV: Float[Tensor, "X V"], ranks: int) -> Int[Tensor, "X R"]:
    """The `ranks` likeliest tokens, best first. Large vocabularies are searched block by block.

    The r likeliest tokens stand in the r blocks with the highest maxima, or behind the last block.
    """
    X, V = logits_XV.shape
    width = 256
    if width * ranks * 2 > V:
        return logits_XV.topk(ranks, -1).indices
    whole = V // width * width
    blocks_XMW = logits_XV[:, :whole].unflatten(-1, (-1, width))
    block_XR = blocks_XMW.amax(-1).topk(ranks, -1).indices
    inside_XRW = blocks_XMW.gather(1, block_XR[..., None].expand(-1, -1, width))
    tokens_XRW = block_XR[..., None] * width + torch.arange(width, device=logits_XV.device)
    values_XC, tokens_XC = inside_XRW.flatten(1), tokens_XRW.flatten(1)
    if whole < V:
        rest = torch.arange(whole, V, device=logits_XV.device).expand(X, -1)
        values_XC = torch.cat([values_XC, logits_XV[:, whole:]], 1)
        tokens_XC = torch.cat([tokens_XC, rest], 1)
    return tokens_XC.gather(1, values_XC.topk(ranks, -1).indices)
