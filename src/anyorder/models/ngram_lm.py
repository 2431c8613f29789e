"""N-gram language model over token ids: interpolated, with modified Kneser-Ney discounts.

    model = train_ngrams([[5, 6, 7], [5, 7]], vocab_size=10, order=4)
    state, logp = model.extend(model.start(), 5)           # it satisfies `align.scorer.Scorer`
    model.perplexity([[5, 6]])
    model.save(Path("ngrams.safetensors"))
    model = opened_ngrams(Path("ngrams.safetensors"))

An n-gram is a node of a tree: its key is (node of all but its last token, that token), and tables
are sorted by key. A state holds the nodes of the last 0, 1, ... tokens. Knows nothing of texts.
Source: Chen & Goodman 1998 (TR-10-98), section 3: equations for the interpolated model, discounts,
and counts of histories in all orders but the highest.
Shapes: G n-grams of an order.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
from jaxtyping import Float32, Int64
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from anyorder.folders import as_usual

FORMAT: Final = "1"  # of the file
State = tuple[int, ...]  # the nodes of the last 0, 1, 2, ... tokens


@dataclass(frozen=True, eq=False)
class Table:
    """All n-grams of one order: keys in ascending order, log p of the last token given the others,
    and the log-weight of shorter histories after the n-gram.
    """

    key_G: Int64[np.ndarray, " G"]
    logp_G: Float32[np.ndarray, " G"]
    backoff_G: Float32[np.ndarray, " G"]


@dataclass(frozen=True, eq=False)
class NGramModel:
    """Log-probabilities of the tokens 0 to `vocab_size` - 1 and of the end, given a few before.

    Every token has some probability after every history, and they sum to 1.
    """

    vocab_size: int
    tables: tuple[Table, ...] = field(repr=False)

    @property
    def order(self) -> int:
        """Tokens of the longest n-grams."""
        return len(self.tables)

    def start(self) -> State:
        """The state before the first token."""
        return (0, self.vocab_size + 1)[: self.order]

    def extend(self, state: State, token: int) -> tuple[State, float]:
        """The state after `token`, and log p(token | the last order - 1 tokens).

        Raises ValueError for a token beyond the vocabulary.
        """
        if not 0 <= token < self.vocab_size:
            raise ValueError(f"token {token} is beyond a vocabulary of {self.vocab_size}")
        nodes, logp = self._read(state, token)
        return (0, *nodes)[: self.order], logp

    def end(self, state: State) -> float:
        """The log-probability that the text ends here."""
        return self._read(state, self.vocab_size)[1]

    def log_likelihood(self, row: Sequence[int]) -> float:
        """log p of a whole text, its end included, in nats.

        >>> model = train_ngrams([[0]], vocab_size=1, order=1)
        >>> round(model.log_likelihood([0]), 4)                     # half a token, half an end
        -1.3863
        """
        state, total = self.start(), 0.0
        for token in row:
            state, logp = self.extend(state, token)
            total += logp
        return total + self.end(state)

    def perplexity(self, rows: Sequence[Sequence[int]]) -> float:
        """exp(- mean log p) of all tokens and ends."""
        return math.exp(-sum(map(self.log_likelihood, rows)) / sum(len(row) + 1 for row in rows))

    def _read(self, state: State, token: int) -> tuple[list[int], float]:
        """The nodes of the last 1, 2, ... tokens, `token` being the last, and its log p."""
        nodes = [token]
        for n, node in enumerate(state[1:], 1):
            key_G, key = self.tables[n].key_G, node * (self.vocab_size + 2) + token
            at = int(key_G.searchsorted(key))
            if at == len(key_G) or int(key_G[at]) != key:
                break  # what has no such ending has no longer one either
            nodes.append(at)
        logp = float(self.tables[len(nodes) - 1].logp_G[nodes[-1]])
        for n in range(len(nodes), len(state)):
            logp += float(self.tables[n - 1].backoff_G[state[n]])
        return nodes, logp

    def save(self, path: Path) -> None:
        """Write one safetensors file."""
        arrays = {
            f"{name}.{n}": array
            for n, table in enumerate(self.tables, 1)
            for name, array in vars(table).items()
        }
        facts = {"ngrams": FORMAT, "vocab_size": str(self.vocab_size), "order": str(self.order)}
        path.parent.mkdir(parents=True, exist_ok=True)
        with as_usual(path):
            save_file(arrays, path, metadata=facts)


def opened_ngrams(path: Path) -> NGramModel:
    """The model of a file. Raises ValueError for one that is missing, damaged or another kind."""
    try:
        with safe_open(path, framework="numpy") as file:
            facts = file.metadata() or {}
            if facts.get("ngrams") != FORMAT:
                raise ValueError(f"{path} holds no n-gram model that this version reads")
            tables = tuple(
                Table(
                    *(file.get_tensor(f"{name}.{n}") for name in ("key_G", "logp_G", "backoff_G"))
                )
                for n in range(1, int(facts["order"]) + 1)
            )
    except (OSError, KeyError, SafetensorError) as error:
        raise ValueError(f"{path} is no n-gram model, or it is damaged: {error}") from error
    return NGramModel(int(facts["vocab_size"]), tables)


def train_ngrams(
    rows: Sequence[Sequence[int]], *, vocab_size: int, order: int = 4, least: int = 1
) -> NGramModel:
    """Count the n-grams of the rows, each with a begin and an end, and smooth them:

        p(w | h) = (c(h w) - D(c(h w))) / c(h) + g(h) p(w | h'),  g(h) = sum_w D(c(h w)) / c(h)

    h' is h without its first token, c the count in the highest order and behind the begin, else the
    number of different tokens before; D is the discount of a count of 1, 2, and 3 or more. The
    shortest history leads to 1 / (vocab_size + 1).
    `least`: n-grams of three tokens or more that occur less often are left to shorter histories.
    Raises ValueError for no rows, an order below 1, and tokens beyond the vocabulary.
    Source: Chen & Goodman 1998, sections 3.1 and 3.2 (D of 0.5, 1 and 1.5 where there are too few
    counts to estimate it, as in KenLM).

    >>> model = train_ngrams([[3, 4], [3, 5]], vocab_size=6, order=2)
    >>> state, _ = model.extend(model.start(), 3)
    >>> model.extend(state, 4)[1] > model.extend(state, 3)[1]
    True
    """
    if not rows or order < 1:
        raise ValueError("an n-gram model needs rows to count and an order of 1 or more")
    text = np.concatenate([[vocab_size + 1, *row, vocab_size] for row in rows])
    inner = text[(text != vocab_size + 1) & (text != vocab_size)]
    if len(inner) != sum(map(len, rows)) or not ((inner >= 0) & (inner < vocab_size)).all():
        raise ValueError(f"a row has a token beyond a vocabulary of {vocab_size}")
    lengths = np.array([len(row) + 2 for row in rows])
    room = np.repeat(lengths.cumsum(), lengths) - np.arange(len(text))  # to the row's end
    counted = [_unigrams(text, vocab_size)]
    for n in range(2, order + 1):
        places = np.flatnonzero(room >= n)
        counted.append(_longer(counted[-1], places, text[places + n - 1], vocab_size + 2))
    return NGramModel(vocab_size, _smoothed(counted, vocab_size, least))


@dataclass(frozen=True)
class _Counted:
    """N-grams of one order: keys, the nodes of all but the last and all but the first token, how
    often they occur, which stand at the beginning; and the node at each place of the text.
    """

    key: np.ndarray
    prefix: np.ndarray
    suffix: np.ndarray
    often: np.ndarray
    begins: np.ndarray
    at: np.ndarray


def _unigrams(text: np.ndarray, vocab_size: int) -> _Counted:
    """Every id there is, in order, whether it occurs or not; the begin is never written."""
    size = vocab_size + 2
    often = np.bincount(text, minlength=size)
    often[vocab_size + 1] = 0
    root = np.zeros(size, np.int64)
    return _Counted(np.arange(size), root, root, often, np.arange(size) > vocab_size, text)


def _longer(shorter: _Counted, places: np.ndarray, last: np.ndarray, base: int) -> _Counted:
    """The n-grams that begin at `places` and end with `last`, one token longer than `shorter`."""
    keys = shorter.at[places] * base + last
    key, first, node, often = np.unique(
        keys, return_index=True, return_inverse=True, return_counts=True
    )
    at = np.full(len(shorter.at), -1)
    at[places] = node
    begins = shorter.begins[shorter.at[places[first]]]
    return _Counted(key, key // base, shorter.at[places[first] + 1], often, begins, at)


def _smoothed(counted: Sequence[_Counted], vocab_size: int, least: int) -> tuple[Table, ...]:
    """Probabilities and the weights of shorter histories, from the shortest n-grams up."""
    logps: list[np.ndarray] = []
    backoffs: list[np.ndarray] = []
    shorter_p, histories = np.full(1, 1 / (vocab_size + 1)), 1
    for n, grams in enumerate(counted, 1):
        count = grams.often
        if n < len(counted):
            before = np.bincount(counted[n].suffix, minlength=len(grams.key))
            count = np.where(grams.begins, grams.often, before)
        discount = _discounts(count)[np.minimum(count, 3)]
        if n > 2:
            discount = np.where(grams.often < least, count, discount)
        total = np.bincount(grams.prefix, count, minlength=histories)
        spared = np.bincount(grams.prefix, discount, minlength=histories)
        # a history that nothing follows leaves all to the shorter one
        weight = np.divide(spared, total, out=np.ones(histories), where=total > 0)
        p = (count - discount) / total[grams.prefix]
        p = p + weight[grams.prefix] * shorter_p[grams.suffix]
        with np.errstate(divide="ignore"):  # where nothing is spared, what was not seen can't be
            backoffs.append(np.log(weight))
            logps.append(np.log(p))
        shorter_p, histories = p, len(grams.key)
    backoffs.append(np.zeros(histories))
    return _tables(counted, logps, backoffs[1:], least)


def _tables(
    counted: Sequence[_Counted],
    logps: Sequence[np.ndarray],
    backoffs: Sequence[np.ndarray],
    least: int,
) -> tuple[Table, ...]:
    """What is kept. With an n-gram all its parts are: they occur as often at the least."""
    tables: list[Table] = []
    base, node = len(counted[0].key), np.zeros(1, np.int64)
    for n, grams in enumerate(counted, 1):
        keep = (grams.often >= least) | (n < 3)
        key = node[grams.prefix] * base + grams.key % base
        tables.append(
            Table(
                key[keep].astype(np.int64),
                logps[n - 1][keep].astype(np.float32),
                backoffs[n - 1][keep].astype(np.float32),
            )
        )
        node = np.cumsum(keep) - 1
    return tuple(tables)


def _discounts(count: np.ndarray) -> np.ndarray:
    """What is taken from counts of 0, 1, 2, and 3 or more.

    With n_r the number of n-grams of count r and Y = n_1 / (n_1 + 2 n_2) it is
    r - (r + 1) Y n_(r+1) / n_r.
    """
    n = np.array([(count == r).sum() for r in range(5)], dtype=float)
    if n[1:4].all():
        rank = np.arange(1, 4)
        found = rank - (rank + 1) * n[1] / (n[1] + 2 * n[2]) * n[2:5] / n[1:4]
        if (found >= 0).all():
            return np.concatenate([[0.0], found])
    return np.array([0.0, 0.5, 1.0, 1.5])
