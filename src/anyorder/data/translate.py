"""Translation: the help pages of LibreOffice, from English, paragraph by paragraph.

    task = Translate("de")                        # or "fr", or any language that has the pages
    task.splits().train[0].source

The pages come out of the Debian packages `libreoffice-help-*` (MPL-2.0), or out of package files
that the user has; a paragraph has the same id in every language. What was built is kept in the
cache folder, with its licence and its origin. The default keeps short sentences, which small models
can learn.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html.parser import HTMLParser
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from anyorder.data.packages import files_of, keep, licence, of_debian, origin
from anyorder.data.pairs import Example, Splits, split
from anyorder.folders import cache_dir
from anyorder.measure.quality import bleu, chrf, exact, repeated_rate
from anyorder.units.text import TextUnits
from anyorder.units.training import subwords

_PAGE: Final = re.compile(r"usr/(?:share|lib)/libreoffice/help/[^/]+/(text/.+\.html)")
_BLOCKS: Final = ("p", "h1", "h2", "h3", "h4", "td", "li")


@dataclass(frozen=True)
class Translate:
    """English to `language`. Both sides have `shortest` to `longest` words; `vocabulary` is the
    size of each side's subwords; `packages` are the English and the other package file, if one has
    them. Raises ValueError for what is no language code, and lengths that nothing has.
    """

    language: str = "de"
    shortest: int = 4
    longest: int = 25
    valid: float = 0.04
    test: float = 0.08
    vocabulary: int = 2000
    packages: tuple[Path, Path] | None = None

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z]{2,3}(-[a-z]+)?", self.language):
            raise ValueError(f"{self.language!r} is no language code such as 'de'")
        if not 1 <= self.shortest <= self.longest:
            raise ValueError(f"no sentence has {self.shortest} to {self.longest} words")

    @property
    def name(self) -> str:
        """What it is called in commands and results."""
        return f"translate-en-{self.language}"

    def splits(self) -> Splits:
        """The pairs, shared out by page; downloaded and built once.

        Raises OSError where they can't be fetched, ValueError for packages that are none.
        """
        lengths = range(self.shortest, self.longest + 1)
        kept = [
            pair
            for pair in self._pairs()
            if all(len(side.split()) in lengths for side in (pair.source, *pair.targets))
        ]
        return split(kept, valid=self.valid, test=self.test)

    def units(self, train: Sequence[Example]) -> tuple[TextUnits, TextUnits]:
        """Subwords of each side."""
        sources = [example.source for example in train]
        targets = [target for example in train for target in example.targets]
        return subwords(sources, size=self.vocabulary), subwords(targets, size=self.vocabulary)

    def scores(self, hypotheses: Sequence[str], examples: Sequence[Example]) -> dict[str, float]:
        """`repeated_rate` and `exact`; with sacrebleu `bleu` and `chrf`, too."""
        targets = [example.targets for example in examples]
        found = {"repeated_rate": repeated_rate(hypotheses), "exact": exact(hypotheses, targets)}
        if find_spec("sacrebleu") is not None:
            found["bleu"] = bleu(hypotheses, targets).value
            found["chrf"] = chrf(hypotheses, targets).value
        return found

    def _pairs(self) -> list[Example]:
        """All pairs, long and short ones."""
        if self.packages is not None:
            english, other = self.packages
            return aligned(pages_of(english), pages_of(other))
        folder = cache_dir() / "libreoffice-help"
        kept = folder / f"en-{self.language}.tsv"
        if not kept.is_file():
            _build(self.language, folder)
        rows = (line.split("\t") for line in kept.read_text(encoding="utf-8").splitlines())
        return [Example(source, (target,), page) for page, source, target in rows]


def pages_of(package: Path) -> dict[str, dict[str, str]]:
    """The help pages of a package, in the order of their names: paragraphs by id."""
    texts: dict[str, str] = {}
    for name, content in files_of(package, lambda name: name.endswith(".html")):
        if page := _PAGE.fullmatch(name):
            texts[page[1]] = content.decode()
    return {page: paragraphs(texts[page]) for page in sorted(texts)}


def aligned(
    english: Mapping[str, Mapping[str, str]], other: Mapping[str, Mapping[str, str]]
) -> list[Example]:
    """Paragraphs with the same page and id; those not translated, and repeated sources, left out.

    Raises ValueError where nothing is common.

    >>> english = {"a.html": {"1": "Open", "2": "OK", "3": "Open"}}
    >>> aligned(english, {"a.html": {"1": "Öffnen", "2": "OK", "3": "Auf"}})
    [Example(source='Open', targets=('Öffnen',), group='a.html')]
    """
    found: dict[str, Example] = {}
    for page, texts in english.items():
        for name, source in texts.items():
            target = other.get(page, {}).get(name, "")
            if target and source not in ("", target) and source not in found:
                found[source] = Example(source, (target,), page)
    if not found:
        raise ValueError("the two packages have no help pages in common")
    return list(found.values())


def paragraphs(html: str) -> dict[str, str]:
    """The text of every paragraph, heading, cell and list item that has an id; white space folded.

    A second one with the same id (pages are put together of others) is called "id 2", and so on.

    >>> paragraphs('<p id="a">One <b>two</b>\\n three</p><p>no id</p><h1 id="b">Four</h1>')
    {'a': 'One two three', 'b': 'Four'}
    """
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return {name: " ".join("".join(parts).split()) for name, parts in reader.found.items()}


class _Reader(HTMLParser):
    """Collects text into the block that it stands in; blocks do not nest here."""

    def __init__(self) -> None:
        super().__init__()
        self.found: dict[str, list[str]] = {}
        self._met = Counter[str]()
        self._open: tuple[str, list[str]] | None = None  # tag and text of the block

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """A block begins, and with it the last one ends."""
        if tag in _BLOCKS:
            self._open = None
            if name := dict(attrs).get("id"):
                self._met[name] += 1
                key = name if self._met[name] == 1 else f"{name} {self._met[name]}"
                self._open = (tag, self.found.setdefault(key, []))

    def handle_endtag(self, tag: str) -> None:
        """The block ends."""
        if self._open is not None and tag == self._open[0]:
            self._open = None

    def handle_data(self, data: str) -> None:
        """Text, of the block that is open."""
        if self._open is not None:
            self._open[1].append(data)


def _build(language: str, folder: Path) -> None:
    """Download the packages and write the pairs, their licence and their origin."""
    names = [f"libreoffice-help-{side}" for side in ("en-us", language)]
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".part-", dir=folder) as part:
        packages = of_debian(names, Path(part))
        pairs = aligned(*map(pages_of, packages))
        files = {
            f"en-{language}.origin.txt": "\n".join(map(origin, packages)),
            "LICENSE": licence(packages[0]),
            f"en-{language}.tsv": "\n".join(
                f"{pair.group}\t{pair.source}\t{pair.targets[0]}" for pair in pairs
            ),
        }
        keep(files, Path(part), folder)
