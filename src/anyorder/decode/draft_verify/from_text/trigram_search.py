"""Adaptive draft-verification: a tree search over trigrams, which learn from what is written.

    TrigramSearch(size=24)
    TrigramSearch(corpus=Trigrams.of(texts))      # triples of other texts, to begin with

Trigrams are cheap and often wrong. So many continuations are tried in thought before the model is
asked: each search goes down the tree by the PUCT rule, opens one cell, and plays on from there by
chance. The cells that were passed most often are the draft.

    PUCT(c) = Q(c) / N(c) + (32 + ln((N + 9) / 8)) w(c) sqrt(N) / (1 + N(c))

with N visits of the parent, w the weight of c, and Q the sum of what came of its plays: 1 and the
weights of all their steps.
Source: Liu et al. 2024 (arXiv:2407.12021), sections 3.1 to 3.3, and the authors' code, which has
these numbers and 150 searches of 3 tokens. There trigrams are handed on from query to query; here
each text begins with the corpus and its own prompt, all of it. There an opened cell's last child in
no order is visited, every chosen path is drafted with its likeliest follower, and the paths are
then cut to a number of cells; here it is the likeliest child, and the follower stands behind the
last cell of each branch. Chance follows from the row alone, so that no company changes a draft.
Shapes: B rows, K cells.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import final

from anyorder.canvas import Canvas
from anyorder.decode.draft_verify.draft import Draft, Seen, of_rows
from anyorder.decode.draft_verify.from_text.trigrams import RATE, Trigrams
from anyorder.decode.draft_verify.loop import DraftVerify
from anyorder.decode.reading import open_run
from anyorder.decode.sampling import Sampler
from anyorder.models.capability import CausalLM


@dataclass
class Text:
    """What was learnt of one row, and up to which cell."""

    known: Trigrams
    read: int = 0

    def learn(self, tokens: Sequence[int]) -> None:
        """Read on in the row's final cells."""
        if self.known.rate:
            self.known.learn(tokens[max(0, self.read - 2) :])
        self.read = len(tokens)


@final
@dataclass(frozen=True)
class TrigramSearch(DraftVerify):
    """Drafts the `size` most visited cells of a tree that `searches` plays have made, and what most
    likely follows the last of each branch. Plays are `depth` tokens long. A triple of the text
    counts `rate` of what is certain in the corpus; 0: nothing is learnt from the text.
    """

    size: int = 24
    searches: int = 150
    depth: int = 3
    corpus: Trigrams | None = None
    rate: float = RATE

    def __post_init__(self) -> None:
        if min(self.size, self.searches, self.depth) < 1:
            raise ValueError("a trigram search needs a size, searches and a depth of 1 or more")
        if self.rate < 0:
            raise ValueError(f"a triple counts 0 or more, not {self.rate}")

    @property
    def most_drafted(self) -> int:
        return 2 * self.size

    def begin(self, model: CausalLM, canvas: Canvas, sampler: Sampler) -> list[Text]:
        corpus = self.corpus or Trigrams()
        if corpus.largest >= model.vocab_size:
            raise ValueError(
                f"the corpus {corpus.name} has the token {corpus.largest}, and the model knows "
                f"{model.vocab_size} tokens: make it with the model's own tokenizer"
            )
        memory = [Text(corpus.growing(rate=self.rate)) for _ in range(len(canvas.tokens_BN))]
        return self._learnt(memory, canvas)

    def draft(self, memory: list[Text], canvas: Canvas, sampler: Sampler) -> Draft | None:
        rows: list[list[Guess]] = []
        columns = canvas.tokens_BN.tolist(), canvas.frontier_B.tolist(), open_run(canvas).tolist()
        for text, tokens, end, room in zip(memory, *columns, strict=True):
            depth = min(self.depth, room - 1)
            found: list[Guess] = []
            if end >= 2 and depth > 0:
                chance = Random(hash((tokens[end - 2], tokens[end - 1], end)))
                tree = Search(text.known, (tokens[end - 2], tokens[end - 1]), depth, chance)
                found = tree.run(self.searches, self.size, longer=depth < room - 1)
            rows.append(found)
        return of_rows([[(guess.token, guess.parent) for guess in row] for row in rows])

    def observe(self, memory: list[Text], seen: Seen) -> list[Text]:
        return self._learnt(memory, seen.canvas)

    def _learnt(self, memory: list[Text], canvas: Canvas) -> list[Text]:
        """In place, like a cache."""
        rows = zip(canvas.tokens_BN.tolist(), canvas.frontier_B.tolist(), strict=True)
        for text, (tokens, end) in zip(memory, rows, strict=True):
            if end > text.read:
                text.learn(tokens[:end])
        return memory


@dataclass(frozen=True)
class Guess:
    """A cell of a draft, and the one above it: -1 is the root."""

    token: int
    parent: int


class Search:
    """A tree below two tokens; cells are numbered as they come up, and 0 is the root."""

    def __init__(self, known: Trigrams, pair: tuple[int, int], depth: int, chance: Random) -> None:
        self.known, self.limit, self.chance = known, depth, chance
        self.pair, self.above = [pair], [-1]
        self.weight, self.visits, self.score = [0.0], [0], [0.0]
        self.below: list[list[int] | None] = [None]  # None: not opened yet

    def run(self, searches: int, size: int, *, longer: bool) -> list[Guess]:
        """The draft: parents stand before their children. `longer`: with what most likely follows
        the last cell of each branch.
        """
        for _ in range(searches if self.known.after(*self.pair[0]) else 0):
            self._search()
        ranked = sorted(range(1, len(self.pair)), key=lambda cell: (-self.visits[cell], cell))
        chosen = sorted(cell for cell in ranked[:size] if self.visits[cell])
        place = {0: -1} | {cell: k for k, cell in enumerate(chosen)}
        guesses = [Guess(self.pair[cell][1], place[self.above[cell]]) for cell in chosen]
        ends = set(chosen) - {self.above[cell] for cell in chosen}
        for cell in sorted(ends) if longer else []:
            for token, _ in self.known.after(*self.pair[cell])[:1]:
                guesses.append(Guess(token, place[cell]))
        return guesses

    def _search(self) -> None:
        """Down by the rule, one cell opened, a play by chance; what came of it counts for all."""
        cell, path = 0, [0]
        while self.below[cell] and len(path) <= self.limit:
            cell = self._best(cell)
            path.append(cell)
        if self.below[cell] is None and len(path) <= self.limit:
            opened = self.below[cell] = self._opened(cell)
            if opened:
                cell = opened[0]
                path.append(cell)
        gain = 1.0 + sum(self.weight[cell] for cell in path)
        gain += self._play(self.pair[cell], self.limit + 1 - len(path))
        for cell in path:
            self.visits[cell] += 1
            self.score[cell] += gain

    def _best(self, cell: int) -> int:
        """The child of the largest PUCT; one that was never visited comes first."""
        total = self.visits[cell]
        bonus = (32 + math.log((total + 9) / 8)) * math.sqrt(total)
        best, most = -1, -1.0
        for child in self.below[cell] or []:
            count = self.visits[child]
            if not count:
                return child
            value = self.score[child] / count + bonus * self.weight[child] / (1 + count)
            if value > most:
                best, most = child, value
        return best

    def _opened(self, cell: int) -> list[int]:
        """Its followers as new cells, the strongest first."""
        children = []
        for token, weight in self.known.after(*self.pair[cell]):
            children.append(len(self.pair))
            self.pair.append((self.pair[cell][1], token))
            self.above.append(cell)
            self.weight.append(weight)
            self.visits.append(0)
            self.score.append(0.0)
            self.below.append(None)
        return children

    def _play(self, pair: tuple[int, int], steps: int) -> float:
        """The weights of a walk by chance, in proportion to them."""
        gain = 0.0
        for _ in range(steps):
            after = self.known.after(*pair)
            if not after:
                break
            token, weight = drawn(after, self.chance.random())
            gain += weight
            pair = (pair[1], token)
        return gain


def drawn(weighted: Sequence[tuple[int, float]], coin: float) -> tuple[int, float]:
    """The one on whose share of all weights the coin (from 0 to 1) falls.

    >>> drawn([(7, 1.0), (8, 3.0)], 0.5)
    (8, 3.0)
    """
    aim = coin * sum(weight for _, weight in weighted)
    for each in weighted:
        aim -= each[1]
        if aim <= 0:
            return each
    return weighted[-1]
