"""How much of a source's order is left in its target.

    places = [0, 2, 1]                            # where each target word comes from in the source
    fuzzy_reordering(places), kendall_distance(places)

Places come from a word aligner; target words without one are left out before.
Source: Talbot et al. 2011, "A Lightweight Evaluation Framework for Machine Translation Reordering"
(W11-2102), section 3; both measures for the training of translation models: Voita et al. 2021
(arXiv:2109.01396).
"""

from collections.abc import Sequence
from itertools import combinations, pairwise


def fuzzy_reordering(places: Sequence[int]) -> float:
    """1 - (C - 1) / (M - 1), with M words in C chunks; 1 is a target in the order of its source.

    Two neighbours are in one chunk where the second comes from the place of the first or the next
    one. 1 for fewer than two words.

    >>> [fuzzy_reordering(places) for places in ([0, 1, 1, 2], [2, 0, 1], [2, 1, 0])]
    [1.0, 0.5, 0.0]
    """
    if len(places) < 2:
        return 1.0
    breaks = sum(after - before not in (0, 1) for before, after in pairwise(places))
    return 1 - breaks / (len(places) - 1)


def kendall_distance(places: Sequence[int]) -> float:
    """The share of pairs of words that stand the other way round than their sources; 0 for fewer
    than two words.

    >>> [kendall_distance(places) for places in ([0, 1, 1], [2, 0, 1], [2, 1, 0])]
    [0.0, 0.6666666666666666, 1.0]
    """
    pairs = len(places) * (len(places) - 1) / 2
    return sum(a > b for a, b in combinations(places, 2)) / max(pairs, 1)
