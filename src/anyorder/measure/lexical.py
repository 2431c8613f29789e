"""Whether the right words are chosen, and rare ones as well as common ones.

    classes = Classes.of(rows_of_words)           # of the training texts
    lexical_accuracy(sources, hypotheses, targets, links, classes)
    word_recall(hypotheses, targets, classes)

Texts are rows of words; links say which word of a source and of its target belong together. Knows
nothing of models or aligners.
Source: Ding et al. 2021, "Understanding and Improving Lexical Choice in Non-Autoregressive
Translation" (arXiv:2012.14583), accuracy of lexical choice. There it is the model's probability of
the right word; here it is counted in what was written, as in the authors' script.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from jaxtyping import Bool

Words = Sequence[str]
Links = Bool[np.ndarray, "_ _"]  # S source words, T target words

NAMES: Final = ("low", "medium", "high")


@dataclass(frozen=True)
class Classes:
    """Words by how often they occur: a third of all different words is `low`, a third `medium`, a
    third `high`; words that occur as often as each other go together, to the rarer class.
    """

    count: Mapping[str, int] = field(repr=False)
    low: int  # words of `low` occur so often at most
    medium: int

    @staticmethod
    def of(rows: Iterable[Words]) -> "Classes":
        """
        >>> classes = Classes.of([["a", "a", "a", "b", "b", "c"], ["a"]])
        >>> [classes.name(word) for word in "abcd"]
        ['high', 'medium', 'low', None]
        """
        count = Counter(word for row in rows for word in row)
        often = sorted(count.values()) or [0]
        at = [max(0, len(often) * part // 3 - 1) for part in (1, 2)]
        return Classes(count, low=often[at[0]], medium=often[at[1]])

    def name(self, word: str) -> str | None:
        """The class of a word; None for one that does not occur."""
        often = self.count.get(word, 0)
        if not often:
            return None
        return NAMES[(often > self.low) + (often > self.medium)]


def lexical_accuracy(
    sources: Sequence[Words],
    hypotheses: Sequence[Words],
    targets: Sequence[Words],
    links: Sequence[Links],
    classes: Classes,
) -> dict[str, float]:
    """`lexical_accuracy`: of the linked source words, the share whose word in the target was
    written, wherever it stands; and the same of the source words of each class,
    `lexical_accuracy_low` and so on (0 where there is none). A word that was written once is right
    once. Raises ValueError where rows do not match.

    >>> import numpy as np
    >>> classes = Classes.of([["the", "the", "cat"]])
    >>> links = [np.eye(2, dtype=bool)]
    >>> found = lexical_accuracy([["the", "cat"]], [["der"]], [["der", "Kater"]], links, classes)
    >>> found["lexical_accuracy"], found["lexical_accuracy_low"], found["lexical_accuracy_high"]
    (0.5, 0.0, 1.0)
    """
    _same(len(sources), len(hypotheses), len(targets), len(links))
    found = _Shares("lexical_accuracy", classes)
    for source, written, target, links_ST in zip(sources, hypotheses, targets, links, strict=True):
        left = Counter[str](written)
        for i, j in np.argwhere(links_ST).tolist():
            found.add(source[i], right=left[target[j]] > 0)
            left[target[j]] -= 1
    return found.shares()


def word_recall(
    hypotheses: Sequence[Words], targets: Sequence[Words], classes: Classes
) -> dict[str, float]:
    """`recall`: of the words of the targets, the share that was written, wherever it stands; and
    that of each class, `recall_low` and so on (0 where there is none). Raises ValueError where rows
    do not match.

    >>> classes = Classes.of([["der", "der", "Kater"]])
    >>> word_recall([["der", "der"]], [["der", "Kater"]], classes)["recall_low"]
    0.0
    """
    _same(len(hypotheses), len(targets))
    found = _Shares("recall", classes)
    for written, target in zip(hypotheses, targets, strict=True):
        left = Counter[str](written)
        for word in target:
            found.add(word, right=left[word] > 0)
            left[word] -= 1
    return found.shares()


class _Shares:
    """How many words were right, in all and of each class."""

    def __init__(self, name: str, classes: Classes) -> None:
        self.name, self.classes = name, classes
        self.right, self.all = Counter[str](), Counter[str]()

    def add(self, word: str, *, right: bool) -> None:
        """One more word; those that the classes do not know count in all alone."""
        of = self.classes.name(word)
        for name in (self.name, *([f"{self.name}_{of}"] if of else [])):
            self.right[name] += right
            self.all[name] += 1

    def shares(self) -> dict[str, float]:
        """In all, and of each class."""
        every = (self.name, *(f"{self.name}_{of}" for of in NAMES))
        return {name: self.right[name] / max(1, self.all[name]) for name in every}


def _same(*lengths: int) -> None:
    if len(set(lengths)) > 1:
        raise ValueError(f"there are {' and '.join(map(str, lengths))} rows; they do not match")
