"""Spans that are taken out of a text, for a training that fills them in.

    Spans(share=0.15, most=6, shortest=4, apart=8).draw(60, rng)     # [range(11, 16), range(...)]

The spans of a text are about equally long, stand apart, and are drawn evenly from all ways to place
them. Source: Huang et al. 2023 (arXiv:2304.11791), section 4.1. Knows nothing of tokens.
"""

from dataclasses import dataclass

import torch
from torch import Generator


@dataclass(frozen=True, kw_only=True)
class Spans:
    """A `share` of a text, in `most` spans or fewer, so that each has `shortest` tokens or more,
    and `apart` tokens or more stand between two of them.

    The defaults are for texts of hundreds of tokens. Raises ValueError for what can't be.
    """

    share: float = 0.15
    most: int = 6
    shortest: int = 4
    apart: int = 8

    def __post_init__(self) -> None:
        if not 0 < self.share < 1:
            raise ValueError(f"the share of a text is between 0 and 1, not {self.share}")
        if min(self.most, self.shortest, self.apart) < 1:
            raise ValueError(f"spans, their tokens and those between them are 1 or more: {self}")

    def draw(self, length: int, rng: Generator) -> list[range]:
        """Spans of a text of `length` tokens, from left to right; one at the least.

        A token stays outside, unless there is no other. Raises ValueError for an empty text.

        >>> Spans(share=0.5, shortest=2, apart=4).draw(8, Generator().manual_seed(0))
        [range(0, 2), range(6, 8)]
        """
        if length < 1:
            raise ValueError("an empty text has no spans")
        inside = min(max(self.shortest, int(self.share * length)), max(1, length - 1))
        outside = length - inside
        count = max(1, min(self.most, inside // self.shortest, outside // self.apart + 1))
        spare = outside - self.apart * (count - 1)
        # stars and bars: a row of `spare` tokens and `count` spans, in any order equally likely
        bars = torch.randperm(spare + count, generator=rng)[:count].sort().values - torch.arange(
            count
        )
        gaps = (bars.diff(prepend=bars.new_zeros(1)) + self.apart).tolist()
        begin = -self.apart  # before the first span there need be nothing
        found: list[range] = []
        for n in range(count):
            begin += gaps[n]
            end = begin + (n + 1) * inside // count - n * inside // count
            found.append(range(begin, end))
            begin = end
        return found
