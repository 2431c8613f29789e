"""The same sums and searches by looking at every path, in plain Python, one row at a time.

Log-probabilities are nested lists; a row has no padding here.
"""

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from functools import cache

Row = Sequence[float]
Text = tuple[int, ...]


def log_sum(values: Sequence[float]) -> float:
    """log sum exp; -inf of nothing."""
    top = max(values, default=-math.inf)
    if top == -math.inf:
        return top
    return top + math.log(sum(math.exp(value - top) for value in values))


# --- CTC


def collapse(path: Text, blank: int) -> Text:
    """What a path spells.

    >>> collapse((1, 1, 0, 1, 2, 2), blank=0)
    (1, 1, 2)
    """
    return tuple(token for token, _ in itertools.groupby(path) if token != blank)


def ctc_paths(logp: Sequence[Row]) -> Iterator[tuple[Text, float]]:
    """Every path, with its log-probability."""
    for path in itertools.product(range(len(logp[0]) if logp else 0), repeat=len(logp)):
        yield path, sum(row[token] for row, token in zip(logp, path, strict=True))


def ctc_texts(logp: Sequence[Row], blank: int) -> dict[Text, float]:
    """log P of every text."""
    found: dict[Text, list[float]] = {}
    for path, value in ctc_paths(logp):
        found.setdefault(collapse(path, blank), []).append(value)
    return {text: log_sum(values) for text, values in found.items()}


def ctc_best(logp: Sequence[Row], blank: int, target: Text) -> tuple[Text | None, float]:
    """The likeliest path that spells the target, if there is one."""
    ways = [(v, p) for p, v in ctc_paths(logp) if collapse(p, blank) == target and v > -math.inf]
    value, path = max(ways, default=(-math.inf, None))
    return path, value


def often(text: Text, gram: Text) -> int:
    """How often an n-gram stands in a text.

    >>> often((1, 1, 1), (1, 1))
    2
    """
    places = range(len(text) - len(gram) + 1)
    return sum(text[at : at + len(gram)] == gram for at in places)


# --- DAG


def dag_paths(count: int) -> Iterator[Text]:
    """Every way from vertex 0 to the last one.

    >>> list(dag_paths(3))
    [(0, 2), (0, 1, 2)]
    """
    if count == 1:
        yield (0,)
    if count < 2:
        return
    for between in range(count - 1):
        for inner in itertools.combinations(range(1, count - 1), between):
            yield (0, *inner, count - 1)


def links_of(path: Text, links: Sequence[Row]) -> float:
    """The links of a path."""
    return sum(links[i][j] for i, j in itertools.pairwise(path))


def dag_target(
    logp: Sequence[Row], links: Sequence[Row], count: int, target: Text
) -> dict[Text, float]:
    """The log-probability of the target along each path of its length."""
    return {
        path: links_of(path, links) + sum(logp[m][y] for m, y in zip(path, target, strict=True))
        for path in dag_paths(count)
        if len(path) == len(target)
    }


def dag_texts(logp: Sequence[Row], links: Sequence[Row], count: int) -> dict[Text, float]:
    """log P of every text."""
    texts = {
        text
        for path in dag_paths(count)
        for text in itertools.product(range(len(logp[0])), repeat=len(path))
    }
    return {text: log_sum([*dag_target(logp, links, count, text).values()]) for text in texts}


def dag_joint(
    logp: Sequence[Row], links: Sequence[Row], count: int, penalty: float
) -> dict[Text, float]:
    """What the joint Viterbi search maximises, for each path."""
    return {
        path: (links_of(path, links) + sum(max(logp[m]) for m in path)) / len(path) ** penalty
        for path in dag_paths(count)
    }


# --- texts ranked with a language model


def ranked(
    texts: dict[Text, float], score: Callable[[Text, float], float]
) -> list[tuple[Text, float]]:
    """The possible texts with their scores, best first."""
    scores = [(text, score(text, logp)) for text, logp in texts.items() if logp > -math.inf]
    return sorted((pair for pair in scores if pair[1] > -math.inf), key=lambda pair: -pair[1])


# --- CRF


def chain_scores(emit: Sequence[Row], move: Sequence[Sequence[Row]]) -> dict[Text, float]:
    """The score of every sequence; `move[n]` leads from cell n to cell n + 1."""
    return {
        path: sum(row[v] for row, v in zip(emit, path, strict=True))
        + sum(move[n][i][j] for n, (i, j) in enumerate(itertools.pairwise(path)))
        for path in itertools.product(range(len(emit[0])), repeat=len(emit))
    }


# --- matching


def cheapest(cost: Sequence[Row]) -> float:
    """The least cost of a matching of all rows, or of all columns if there are fewer."""
    n, m = len(cost), len(cost[0]) if cost else 0
    if n > m:
        cost = [list(column) for column in zip(*cost, strict=True)]
        n, m = m, n
    ways = itertools.permutations(range(m), n)
    return min(sum(cost[row][at] for row, at in enumerate(way)) for way in ways)


# --- edits


def edit_distance(source: Text, target: Text, substitutes: bool) -> int:
    """The recursion of the definition."""

    @cache
    def least(i: int, j: int) -> int:
        if not (i and j):
            return i + j
        ways = [least(i - 1, j) + 1, least(i, j - 1) + 1]
        if source[i - 1] == target[j - 1]:
            ways.append(least(i - 1, j - 1))
        elif substitutes:
            ways.append(least(i - 1, j - 1) + 1)
        return min(ways)

    return least(len(source), len(target))
