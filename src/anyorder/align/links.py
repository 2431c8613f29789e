"""What word alignments of two directions say together, and how fertile each source token is.

    both = symmetrised(sources, targets)             # both[k][i, j]: source i and target j belong
    both = symmetrised(sources, targets, join=intersection)
    TwoWays.fit(sources, targets).links(others, others_targets)   # learnt once, asked often
    fertility_S = fertility(links_T, len(source))    # how many target tokens come from each

Source: Och & Ney 2003, section 4 (refined methods); growing over diagonals Koehn et al. 2003;
fertilities for parallel translation Gu et al. 2018 (arXiv:1711.02281), section 4.
Shapes: S source tokens, T target tokens.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int

from anyorder.align.word_pairs import Ids
from anyorder.align.words import Aligner, WordModel

Links = Bool[np.ndarray, "S T"]
# Links of a model of targets given sources, and of one of sources given targets
Join = Callable[[Links, Links], Links]

AROUND = ((1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, 1), (1, -1), (-1, -1))


def intersection(forward_ST: Links, backward_ST: Links) -> Links:
    """Links that both have: few and sure."""
    return forward_ST & backward_ST


def union(forward_ST: Links, backward_ST: Links) -> Links:
    """Links that either has."""
    return forward_ST | backward_ST


def grow_diag_final_and(forward_ST: Links, backward_ST: Links) -> Links:
    """The intersection, grown into the union by neighbours; then links whose two tokens lack one.

    A link of the union is taken in when it touches one that is in, corners included, and one of its
    tokens has no link yet, as long as there is any. Then those of the first direction, and of the
    second, neither of whose tokens has a link. Source: Koehn et al. 2003, section 3.

    >>> one = np.eye(3, dtype=bool)
    >>> grow_diag_final_and(one, one[[0, 2, 1]]).tolist()
    [[True, False, False], [False, True, True], [False, True, False]]
    """
    in_ST = intersection(forward_ST, backward_ST)
    S, T = in_ST.shape
    source_S, target_T = (np.asarray(in_ST.any(axis)) for axis in (1, 0))

    def take(i: int, j: int) -> None:
        in_ST[i, j] = source_S[i] = target_T[j] = True

    def near(i: int, j: int) -> bool:
        cells = ((i + di, j + dj) for di, dj in AROUND)
        return any(0 <= a < S and 0 <= b < T and in_ST[a, b] for a, b in cells)

    left, before = np.argwhere(union(forward_ST, backward_ST) & ~in_ST).tolist(), -1
    while len(left) != before:
        before, still = len(left), []
        for i, j in left:
            if not (source_S[i] and target_T[j]) and near(i, j):
                take(i, j)
            else:
                still.append((i, j))
        left = still
    for links_ST in (forward_ST, backward_ST):
        for i, j in np.argwhere(links_ST & ~in_ST).tolist():
            if not (source_S[i] or target_T[j]):
                take(i, j)
    return in_ST


@dataclass(frozen=True)
class TwoWays:
    """Models of targets given sources, and of sources given targets, learnt from the same pairs."""

    forward: WordModel
    backward: WordModel

    @staticmethod
    def fit(
        sources: Sequence[Ids], targets: Sequence[Ids], *, aligner: Aligner | None = None
    ) -> "TwoWays":
        """Learn both. Raises ValueError as `Aligner.fit` does."""
        aligner = aligner or Aligner()
        return TwoWays(aligner.fit(sources, targets), aligner.fit(targets, sources))

    def links(
        self,
        sources: Sequence[Ids],
        targets: Sequence[Ids],
        *,
        join: Join = grow_diag_final_and,
    ) -> list[Links]:
        """What the two say of each pair, also of others than they were learnt from."""
        forward = self.forward.links(sources, targets)
        backward = self.backward.links(targets, sources)
        return [
            join(linked(to_T, len(from_S)), linked(from_S, len(to_T)).T)
            for to_T, from_S in zip(forward, backward, strict=True)
        ]


def symmetrised(
    sources: Sequence[Ids],
    targets: Sequence[Ids],
    *,
    aligner: Aligner | None = None,
    join: Join = grow_diag_final_and,
) -> list[Links]:
    """Align both ways, and join what the two say of each pair. Raises ValueError as `fit` does.

    >>> [links.sum().item() for links in symmetrised([[1, 2], [2, 1]], [[5, 6], [6, 5]])]
    [2, 2]
    """
    return TwoWays.fit(sources, targets, aligner=aligner).links(sources, targets, join=join)


def linked(links_T: Int[np.ndarray, " T"], sources: int) -> Links:
    """A place for each target token (-1: none) as a table of S = `sources` rows.

    >>> linked(np.array([1, -1]), 2).tolist()
    [[False, False], [True, False]]
    """
    return links_T == np.arange(sources)[:, None]


def fertility(links_T: Int[np.ndarray, " T"], sources: int) -> Int[np.ndarray, " S"]:
    """How many target tokens come from each of the S = `sources` source tokens.

    >>> fertility(np.array([0, 2, 2, -1]), 3).tolist()
    [1, 0, 2]
    """
    return np.bincount(links_T[links_T >= 0], minlength=sources)
