"""Measured results as files: `results/<slug>.json` of a system, `results/peers-<name>.json`.

    write(result, Path("results"))
    result = read(Path("results/token-recycling.json"))
    write_peers(peers, Path("results/peers-smollm2.json"))

A file has exactly the fields of the dataclasses here, so that tables and checks read all alike; a
file that differs is refused with a sentence that names the field. Writing is atomic. What a number
means is not known here: the verdicts come in from whoever judged the rows.
"""

import json
import math
import os
import types
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from statistics import fmean, stdev
from tempfile import NamedTemporaryFile
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

Verdict = Literal["holds", "partly", "not at this scale"]
Engine = Literal["anyorder", "transformers", "llama.cpp", "ctranslate2"]
Precision = Literal["float32", "bfloat16", "int8", "own"]  # own: as the file has it
Fact = str | int | float
T = TypeVar("T")


@dataclass(frozen=True)
class Measured:
    """A row: for each metric one value a seed."""

    system: str
    metric: dict[str, list[float]]


@dataclass(frozen=True)
class Finding:
    """A claim and what came of it: the mean `value`, the bar `against` it, and the `spread`.

    `spread` is the sample standard deviation of the distance to the bar, seed by seed: a claim
    holds if the mean distance is larger. It is 0 where there is one seed alone.
    """

    text: str
    verdict: Verdict
    value: float
    spread: float
    against: float


@dataclass(frozen=True, kw_only=True)
class Result:
    """What `reproduce` measured. `seeds` says what each seed stands for; `seconds` is all of it."""

    slug: str
    number: int
    commit: str
    versions: dict[str, str]
    machine: dict[str, Fact]
    seconds: float
    seeds: list[str]
    rows: list[Measured]
    claims: list[Finding]

    def __post_init__(self) -> None:
        for row in self.rows:
            for name, values in row.metric.items():
                if len(values) != len(self.seeds):
                    raise ValueError(
                        f"{name} of {row.system} has {len(values)} values for "
                        f"{len(self.seeds)} seeds"
                    )


@dataclass(frozen=True, kw_only=True)
class Peer:
    """One engine with one decoder on one task. `tokens_per_s` is a median, `spread` its range.

    `ratio` holds this row's tokens/s over those of other rows, by their names. What an engine
    does not tell (calls, whether the text is the same) is None.
    """

    engine: Engine
    decoder: str
    model: str
    task: str
    precision: Precision
    batch: int
    tokens_per_s: float
    spread: float
    calls: float | None
    tokens_per_call: float | None
    same_text: bool | None
    ratio: dict[str, float]


@dataclass(frozen=True, kw_only=True)
class Peers:
    """A benchmark against other engines, in one run on one machine."""

    commit: str
    versions: dict[str, str]
    machine: dict[str, Fact]
    rows: list[Peer]


def write(result: Result, folder: Path) -> Path:
    """Write `<slug>.json` into `folder` (made if need be); the path of the file."""
    path = folder / f"{result.slug}.json"
    write_json(asdict(result), path)
    return path


def read(path: Path) -> Result:
    """Raises ValueError that names the field which is missing, unknown or of a wrong kind."""
    result = _read(Result, path)
    if result.slug != path.stem:
        raise ValueError(f"{path} holds the result of {result.slug!r}, not of {path.stem!r}")
    return result


def write_peers(peers: Peers, path: Path) -> None:
    """Write a benchmark; the file is named `peers-<name>.json`."""
    if not path.name.startswith("peers-") or path.suffix != ".json":
        raise ValueError(f"{path.name}: a benchmark against peers is named peers-<name>.json")
    write_json(asdict(peers), path)


def read_peers(path: Path) -> Peers:
    """Raises ValueError that names the field which is missing, unknown or of a wrong kind."""
    return _read(Peers, path)


def write_json(data: object, path: Path) -> None:
    """Write all of it or nothing: who reads the file never sees half. Raises ValueError for NaN."""
    try:
        text = json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    except ValueError as error:
        raise ValueError(f"{path.name}: a number is infinite or none at all") from error
    path.parent.mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile("w", dir=path.parent, delete=False, encoding="utf-8") as half:
        try:
            half.write(text)
            half.close()
            os.chmod(half.name, 0o644)
            os.replace(half.name, path)
        except BaseException:
            os.unlink(half.name)
            raise


def spread(values: list[float]) -> float:
    """Sample standard deviation; 0 for a single value.

    >>> spread([1.0, 3.0]), spread([5.0])
    (1.4142135623730951, 0.0)
    """
    return stdev(values) if len(values) > 1 else 0.0


def brief(value: float) -> str:
    """A number as people read it: three digits or all before the point.

    >>> [brief(x) for x in (1234.5, 12.345, 0.01234, 1.0, 0.0)]
    ['1234', '12.3', '0.0123', '1', '0']
    """
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    text = f"{value:.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def mean_and_spread(values: list[float]) -> str:
    """
    >>> mean_and_spread([1.0, 3.0]), mean_and_spread([2.0, 2.0])
    ('2 ± 1.41', '2')
    """
    width = spread(values)
    return brief(fmean(values)) + (f" ± {brief(width)}" if width else "")


def shown(result: Result) -> str:
    """The whole result as plain text: a table of the rows, then the claims with their verdicts."""
    lines = []
    for row in result.rows:
        lines.append(row.system)
        width = max(map(len, row.metric), default=0)
        lines += [f"  {name:{width}}  {mean_and_spread(v)}" for name, v in row.metric.items()]
    for claim in result.claims:
        numbers = f"{brief(claim.value)} against {brief(claim.against)} ± {brief(claim.spread)}"
        lines.append(f"{claim.verdict}: {claim.text} ({numbers})")
    return "\n".join(lines)


def _read(kind: type[T], path: Path) -> T:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is no JSON: {error}") from error
    try:
        return _typed(kind, data, "")
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _typed(kind: Any, data: Any, where: str) -> Any:
    """`data` as `kind`, checked all the way down."""
    if isinstance(kind, type) and hasattr(kind, "__dataclass_fields__"):
        return _record(kind, data, where)
    origin, inner = get_origin(kind), get_args(kind)
    if origin is list and isinstance(data, list):
        return [_typed(inner[0], value, f"{where}[{i}]") for i, value in enumerate(data)]
    if origin is dict and isinstance(data, dict):
        return {name: _typed(inner[1], value, f"{where}.{name}") for name, value in data.items()}
    if origin is Literal and data in inner:
        return data
    if origin in (Union, types.UnionType):
        for one in inner:
            try:
                return _typed(one, data, where)
            except ValueError:
                continue
    if kind is float and isinstance(data, int) and not isinstance(data, bool):
        return float(data)
    if isinstance(kind, type) and origin is None and isinstance(data, kind):
        if not (isinstance(data, bool) and kind is not bool):
            return data
    wanted = kind.__name__ if isinstance(kind, type) and origin is None else str(kind)
    raise ValueError(f"{where} is {json.dumps(data)[:60]}, not {wanted.replace('typing.', '')}")


def _record(kind: Any, data: Any, where: str) -> Any:
    place = where or "the file"
    if not isinstance(data, dict):
        raise ValueError(f"{place} is no object with named fields")
    names = [field.name for field in fields(kind)]
    missing = [name for name in names if name not in data]
    unknown = [name for name in data if name not in names]
    if missing:
        raise ValueError(f"{place} lacks the field {missing[0]!r}")
    if unknown:
        raise ValueError(
            f"{place} has a field {unknown[0]!r} that nobody reads; it has {', '.join(names)}"
        )
    hints = get_type_hints(kind)
    dot = f"{where}." if where else ""
    return kind(**{name: _typed(hints[name], data[name], dot + name) for name in names})
