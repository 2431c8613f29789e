"""The same aligner in plain Python: dictionaries, one token at a time, as a textbook has it."""

import math
from collections import defaultdict
from collections.abc import Sequence

Rows = Sequence[Sequence[int]]
NONE = -1


def shares(j: int, source: int, target: int, tension: float) -> list[float]:
    """p(i | j) of every place in the source."""
    near = [math.exp(-tension * abs((i + 1) / source - (j + 1) / target)) for i in range(source)]
    return [each / sum(near) for each in near]


def em_round(
    sources: Rows, targets: Rows, table: dict[tuple[int, int], float], tension: float, null: float
) -> tuple[dict[tuple[int, int], float], dict[tuple[int, int, int, int], float], float]:
    """Expected links of tokens, those of places (i, j, S, T), and the log-likelihood."""
    counts: dict[tuple[int, int], float] = defaultdict(float)
    places: dict[tuple[int, int, int, int], float] = defaultdict(float)
    likelihood = 0.0
    for source, target in zip(sources, targets, strict=True):
        S, T = len(source), len(target)
        for j, token in enumerate(target):
            share = shares(j, S, T, tension)
            ways = [(1 - null) * share[i] * table[word, token] for i, word in enumerate(source)]
            none = null * table[NONE, token]
            total = sum(ways) + none
            likelihood += math.log(total)
            counts[NONE, token] += none / total
            for i, (word, way) in enumerate(zip(source, ways, strict=True)):
                counts[word, token] += way / total
                places[i, j, S, T] += way / total
    return counts, places, likelihood


def normalised(counts: dict[tuple[int, int], float]) -> dict[tuple[int, int], float]:
    """p(target | source)."""
    sums: dict[int, float] = defaultdict(float)
    for (word, _), count in counts.items():
        sums[word] += count
    return {kind: count / sums[kind[0]] if sums[kind[0]] else 0.0 for kind, count in counts.items()}


def expected_log_share(places: dict[tuple[int, int, int, int], float], tension: float) -> float:
    """What the tension is chosen to make as large as can be."""
    return sum(
        count * math.log(shares(j, S, T, tension)[i]) for (i, j, S, T), count in places.items()
    )


def grown(forward: set[tuple[int, int]], backward: set[tuple[int, int]]) -> set[tuple[int, int]]:
    """Grow-diag-final-and as it is written down: sets of links."""
    inside = forward & backward

    def free(link: tuple[int, int], *, both: bool) -> bool:
        rows, columns = {i for i, _ in inside}, {j for _, j in inside}
        found = [link[0] not in rows, link[1] not in columns]
        return all(found) if both else any(found)

    added = True
    while added:
        added = False
        for i, j in sorted((forward | backward) - inside):
            touches = any(max(abs(i - a), abs(j - b)) == 1 for a, b in inside)
            if touches and free((i, j), both=False):
                inside.add((i, j))
                added = True
    for links in (forward, backward):
        for link in sorted(links - inside):
            if free(link, both=True):
                inside.add(link)
    return inside
