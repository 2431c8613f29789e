"""What a beam asks of a language model, and the tree of texts that a beam has met.

    class Bigrams:                                       # any class with these three methods
        def start(self): return 0
        def extend(self, state, token): return token, self.table[state, token]
        def end(self, state): return self.table[state, EOS]

    prefix_beam(lattice, width=8, language_model=Bigrams(), weight=0.4, bonus=0.2)

The state is the model's own affair. A text is asked for once, however often a beam comes by it.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, runtime_checkable


@runtime_checkable
class Scorer(Protocol):
    """Log-probabilities of texts, token by token: an n-gram model, say."""

    def start(self) -> Any:
        """The state before the first token."""
        ...

    def extend(self, state: Any, token: int) -> tuple[Any, float]:
        """The state after `token`, and its log-probability."""
        ...

    def end(self, state: Any) -> float:
        """The log-probability that the text ends here."""
        ...


@dataclass(frozen=True)
class Spelled:
    """A text that a beam found.

    `logp`: under the lattice, over the paths that the beam kept. `score`: what the texts were
    ranked by, language model and all.
    """

    tokens: tuple[int, ...]
    logp: float
    score: float


class Node(NamedTuple):
    """A text: the one before its last token (-1: there is none), that token, its state, and its
    score (log-probability under the language model times the weight, and the bonuses).
    """

    parent: int
    token: int
    state: Any
    score: float


class Prefixes:
    """A tree of texts, so that equal texts are the same node; node 0 is the empty text.

    `weight` and `bonus`: score of a text = weight * log p(text) + bonus * tokens.

    >>> tree = Prefixes(bonus=0.5)
    >>> node = tree.child(tree.child(0, 7), 8)
    >>> tree.text(node), tree.nodes[node].score
    ((7, 8), 1.0)
    """

    def __init__(
        self, language_model: Scorer | None = None, *, weight: float = 1.0, bonus: float = 0.0
    ) -> None:
        # A model of no weight is not asked: even -inf would count for nothing.
        self.language_model = language_model if weight else None
        self.weight, self.bonus = weight, bonus
        state = self.language_model.start() if self.language_model else None
        self.nodes = [Node(-1, -1, state, 0.0)]
        self._children: dict[tuple[int, int], int] = {}

    def child(self, node: int, token: int) -> int:
        """The text of `node` and one token more."""
        found = self._children.get((node, token))
        if found is None:
            _, _, state, score = self.nodes[node]
            score += self.bonus
            if self.language_model:
                state, logp = self.language_model.extend(state, token)
                score += self.weight * float(logp)
            found = self._children[node, token] = len(self.nodes)
            self.nodes.append(Node(node, token, state, score))
        return found

    def ended(self, node: int) -> float:
        """The score of the text with its end."""
        score = self.nodes[node].score
        if self.language_model:
            score += self.weight * float(self.language_model.end(self.nodes[node].state))
        return score

    def text(self, node: int) -> tuple[int, ...]:
        """The tokens from the first to the last."""
        tokens: list[int] = []
        while node:
            tokens.append(self.nodes[node].token)
            node = self.nodes[node].parent
        return tuple(reversed(tokens))
