"""Token recycling: what the model nearly said after a token is the draft for its next time.

    TokenRecycling(size=16)

A matrix keeps, for every token of the vocabulary, the k tokens that the model last held likeliest
after it. The draft is a fixed tree that is filled from the matrix, level by level; every cell
that the model reads, right or wrong, renews a row of the matrix.
Source: Luo et al. 2024 (arXiv:2408.08696), section 3.
Shapes: B rows, S scored cells, K drafted cells, V vocabulary, R ranks.
"""

from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float, Int
from torch import Tensor

from anyorder.canvas import Canvas
from anyorder.decode.draft_verify.loop import Draft, DraftVerify, Seen
from anyorder.decode.draft_verify.tree_shape import TreeShape, best_first
from anyorder.decode.sampling import Sampler
from anyorder.models.capability import CausalLM

RANK_ODDS = (0.45, 0.13, 0.07, 0.05, 0.035, 0.025, 0.02, 0.015)


@final
@dataclass(frozen=True)
class TokenRecycling(DraftVerify):
    """Drafts a tree of `size` cells from the `ranks` likeliest followers of each token.

    `rank_odds` (how often the guess of each rank is right) gives the tree its shape. The prompt's
    own logits fill the matrix first, unless `warm` is off.
    """

    size: int = 16
    rank_odds: tuple[float, ...] = RANK_ODDS
    warm: bool = True

    def __post_init__(self) -> None:
        falls = all(a >= b > 0 for a, b in zip(self.rank_odds, self.rank_odds[1:], strict=False))
        if self.size < 1 or not self.rank_odds or not falls or self.rank_odds[0] >= 1:
            raise ValueError("token recycling needs a size of at least 1 and falling rank odds < 1")

    @property
    def most_drafted(self) -> int:
        return self.size

    @property
    def reads_prompt(self) -> bool:
        return self.warm

    def begin(self, model: CausalLM, canvas: Canvas, sampler: Sampler) -> Int[Tensor, "V R"]:
        ranks = min(len(self.rank_odds), model.vocab_size)
        return torch.full((model.vocab_size, ranks), -1, dtype=torch.int32)

    def draft(self, memory: Int[Tensor, "V R"], canvas: Canvas, sampler: Sampler) -> Draft | None:
        last_B1 = (canvas.frontier_B - 1).clamp_min(0)[:, None]
        root_B = canvas.tokens_BN.gather(1, last_B1)[:, 0]
        shape = best_first(self.size, self.rank_odds[: memory.shape[1]])
        return filled(shape, memory, root_B)

    def observe(self, memory: Int[Tensor, "V R"], seen: Seen) -> Int[Tensor, "V R"]:
        real = seen.real_BS.reshape(-1)
        tokens = seen.tokens_BS.reshape(-1)[real]
        ranked = likeliest(seen.logits_BSV.flatten(0, 1), memory.shape[1]).cpu()[real]
        memory[tokens] = ranked.int()  # in place, like a cache: the matrix is the run's own
        return memory


def filled(shape: TreeShape, memory: Int[Tensor, "V R"], root_B: Int[Tensor, " B"]) -> Draft | None:
    """The tree below `root_B`, each cell the follower of its parent; unknown ones are no guess."""
    if bool((memory[root_B, 0] < 0).all()):
        return None
    B, K = len(root_B), len(shape.parents)
    tokens_BK = torch.full((B, K + 1), -1)  # the root stands last, at index -1
    tokens_BK[:, -1] = root_B
    for level in shape.levels:
        parents, ranks = list(shape.parents[level]), list(shape.ranks[level])
        above = tokens_BK[:, parents]
        followers = memory[above.clamp_min(0), torch.tensor(ranks)].long()
        tokens_BK[:, level] = torch.where(above >= 0, followers, -1)
    tokens_BK = tokens_BK[:, :K]
    parents_BK = torch.where(tokens_BK >= 0, torch.tensor(shape.parents), -2)
    return Draft(tokens_BK.clamp_min(0), parents_BK)


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
