"""Token recycling: what the model nearly said after a token is the draft for its next time.

    TokenRecycling(size=16)

A matrix keeps, for every token of the vocabulary, the k tokens that the model last held likeliest
after it. The draft is a fixed tree that is filled from the matrix, level by level; every cell
that the model reads, right or wrong, renews a row of the matrix.
Source: Luo et al. 2024 (arXiv:2408.08696), section 3.
The matrix itself is in `followers`.
"""

from dataclasses import dataclass
from typing import ClassVar, final

from anyorder.canvas import Canvas
from anyorder.decode.draft_verify.draft import Draft, Seen
from anyorder.decode.draft_verify.from_text.followers import Followers
from anyorder.decode.draft_verify.loop import DraftVerify
from anyorder.decode.draft_verify.tree_shape import best_first
from anyorder.decode.reading import roots
from anyorder.decode.sampling import Sampler
from anyorder.models.capability import CausalLM

# As measured (`anyorder reproduce token-recycling`), for SmolLM2 and prompts of six kinds.
RANK_ODDS = (0.33, 0.13, 0.056, 0.037, 0.025, 0.024, 0.011, 0.009)


@final
@dataclass(frozen=True)
class TokenRecycling(DraftVerify):
    """Drafts a tree of `size` cells from the likeliest followers of each token.

    `rank_odds` (how often the guess of each rank is right) gives the tree its shape. The prompt's
    own logits fill the matrix first, unless `warm` is off.
    """

    size: int = 16
    rank_odds: tuple[float, ...] = RANK_ODDS
    warm: bool = True
    of_the_row: ClassVar[bool] = False  # rows share the matrix

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

    def begin(self, model: CausalLM, canvas: Canvas, sampler: Sampler) -> Followers:
        return Followers(vocab_size=model.vocab_size, ranks=len(self.rank_odds))

    def draft(self, memory: Followers, canvas: Canvas, sampler: Sampler) -> Draft | None:
        shape = best_first(self.size, self.rank_odds[: memory.ranks])
        return memory.filled(shape, roots(canvas))

    def observe(self, memory: Followers, seen: Seen) -> Followers:
        memory.learn(seen)  # in place, like a cache: the matrix is the run's own
        return memory
