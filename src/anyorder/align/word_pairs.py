"""Pairs of token rows laid out for an aligner: every target token beside every token of its source.

    corpus = Corpus.of(sources, targets)
    kinds_E = corpus.kinds()                         # pairs of tokens that occur, as numbers
    for block in corpus.blocks(kinds_E): ...         # the cells, a million at a time
    share_P = corpus.shares(tension)                 # p(i | j, S, T) of every place

How near two places are depends on the lengths of their rows alone, so it is kept once for each pair
of lengths that occurs (the paper has a closed form for Z instead: it keeps no tables).
Source: Dyer et al. 2013, "A Simple, Fast, and Effective Reparameterization of IBM Model 2",
sections 2 and 3.
Shapes: K pairs, X tokens end to end, N target tokens of a block, C cells of a block, E kinds of
pairs of tokens, Z pairs of lengths, P places (i, j) in the tables of all Z, R rows of these tables.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float64, Int, Int32, Int64

Ids = Sequence[int]

BLOCK: Final = 1_000_000  # cells that are worked on at once
NULL: Final = -1  # the source token of what comes from none


def kind_of(
    source_X: Int[np.ndarray, " X"], target_X: Int[np.ndarray, " X"]
) -> Int64[np.ndarray, " X"]:
    """Two tokens as one number, in the order of the source, then of the target."""
    return (source_X.astype(np.int64) + 1 << 32) | target_X


def target_of(kind_X: Int64[np.ndarray, " X"]) -> Int64[np.ndarray, " X"]:
    """The target token of a kind."""
    return kind_X & 0xFFFFFFFF


def found(
    kinds_E: Int64[np.ndarray, " E"], kind_X: Int64[np.ndarray, " X"]
) -> Int[np.ndarray, " X"]:
    """Where each kind stands among the known ones; E for one that is not known."""
    at_X = np.searchsorted(kinds_E, kind_X)
    known_X = np.append(kinds_E, -1)[at_X] == kind_X
    return np.where(known_X, at_X, len(kinds_E))


@dataclass(frozen=True)
class Block:
    """Some pairs, cell by cell: for each target token, the tokens of its source from the left.

    A kind of E, one more than there are, is one that is not known.
    """

    kind_C: Int32[np.ndarray, " C"]
    place_C: Int32[np.ndarray, " C"]
    begin_N: Int[np.ndarray, " N"]  # its first cell
    source_N: Int[np.ndarray, " N"]  # how many it has
    null_N: Int[np.ndarray, " N"]  # the kind of the target token with no source token


@dataclass(frozen=True)
class Corpus:
    """Pairs laid end to end, and the places (i, j) of each pair of lengths that occurs."""

    source_X: Int64[np.ndarray, " X"]
    target_X: Int64[np.ndarray, " Y"]
    source_K: Int[np.ndarray, " K"]
    target_K: Int[np.ndarray, " K"]
    table_K: Int[np.ndarray, " K"]  # where the places of the pair's lengths begin
    near_P: Float64[np.ndarray, " P"]  # -|i/S - j/T|
    row_R: Int[np.ndarray, " R"]  # the first place of each j of each pair of lengths

    @staticmethod
    def of(sources: Sequence[Ids], targets: Sequence[Ids]) -> "Corpus":
        """Raises ValueError where there are no pairs, or a side of one is empty."""
        if len(sources) != len(targets) or not len(sources):
            raise ValueError(
                f"there are {len(sources)} sources and {len(targets)} targets to align"
            )
        (source_X, source_K), (target_X, target_K) = _flat(sources), _flat(targets)
        if not min(source_K.min(), target_K.min()):
            raise ValueError("a side of a pair is empty: there is nothing to align in it")
        sizes_Z2, of_K = np.unique(np.stack([source_K, target_K], 1), axis=0, return_inverse=True)
        S_R = np.repeat(sizes_Z2[:, 0], sizes_Z2[:, 1])
        T_R = np.repeat(sizes_Z2[:, 1], sizes_Z2[:, 1])
        j_R, row_R = _within(sizes_Z2[:, 1]), np.cumsum(S_R) - S_R
        i_P = _within(S_R)
        near_P = -np.abs((i_P + 1) / np.repeat(S_R, S_R) - np.repeat((j_R + 1) / T_R, S_R))
        table_Z = row_R[j_R == 0]
        return Corpus(source_X, target_X, source_K, target_K, table_Z[of_K.ravel()], near_P, row_R)

    def kinds(self) -> Int64[np.ndarray, " E"]:
        """The pairs of tokens that stand in a pair, ascending, and each target token with none."""
        with_none = kind_of(np.full_like(self.target_X, NULL), self.target_X)
        kinds = [np.unique(with_none), *(np.unique(kind_C) for _, kind_C in self._cells())]
        return np.unique(np.concatenate(kinds))

    def blocks(self, kinds_E: Int64[np.ndarray, " E"]) -> Iterator[Block]:
        """The corpus, some pairs at a time."""
        target_at_K = np.append(0, np.cumsum(self.target_K))
        for pairs, kind_C in self._cells():
            mine_X, at_C = np.unique(kind_C, return_inverse=True)
            cells_K = (self.source_K * self.target_K)[pairs]
            begin_C = np.repeat(self.table_K[pairs], cells_K)
            source_N = np.repeat(self.source_K[pairs], self.target_K[pairs])
            target_N = self.target_X[target_at_K[pairs.start] : target_at_K[pairs.stop]]
            yield Block(
                kind_C=found(kinds_E, mine_X).astype(np.int32)[at_C.ravel()],
                place_C=(begin_C + _within(cells_K)).astype(np.int32),
                begin_N=np.cumsum(source_N) - source_N,
                source_N=source_N,
                null_N=found(kinds_E, kind_of(np.full_like(target_N, NULL), target_N)),
            )

    def _cells(self) -> Iterator[tuple[slice, Int64[np.ndarray, " C"]]]:
        """Which pairs, and the kind of each of their cells."""
        cells_K = np.append(0, np.cumsum(self.source_K * self.target_K))
        source_at_K = np.append(0, np.cumsum(self.source_K))
        target_at_K = np.append(0, np.cumsum(self.target_K))
        begin, K = 0, len(self.source_K)
        while begin < K:
            end = int(np.searchsorted(cells_K, cells_K[begin] + BLOCK, side="right")) - 1
            end = max(begin + 1, end)
            S_N = np.repeat(self.source_K[begin:end], self.target_K[begin:end])
            first_N = np.repeat(source_at_K[begin:end], self.target_K[begin:end])
            source_C = self.source_X[np.repeat(first_N, S_N) + _within(S_N)]
            target_N = self.target_X[target_at_K[begin] : target_at_K[end]]
            yield slice(begin, end), kind_of(source_C, np.repeat(target_N, S_N))
            begin = end

    def shares(self, tension: float) -> Float64[np.ndarray, " P"]:
        """exp(tension near(i, j)) / Z: where a target token at j comes from, if from anywhere."""
        share_P = np.exp(tension * self.near_P)
        return share_P / self._over(np.add.reduceat(share_P, self.row_R))

    def best_tension(
        self, moved_P: Float64[np.ndarray, " P"], bounds: tuple[float, float]
    ) -> float:
        """The tension under which links are likeliest: argmax sum_P moved log share(tension).

        `moved_P`: expected links at each place. The sum is concave in the tension, and its slope is
        sum_P moved (near - E[near]): bisection, where the paper takes steps along the slope.
        """
        moved_R = np.add.reduceat(moved_P, self.row_R)
        wanted = float(moved_P @ self.near_P)
        low, high = bounds
        for _ in range(40):
            middle = (low + high) / 2
            mean_R = np.add.reduceat(self.shares(middle) * self.near_P, self.row_R)
            low, high = (middle, high) if wanted > moved_R @ mean_R else (low, middle)
        return (low + high) / 2

    def _over(self, x_R: Float64[np.ndarray, " R"]) -> Float64[np.ndarray, " P"]:
        """One number a row of a table, at each of its places."""
        return np.repeat(x_R, np.diff(np.append(self.row_R, len(self.near_P))))


def _flat(rows: Sequence[Ids]) -> tuple[Int64[np.ndarray, " X"], Int[np.ndarray, " K"]]:
    """Rows end to end, and their lengths."""
    flat_X = np.fromiter((token for row in rows for token in row), np.int64)
    return flat_X, np.array([len(row) for row in rows])


def _within(count_X: Int[np.ndarray, " X"]) -> Int[np.ndarray, " Y"]:
    """0, 1, ... up to each count, one after the other.

    >>> _within(np.array([2, 3])).tolist()
    [0, 1, 0, 1, 2]
    """
    return np.arange(count_X.sum()) - np.repeat(np.cumsum(count_X) - count_X, count_X)
