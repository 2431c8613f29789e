"""Which tokens follow two others, and how strongly: a corpus, and what a text adds to it.

    corpus = Trigrams.of([[5, 6, 7], [5, 6, 8]])
    own = corpus.growing()                        # a text's own, on top of the corpus
    own.learn([1, 5, 6, 7])
    own.after(5, 6)                               # [(7, 0.8), (8, 0.5)]

    weight(c | a, b) = min(3, p(c | a, b) + rate n(a b c))

with p counted in the corpus and n in the text; a pair keeps its 12 likeliest followers of each.
Source: Liu et al. 2024 (arXiv:2407.12021), section 3.1. The authors' code adds 0.04 at every call
to each triple of the last 16 tokens: 0.2 to 0.5 in all, as the calls write many tokens or few. Here
each triple counts once, with a `rate` of that order, so that what is learnt does not depend on how
the text was decoded.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

RATE: Final = 0.3
MOST: Final = 3.0
KEPT: Final = 12  # followers of a pair, of the corpus and of the text

Pair = tuple[int, int]
Followers = Mapping[int, float]


@dataclass(eq=False)
class Trigrams:
    """`base`: the corpus, which may be shared; `own`: how often each triple stood in the text."""

    base: Mapping[Pair, Followers] = field(default_factory=dict, repr=False)
    own: dict[Pair, Counter[int]] = field(default_factory=dict, repr=False)
    name: str = "nothing"  # of the corpus
    rate: float = RATE
    largest: int = -1  # token of the corpus
    _sorted: dict[Pair, list[tuple[int, float]]] = field(
        default_factory=dict, repr=False, init=False
    )

    @staticmethod
    def of(texts: Iterable[Sequence[int]], *, name: str = "corpus") -> "Trigrams":
        """Counted in a corpus of token ids. Raises ValueError for what is none.

        >>> Trigrams.of([[5, 6, 7], [5, 6, 7], [5, 6, 8, 7]]).after(5, 6)
        [(7, 0.6666666666666666), (8, 0.3333333333333333)]
        """
        found: defaultdict[Pair, Counter[int]] = defaultdict(Counter)
        largest = -1
        for text in texts:
            if min(text, default=0) < 0:
                raise ValueError("a corpus is made of token ids, which are 0 or more")
            largest = max(largest, *text, -1)
            for a, b, c in zip(text, text[1:], text[2:], strict=False):
                found[a, b][c] += 1
        base = {pair: _shares(counts) for pair, counts in found.items()}
        return Trigrams(base, name=name, largest=largest)

    def growing(self, *, rate: float = RATE) -> "Trigrams":
        """The same corpus, with nothing of a text yet; `rate` of weight for what it will say."""
        return Trigrams(self.base, name=self.name, rate=rate, largest=self.largest)

    def learn(self, text: Sequence[int]) -> None:
        """Count the triples of a text, or of the next part of one with its last two tokens."""
        for a, b, c in zip(text, text[1:], text[2:], strict=False):
            self.own.setdefault((a, b), Counter())[c] += 1
            self._sorted.pop((a, b), None)

    def after(self, a: int, b: int) -> list[tuple[int, float]]:
        """The followers of two tokens, the strongest first; none where the pair is unknown."""
        found = self._sorted.get((a, b))
        if found is None:
            found = self._sorted[a, b] = self._strongest((a, b))
        return found

    def _strongest(self, pair: Pair) -> list[tuple[int, float]]:
        base, own = self.base.get(pair, {}), dict(_most(self.own.get(pair, Counter())))
        weights = {
            c: min(MOST, base.get(c, 0.0) + self.rate * own.get(c, 0))
            for c in base.keys() | own.keys()
        }
        return sorted(weights.items(), key=lambda each: (-each[1], each[0]))


def _shares(counts: Counter[int]) -> dict[int, float]:
    total = counts.total()
    return {c: n / total for c, n in _most(counts)}


def _most(counts: Counter[int]) -> list[tuple[int, int]]:
    return sorted(counts.items(), key=lambda each: (-each[1], each[0]))[:KEPT]
