"""Phrases of a pair that translate each other, as far as its word alignment says.

    for phrase in phrases(links_ST, longest=4):
        source[phrase.source], target[phrase.target]

A piece of the source and a piece of the target belong together if some link joins them, and no link
leads from inside one to outside the other.
Source: Och & Ney 2004, "The Alignment Template Approach to Statistical Machine Translation",
section 3.2 (equation 19); extraction from each target piece as in Koehn 2010, figure 5.5.
Shapes: S source words, T target words.
"""

from dataclasses import dataclass

from anyorder.align.links import Links


@dataclass(frozen=True, order=True)
class Phrase:
    """Words `first` to `last` - 1 of the source, and of the target."""

    source_first: int
    source_last: int
    target_first: int
    target_last: int

    @property
    def source(self) -> slice:
        return slice(self.source_first, self.source_last)

    @property
    def target(self) -> slice:
        return slice(self.target_first, self.target_last)

    @property
    def longest(self) -> int:
        """Words of the longer side."""
        return max(self.source_last - self.source_first, self.target_last - self.target_first)


def phrases(links_ST: Links, *, longest: int) -> list[Phrase]:
    """All that have at most `longest` words on either side, in order.

    Words without a link may stand at the edge of a phrase or not: each choice is one of its own.
    Raises ValueError for phrases of no words.

    >>> import numpy as np
    >>> [(p.source, p.target) for p in phrases(np.eye(2, dtype=bool)[::-1], longest=1)]
    [(slice(0, 1, None), slice(1, 2, None)), (slice(1, 2, None), slice(0, 1, None))]
    """
    if longest < 1:
        raise ValueError(f"a phrase has 1 word or more, not {longest}")
    S, T = links_ST.shape
    of_S = [row_T.nonzero()[0].tolist() for row_T in links_ST]
    of_T = [column_S.nonzero()[0].tolist() for column_S in links_ST.T]
    found: list[Phrase] = []
    for begin in range(T):
        inside: list[int] = []  # source words that a word of the target piece is linked to
        for end in range(begin + 1, min(begin + longest, T) + 1):
            inside += of_T[end - 1]
            if not inside:
                continue
            first, last = min(inside), max(inside) + 1
            if last - first > longest:
                break  # it only grows
            if all(begin <= j < end for i in range(first, last) for j in of_S[i]):
                found += [Phrase(a, b, begin, end) for a, b in _wider(of_S, first, last, longest)]
    return sorted(found)


def _wider(of_S: list[list[int]], first: int, last: int, longest: int) -> list[tuple[int, int]]:
    """The piece, and all that add words without a link at its edges."""
    begins, ends = [first], [last]
    while begins[-1] > 0 and not of_S[begins[-1] - 1]:
        begins.append(begins[-1] - 1)
    while ends[-1] < len(of_S) and not of_S[ends[-1]]:
        ends.append(ends[-1] + 1)
    return [(a, b) for a in begins for b in ends if b - a <= longest]
