"""One's own pairs: a JSONL, TSV or Parquet file, or a Hugging Face data set (folder or name).

    task = OwnPairs("pairs.jsonl", Fields(source="question", target="answer"))
    task.splits(), task.remarks

JSONL has an object a line, whose target may be a list (all of them right). TSV has two columns,
source and target, or a third, the group; tabs alone part them, there is no quoting. Pairs of the
same source, and of the same group where one is given, stay together. A data set that comes in parts
(train, test, perhaps validation) keeps its parts; else they are made here.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from itertools import chain
from pathlib import Path
from typing import Any, Final

from anyorder.data.pairs import Example, Splits, split
from anyorder.measure.quality import of_texts
from anyorder.units.text import TextUnits
from anyorder.units.training import subwords

SUFFIXES: Final = (".jsonl", ".tsv", ".parquet")
LONG: Final = 4000  # characters that have, in most languages, more tokens than a network reads
_HALF: Final = re.compile("[\ud800-\udfff]")  # JSON may hold one; no text can be written with it
_EXTRA: Final = "install what reads them with: pip install 'anyorder[train]'"
_VALID: Final = ("validation", "valid", "dev")  # what the held-out part of a data set is called


@dataclass(frozen=True)
class Fields:
    """Names of the fields (columns); a dot leads into an object: `translation.en`."""

    source: str = "source"
    target: str = "target"
    group: str | None = None


@dataclass(frozen=True)
class Pair:
    """A pair as it was read, and where: "pairs.tsv, line 3"."""

    where: str
    source: str
    targets: tuple[str, ...]
    group: str | None

    @property
    def longest(self) -> int:
        """Characters of its longest text."""
        return max(map(len, (self.source, *self.targets)))

    @property
    def is_empty(self) -> bool:
        """Whether the source, a target or all targets are missing."""
        return not all(text.strip() for text in (self.source, *self.targets)) or not self.targets


@dataclass(frozen=True)
class OwnPairs:
    """Pairs of a file or a data set. `valid` and `test` are shares of the groups (see
    `data.pairs.split`); `vocabulary` is the size of each side's subwords.
    """

    place: str
    fields: Fields = Fields()
    valid: float = 0.05
    test: float = 0.05
    vocabulary: int = 4000

    @property
    def name(self) -> str:
        """What it is called in commands and results: where the pairs come from."""
        return self.place

    @property
    def remarks(self) -> tuple[str, ...]:
        """A sentence each on what can't be used: empty sides, and very long ones."""
        every = [pair for part in self._parts.values() for pair in part]
        empty = [pair.where for pair in every if pair.is_empty]
        long = [pair.where for pair in every if pair.longest > LONG]
        told: list[str] = []
        if empty:
            left = "1 pair has" if len(empty) == 1 else f"{len(empty)} pairs have"
            told.append(
                f"{left} an empty source or target and can't be used (the first: {empty[0]})"
            )
        if long:
            left = "1 pair has" if len(long) == 1 else f"{len(long)} pairs have"
            told.append(
                f"{left} a text of more than {LONG} characters (the first: {long[0]}): what is "
                "more than 1024 tokens long is not learnt, and in a test it counts as not "
                "translated; cut such texts into sentences"
            )
        return tuple(told)

    def splits(self) -> Splits:
        """The pairs, shared out. Raises ValueError, with file and line, for what are none."""
        parts = {name: _joined(pairs) for name, pairs in self._parts.items()}
        if not any(parts.values()):
            raise ValueError(f"{self.place} has no pairs")
        if "train" not in parts or len(parts) == 1:
            return split(list(chain(*parts.values())), valid=self.valid, test=self.test)
        valid = next((parts[name] for name in _VALID if parts.get(name)), ())
        test = parts.get("test", ())
        made = split(
            parts["train"], valid=0.0 if valid else self.valid, test=0.0 if test else self.test
        )
        return Splits(made.train, valid or made.valid, test or made.test)

    def all(self) -> tuple[Example, ...]:
        """Every pair that can be used, whatever part it is in. Raises as `splits` does."""
        return _joined(chain(*self._parts.values()))

    def units(self, train: Sequence[Example]) -> tuple[TextUnits, TextUnits]:
        """Subwords of each side."""
        targets = chain(*(example.targets for example in train))
        sources = (example.source for example in train)
        return subwords(sources, size=self.vocabulary), subwords(targets, size=self.vocabulary)

    def scores(self, hypotheses: Sequence[str], examples: Sequence[Example]) -> dict[str, float]:
        """`exact`, `edit_rate` (in words), `repeated_rate`; and with sacrebleu `bleu`, `chrf`."""
        return of_texts(hypotheses, [example.targets for example in examples])

    @cached_property
    def _parts(self) -> dict[str, list[Pair]]:
        return read(self.place, self.fields)


def read(place: str, fields: Fields) -> dict[str, list[Pair]]:
    """All pairs of a file or a data set, by part; a file is one part, "".

    Raises ValueError, with file and line, for what can't be read or are no pairs.
    """
    path = Path(place)
    if path.is_file():
        readers = {".jsonl": _jsonl, ".tsv": _tsv, ".parquet": _parquet}
        if path.suffix not in readers:
            raise ValueError(f"{place} is of no kind that can be read: {', '.join(SUFFIXES)}")
        return {"": list(readers[path.suffix](path, fields))}
    return {
        name: [_pair(f"{place}, {name} row {n}", row, fields) for n, row in enumerate(rows, 1)]
        for name, rows in _data_set(place).items()
    }


def _jsonl(path: Path, fields: Fields) -> Iterator[Pair]:
    for where, line in _lines(path):
        try:
            row = json.loads(line)
        except ValueError as error:
            raise ValueError(f"{where}: this is no JSON") from error
        if not isinstance(row, dict):
            raise ValueError(f"{where}: this is no object with fields")
        yield _pair(where, row, fields)


def _tsv(path: Path, fields: Fields) -> Iterator[Pair]:
    for number, (where, line) in enumerate(_lines(path)):
        cells = line.split("\t")
        if not 2 <= len(cells) <= 3:
            found = "one column alone" if len(cells) == 1 else f"{len(cells)} columns"
            raise ValueError(
                f"{where}: {found}; there must be source and target, or source, target and group, "
                "with tabs between them"
            )
        if number or cells[:2] != [fields.source, fields.target]:  # else it is the header
            yield Pair(where, cells[0], (cells[1],), cells[2] if len(cells) == 3 else None)


def _parquet(path: Path, fields: Fields) -> Iterator[Pair]:
    try:
        pyarrow, parquet = import_module("pyarrow"), import_module("pyarrow.parquet")
    except ImportError as error:
        raise ValueError(f"{path} is a Parquet file; {_EXTRA}") from error
    try:
        rows = parquet.read_table(path).to_pylist()
    except pyarrow.ArrowException as error:
        raise ValueError(f"{path} is no Parquet file, or damaged") from error
    for number, row in enumerate(rows, 1):
        yield _pair(f"{path}, row {number}", row, fields)


def _data_set(place: str) -> Mapping[str, Iterable[Mapping[str, Any]]]:
    """The parts of a data set of the `datasets` library, saved in a folder or known by name."""
    try:
        datasets = import_module("datasets")
    except ImportError as error:
        raise ValueError(f"{place} is no file; if it is a data set, {_EXTRA}") from error
    saved = any((Path(place) / name).is_file() for name in ("dataset_dict.json", "state.json"))
    try:
        found = datasets.load_from_disk(place) if saved else datasets.load_dataset(place)
    except (OSError, ValueError, import_module("datasets.exceptions").DatasetsError) as error:
        why = str(error).strip().splitlines()[0]
        raise ValueError(f"{place} is no file, and no data set that can be read: {why}") from error
    return {"": found} if isinstance(found, datasets.Dataset) else dict(found)


def _lines(path: Path) -> Iterator[tuple[str, str]]:
    """Lines with their places. Raises ValueError for what is no text, and an empty line within."""
    content = path.read_bytes()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        number = content[: error.start].count(b"\n") + 1
        raise ValueError(f"{path}, line {number}: this is no UTF-8 text") from error
    for number, line in enumerate(text.rstrip("\r\n").split("\n"), 1):
        if not line.strip() and text.strip():
            raise ValueError(f"{path}, line {number}: the line is empty; remove or complete it")
        if line.strip():
            yield f"{path}, line {number}", line.removesuffix("\r")


def _pair(where: str, row: Mapping[str, Any], fields: Fields) -> Pair:
    source, target = (_value(where, row, name) for name in (fields.source, fields.target))
    targets = target if isinstance(target, list) else [target]
    texts = ["" if text is None else text for text in (source, *targets)]
    if not all(isinstance(text, str) for text in texts):
        raise ValueError(f"{where}: {fields.source!r} and {fields.target!r} must be texts")
    if any(map(_HALF.search, texts)):
        raise ValueError(f"{where}: a text has half a character (a lone surrogate)")
    group = None if fields.group is None else str(_value(where, row, fields.group))
    return Pair(where, texts[0], tuple(texts[1:]), group)


def _value(where: str, row: Mapping[str, Any], name: str) -> Any:
    """A field by its name, or by its path through objects."""
    if name in row:
        return row[name]
    outer, dot, inner = name.partition(".")
    if dot and isinstance(row.get(outer), Mapping):
        return _value(where, row[outer], inner)
    raise ValueError(f"{where}: there is no field {name!r}; there is {', '.join(row) or 'none'}")


def _joined(pairs: Iterable[Pair]) -> tuple[Example, ...]:
    """The pairs that have text on both sides; those of one source and group are one example."""
    found: dict[tuple[str, str], dict[str, None]] = {}  # an inner dict is a set with an order
    for pair in pairs:
        if not pair.is_empty:
            key = (pair.source if pair.group is None else pair.group, pair.source)
            found.setdefault(key, {}).update(dict.fromkeys(pair.targets))
    return tuple(Example(source, tuple(t), group) for (group, source), t in found.items())
