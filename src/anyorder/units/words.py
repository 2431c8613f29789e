"""Words of a text as they stand there: for aligners and scores, not for models.

    words_of("Open the file.")                    # ["Open", "the", "file", "."]
    text[spans(text)[0][0] : spans(text)[1][1]]   # "Open the": words again as a piece of the text
    known = Numbers.of(["Open the file."])
    known.rows(["Close the file."])               # [[4, 1, 2, 3]]: 4 is whatever is not known

A word is a run of letters and digits, or one other sign.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

_WORD: Final = re.compile(r"\w+|[^\w\s]")


def spans(text: str) -> list[tuple[int, int]]:
    """Where each word begins and ends.

    >>> spans("Open it!")
    [(0, 4), (5, 7), (7, 8)]
    """
    return [found.span() for found in _WORD.finditer(text)]


def words_of(text: str) -> list[str]:
    """
    >>> words_of("Datei-Menü (neu)")
    ['Datei', '-', 'Menü', '(', 'neu', ')']
    """
    return _WORD.findall(text)


@dataclass(frozen=True)
class Numbers:
    """A number for each word of some texts; one more, the last, for all words that they lack."""

    number: Mapping[str, int] = field(repr=False)

    @staticmethod
    def of(texts: Iterable[str]) -> "Numbers":
        """The words in the order in which they come."""
        found = dict.fromkeys(word for text in texts for word in words_of(text))
        return Numbers({word: i for i, word in enumerate(found)})

    @property
    def size(self) -> int:
        """How many numbers there are."""
        return len(self.number) + 1

    def rows(self, texts: Iterable[str]) -> list[list[int]]:
        """The numbers of each text's words.

        >>> Numbers.of(["a b"]).rows(["b a", "c"])
        [[1, 0], [2]]
        """
        unknown = len(self.number)
        return [[self.number.get(word, unknown) for word in words_of(text)] for text in texts]
