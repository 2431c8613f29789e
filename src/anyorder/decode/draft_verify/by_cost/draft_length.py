"""How many tokens to draft: what the cost formula of speculative decoding says.

    tokens_per_call(0.8, 4)             # equation 1 of the paper
    speed_up(0.8, 4, 0.1)               # theorem 3.8
    best_width(0.8, 0.1)                # the draft length that it recommends

    lengths = Lengths(Costs.of(small, target))        # c measured once, alpha as a row goes on
    lengths.best; lengths.see(accepted=2, drafted=4)

alpha: the share of guesses that are accepted. c: seconds of a call of the draft model over those
of the target. gamma (width): guesses in a draft.
Source: Leviathan et al. 2023 (arXiv:2211.17192), sections 3.1 to 3.5.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from anyorder.decode.draft_verify.by_cost.cost import curve_of
from anyorder.decode.draft_verify.by_cost.experience import Odds

MOST = 12  # guesses in a draft
FIRST = 0.7  # alpha before anything was seen


def tokens_per_call(alpha: float, width: int) -> float:
    """Expected tokens that a call of the target writes: (1 - alpha^(width+1)) / (1 - alpha).

    Source: arXiv:2211.17192, equation 1.

    >>> tokens_per_call(0.5, 2), tokens_per_call(1.0, 4)
    (1.75, 5.0)
    """
    return sum(alpha**k for k in range(width + 1))  # the same sum, also at alpha = 1


def alike(cells: int) -> float:
    """The paper's assumption: a call of the target costs the same, whatever it reads."""
    return 1.0


def speed_up(alpha: float, width: int, c: float, verify: Callable[[int], float] = alike) -> float:
    """Expected improvement of wall time: tokens_per_call / (width c + 1).

    `verify`: what a call of the target costs that reads so many cells, over what one cell costs.
    Source: arXiv:2211.17192, theorem 3.8.

    >>> speed_up(0.5, 2, 0.25)
    1.1666666666666667
    """
    return tokens_per_call(alpha, width) / (width * c + verify(width + 1))


def best_width(
    alpha: float, c: float, verify: Callable[[int], float] = alike, *, most: int = MOST
) -> int:
    """The width of 1 to `most` with the largest speed-up (section 3.5).

    >>> best_width(0.8, 0.1), best_width(0.2, 0.5)
    (6, 1)
    """
    return max(range(1, most + 1), key=lambda width: speed_up(alpha, width, c, verify))


@dataclass(frozen=True)
class Costs:
    """c, and what more cells of a call cost the target: see `speed_up`."""

    c: float
    verify: Callable[[int], float] = alike

    @staticmethod
    def of(draft: Any, target: Any) -> "Costs":
        """Measured, see `cost.curve_of`."""
        ours, one = curve_of(target), curve_of(target).seconds(1)
        return Costs(curve_of(draft).seconds(1) / one, lambda cells: ours.seconds(cells) / one)


@dataclass
class Lengths:
    """How long a row's next draft is. Of guesses, those behind a wrong one are not counted."""

    costs: Costs
    alpha: Odds = field(default_factory=lambda: Odds(FIRST))

    @property
    def best(self) -> int:
        """In whole percents of alpha: few lengths are computed."""
        return _best(self.costs, round(100 * self.alpha.share))

    def see(self, accepted: int, drafted: int) -> None:
        """What came of a draft."""
        for _ in range(accepted):
            self.alpha.see(True)
        if accepted < drafted:
            self.alpha.see(False)


@lru_cache(maxsize=1024)
def _best(costs: Costs, percent: int) -> int:
    return best_width(percent / 100, costs.c, costs.verify)
