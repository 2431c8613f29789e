"""Old English made new: verses of the King James Version, as the World English Bible has them.

    task = Modernise()
    task.splits().train[0].source                 # "In the beginning God created the heaven ..."

Targets repeat much of their sources, so both sides have one vocabulary, and a decoder may copy.
The verses come out of the Debian packages `sword-text-kjv` and `sword-text-web` (both texts are in
the public domain; "World English Bible" is a trademark of eBible.org), or out of package files that
the user has. What was built is kept in the cache folder, with its licence and its origin.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from anyorder.data.packages import keep, licence, of_debian, origin
from anyorder.data.pairs import Example, Splits, split
from anyorder.data.sword import verses_of
from anyorder.folders import cache_dir
from anyorder.measure.quality import of_texts
from anyorder.units.text import TextUnits
from anyorder.units.training import subwords

Verses = Mapping[str, Mapping[int, str]]  # by chapter and number

_PACKAGES: Final = ("sword-text-kjv", "sword-text-web")


@dataclass(frozen=True)
class Modernise:
    """Verses of at most `longest` words; `valid` and `test` are shares of the chapters.
    `vocabulary` is the size of the subwords of both sides; `packages` are the package files of the
    old and the new text, if one has them. Raises ValueError for a length that nothing has.
    """

    longest: int = 60
    valid: float = 0.04
    test: float = 0.08
    vocabulary: int = 2000
    packages: tuple[Path, Path] | None = None

    def __post_init__(self) -> None:
        if self.longest < 1:
            raise ValueError(f"no verse has {self.longest} words or fewer")

    @property
    def name(self) -> str:
        """What it is called in commands and results."""
        return "modernise"

    def splits(self) -> Splits:
        """The verses, shared out by chapter; downloaded and built once. A verse that comes again is
        there once; so none that is tested is learnt.

        Raises OSError where they can't be fetched, ValueError for packages that are none.
        """
        kept = [
            pair
            for pair in self._pairs()
            if all(len(side.split()) <= self.longest for side in (pair.source, *pair.targets))
        ]
        return split(kept, valid=self.valid, test=self.test)

    def units(self, train: Sequence[Example]) -> tuple[TextUnits, TextUnits]:
        """Subwords of both sides: the same units twice."""
        made = subwords(
            [text for example in train for text in (example.source, *example.targets)],
            size=self.vocabulary,
        )
        return made, made

    def scores(self, hypotheses: Sequence[str], examples: Sequence[Example]) -> dict[str, float]:
        """`exact`, `edit_rate` (in words), `repeated_rate`; and with sacrebleu `bleu`, `chrf`."""
        return of_texts(hypotheses, [example.targets for example in examples])

    def _pairs(self) -> list[Example]:
        """All pairs, of any length."""
        if self.packages is not None:
            return matched(*map(verses_of, self.packages))
        folder = cache_dir() / "bible"
        kept = folder / "kjv-web.tsv"
        if not kept.is_file():
            _build(folder)
        rows = (line.split("\t") for line in kept.read_text(encoding="utf-8").splitlines())
        return [Example(source, (target,), chapter) for chapter, source, target in rows]


def matched(old: Verses, new: Verses) -> list[Example]:
    """Verses with the same chapter and number; those that one lacks, and repeated sources, left
    out; those that are the same stay, for an editor must know what to leave.

    Raises ValueError where nothing is common.

    >>> matched({"Gen.1": {1: "Thou", 2: "And"}}, {"Gen.1": {1: "You"}})
    [Example(source='Thou', targets=('You',), group='Gen.1')]
    """
    found: dict[str, Example] = {}
    for chapter, verses in old.items():
        for number, source in verses.items():
            target = new.get(chapter, {}).get(number, "")
            if target and source not in found:
                found[source] = Example(source, (target,), chapter)
    if not found:
        raise ValueError("the two packages have no verses in common")
    return list(found.values())


def _build(folder: Path) -> None:
    """Download the packages and write the pairs, their licences and their origin."""
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".part-", dir=folder) as part:
        packages = of_debian(_PACKAGES, Path(part))
        pairs = matched(*map(verses_of, packages))
        files = {
            "kjv-web.origin.txt": "\n".join(map(origin, packages)),
            "LICENSE": "\n\n".join(map(licence, packages)),
            "kjv-web.tsv": "\n".join(
                f"{pair.group}\t{pair.source}\t{pair.targets[0]}" for pair in pairs
            ),
        }
        keep(files, Path(part), folder)
