"""Word alignment without supervision: which source token each target token comes from.

    model = Aligner().fit(sources, targets)          # rows of token ids
    links = model.links(sources, targets)            # links[k][j]: a place in source k; -1: none
    model.lexicon.prob(7, 9), model.lexicon.given(7) # p(target 9 | source 7), all that 7 becomes

Rounds of IBM Model 1, where a target token may come from anywhere, then of a Model 2 whose places
have one parameter, the tension: how much links keep to the diagonal. Both are learnt by expectation
and maximisation. One source token may have many links, a target token has one at most; `links.py`
joins what two directions say.
Source: Brown et al. 1993, section 4; Dyer et al. 2013, "A Simple, Fast, and Effective
Reparameterization of IBM Model 2".
Shapes: X tokens, T tokens of a target, E kinds of pairs of tokens, N, C, P: see `word_pairs`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import torch
from jaxtyping import Float64, Int, Int64

from anyorder.align.word_pairs import NULL, Block, Corpus, Ids, found, kind_of, target_of

__all__ = ["NULL", "Aligner", "Lexicon", "WordModel"]

UNSEEN: Final = 1e-9  # stands for p(target | source) of two that were never seen together
TENSIONS: Final = (0.1, 14.0)  # as in the authors' program


@dataclass(frozen=True, kw_only=True)
class Aligner:
    """How alignments are learnt.

    `null`: p(a target token comes from no source token); 0: each has one. `alpha`: of a Dirichlet
    prior on p(target | source), by variational Bayes, which keeps rare words from explaining
    everything; 0: none (then no round of a model makes the pairs less likely). `tension`: what the
    second model begins with. Raises ValueError for numbers that can't be.
    """

    lexical_rounds: int = 3
    diagonal_rounds: int = 5
    null: float = 0.08
    alpha: float = 0.01
    tension: float = 4.0

    def __post_init__(self) -> None:
        rounds = (self.lexical_rounds, self.diagonal_rounds)
        if min(rounds) < 0 or not any(rounds):
            raise ValueError(f"an aligner learns for 1 round or more: {self}")
        if not 0 <= self.null < 1 or min(self.alpha, self.tension) < 0:
            raise ValueError(f"null is from 0 to below 1, alpha and tension are 0 or more: {self}")

    def fit(self, sources: Sequence[Ids], targets: Sequence[Ids]) -> "WordModel":
        """Make prod_j (null p(t_j | none) + (1 - null) sum_i p(i | j, S, T) p(t_j | s_i)) likelier.

        p(i | j, S, T) = exp(-tension |i/S - j/T|) / Z, where Model 1 has a tension of 0.
        Raises ValueError where there are no pairs, or a side of one is empty.

        >>> model = Aligner().fit([[1, 2], [1, 3]], [[8, 7], [9, 8]])
        >>> model.lexicon.best(1), [row.tolist() for row in model.links([[3, 1]], [[9, 8]])]
        (8, [[0, 1]])
        """
        corpus = Corpus.of(sources, targets)
        kinds_E = corpus.kinds()
        blocks = list(corpus.blocks(kinds_E))
        weight_E = count_E = np.full(len(kinds_E), 1 / len(np.unique(corpus.target_X)))
        tension, likelihoods = 0.0, list[float]()
        for number in range(self.lexical_rounds + self.diagonal_rounds):
            if number == self.lexical_rounds:
                tension = self.tension
            share_P = (1 - self.null) * corpus.shares(tension)
            count_E, moved_P, likelihood = _expected(blocks, weight_E, share_P, self.null)
            likelihoods.append(likelihood)
            weight_E = _maximised(kinds_E, count_E, self.alpha)
            if number >= self.lexical_rounds:
                tension = corpus.best_tension(moved_P, TENSIONS)
        lexicon = Lexicon(kinds_E, _maximised(kinds_E, count_E, 0.0))
        return WordModel(lexicon, weight_E, tension, self.null, tuple(likelihoods))


@dataclass(frozen=True, eq=False)
class Lexicon:
    """p(target token | source token) of all that were seen together; `NULL` is a source, too.

    `kinds_E`: which two, ascending; see `word_pairs.kind_of`.
    """

    kinds_E: Int64[np.ndarray, " E"] = field(repr=False)
    prob_E: Float64[np.ndarray, " E"] = field(repr=False)

    def prob(self, source: int, target: int) -> float:
        """p(target | source); 0 for two that were never seen together."""
        return float(self.probs(np.array([source]), np.array([target]))[0])

    def probs(
        self, source_X: Int[np.ndarray, " X"], target_X: Int[np.ndarray, " X"]
    ) -> Float64[np.ndarray, " X"]:
        """The same for many at once."""
        return np.append(self.prob_E, 0.0)[found(self.kinds_E, kind_of(source_X, target_X))]

    def given(self, source: int) -> tuple[Int64[np.ndarray, " X"], Float64[np.ndarray, " X"]]:
        """What a source token becomes, the likeliest first, with probabilities that sum to 1;
        nothing, for one that was never seen.
        """
        ends = kind_of(np.array([source, source + 1]), np.array([0, 0]))
        first, last = np.searchsorted(self.kinds_E, ends)
        order_X = np.argsort(-self.prob_E[first:last], kind="stable")
        return target_of(self.kinds_E[first:last][order_X]), self.prob_E[first:last][order_X]

    def best(self, source: int) -> int | None:
        """The likeliest target of a source token; None for one that was never seen."""
        target_X, _ = self.given(source)
        return int(target_X[0]) if len(target_X) else None


@dataclass(frozen=True, eq=False)
class WordModel:
    """What an aligner has learnt.

    `weight_E`: the lexicon as the prior has it (it need not sum to 1). `log_likelihoods`: of all
    pairs, before each round.
    """

    lexicon: Lexicon
    weight_E: Float64[np.ndarray, " E"] = field(repr=False)
    tension: float
    null: float
    log_likelihoods: tuple[float, ...]

    def links(self, sources: Sequence[Ids], targets: Sequence[Ids]) -> list[Int[np.ndarray, " _"]]:
        """The likeliest place in the source for each target token; -1 where none is likelier.

        Other pairs than those that were learnt from are welcome. Raises ValueError as `fit` does.
        """
        corpus = Corpus.of(sources, targets)
        share_P = (1 - self.null) * corpus.shares(self.tension)
        weight_E = np.append(self.weight_E, UNSEEN)
        rows: list[Int[np.ndarray, " N"]] = []
        for block in corpus.blocks(self.lexicon.kinds_E):
            weight_C = share_P[block.place_C] * weight_E[block.kind_C].clip(UNSEEN)
            best_N = np.maximum.reduceat(weight_C, block.begin_N)
            cell_X = np.flatnonzero(weight_C == np.repeat(best_N, block.source_N))
            token_X = np.searchsorted(block.begin_N, cell_X, side="right") - 1
            _, first_N = np.unique(token_X, return_index=True)  # of equal ones the first
            none_N = self.null * weight_E[block.null_N] > best_N
            rows.append(np.where(none_N, -1, cell_X[first_N] - block.begin_N))
        return np.split(np.concatenate(rows), np.cumsum(corpus.target_K)[:-1])


def _expected(
    blocks: Sequence[Block],
    weight_E: Float64[np.ndarray, " E"],
    share_P: Float64[np.ndarray, " P"],
    null: float,
) -> tuple[Float64[np.ndarray, " E"], Float64[np.ndarray, " P"], float]:
    """How often each kind, and each place, is expected to be linked; and the log-likelihood."""
    count_E, moved_P, likelihood = np.zeros_like(weight_E), np.zeros_like(share_P), 0.0
    for block in blocks:
        weight_C = share_P[block.place_C] * weight_E[block.kind_C]
        null_N = null * weight_E[block.null_N]
        sum_N = np.add.reduceat(weight_C, block.begin_N) + null_N
        weight_C /= np.repeat(sum_N, block.source_N)
        count_E += np.bincount(block.kind_C, weight_C, len(count_E))
        count_E += np.bincount(block.null_N, null_N / sum_N, len(count_E))
        moved_P += np.bincount(block.place_C, weight_C, len(moved_P))
        likelihood += float(np.log(sum_N).sum())
    return count_E, moved_P, likelihood


def _maximised(
    kinds_E: Int64[np.ndarray, " E"], count_E: Float64[np.ndarray, " E"], alpha: float
) -> Float64[np.ndarray, " E"]:
    """p(target | source): counts over their sum; with a prior exp digamma of both."""
    first_S = np.flatnonzero(np.diff(kinds_E >> 32, prepend=-1))
    size_S = np.diff(np.append(first_S, len(kinds_E)))
    sum_S = np.add.reduceat(count_E + alpha, first_S)
    if not alpha:
        return count_E / np.repeat(np.where(sum_S > 0, sum_S, 1.0), size_S)
    count_T, sum_T = (torch.from_numpy(x).digamma() for x in (count_E + alpha, sum_S))
    return np.exp(count_T.numpy() - np.repeat(sum_T.numpy(), size_S))
