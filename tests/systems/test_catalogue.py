"""The folder is the registry: who has a file is there, who was measured besides works."""

import re
import tomllib
from collections import Counter
from pathlib import Path

import pytest

import anyorder
from anyorder.decode.catalogue import decoders
from anyorder.measure.results import Finding, Measured, Result, read, write
from anyorder.systems import catalogue
from anyorder.systems.catalogue import Listed, find, listed, result, results, system, table
from anyorder.systems.page import FAMILIES
from anyorder.systems.reproduce import judged
from tests.laws.parallel import PARALLEL
from tests.laws.subjects import SUBJECTS, sized

ROOT = Path(anyorder.__file__).parents[2]
BUILT = [line for line in listed() if line.file.is_file()]
MEASURED = [line for line in BUILT if result(line.slug) is not None]

every_system = pytest.mark.parametrize("line", BUILT, ids=lambda line: line.slug)


def some_result(slug: str, number: int) -> Result:
    return Result(
        slug=slug,
        number=number,
        commit="",
        versions={},
        machine={},
        seconds=1.0,
        seeds=["0", "1"],
        rows=[Measured(slug, {"calls": [1.0, 1.0]})],
        claims=[Finding("A claim.", "partly", 1.0, 0.0, 1.0)],
    )


def test_all_182_are_listed_once() -> None:
    assert [line.number for line in listed()] == list(range(1, 183))
    assert max(Counter(line.slug for line in listed()).values()) == 1
    assert {line.family for line in listed()} == set(FAMILIES)
    assert all(re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", line.slug) for line in listed())
    assert all(line.title == line.title.strip() != "" for line in listed())


def test_no_file_is_without_a_line() -> None:
    files = {f for family in FAMILIES for f in (catalogue.HERE / family).glob("*.py")}
    unknown = {f for f in files if f.name != "__init__.py"} - {line.file for line in BUILT}
    assert not unknown


@every_system
def test_it_is_named_after_its_line(line: Listed) -> None:
    it = system(line.slug)
    assert (it.number, it.slug, it.family) == (line.number, line.slug, line.family)


@every_system
def test_its_decoders_are_under_the_laws(line: Listed) -> None:
    it = system(line.slug)
    subjects = {type(make(sized(6), 6)) for make in SUBJECTS.values()}
    subjects |= {type(decoder) for decoder, _ in PARALLEL.values()}
    assert set(it.parts) & set(decoders().values()) <= subjects
    assert it.laws
    for law in it.laws:
        assert f"| {law} |" in (ROOT / "docs" / "laws.md").read_text(encoding="utf-8")


@every_system
def test_its_own_laws_are_there(line: Listed) -> None:
    for law in system(line.slug).own_laws:
        file, _, name = law.partition("::")
        assert f"def {name}(" in (ROOT / file).read_text(encoding="utf-8")


@every_system
def test_it_says_how_it_works_and_where_from(line: Listed) -> None:
    it = system(line.slug)
    assert 2 <= it.mechanism.count(". ") + 1 <= 5
    assert re.search(r"\d{4}", it.paper)
    assert 0 < it.minutes <= 600  # a night
    assert len({claim.text for claim in it.claims}) == len(it.claims)


@pytest.mark.parametrize("line", MEASURED, ids=lambda line: line.slug)
def test_verdicts_are_what_the_rows_say(line: Listed) -> None:
    measured = result(line.slug)
    assert measured is not None
    assert measured.number == line.number
    assert judged(system(line.slug), measured.rows) == measured.claims


def test_every_result_belongs_to_a_system() -> None:
    others = (
        "alignments",
        "batches-",
        "copies-",
        "graphics-",
        "exactness-",
        "other-ways-",
        "peers-",
        "perplexity-",
        "second-ways",
        "serve-",
        "spec-bench-",
        "head-",
    )
    others += ("translate-",)
    for path in results().glob("*.json"):
        if not path.name.startswith(others) and not path.name.endswith(".partial.json"):
            assert system(path.stem).number == read(path).number


def test_a_system_works_when_it_was_measured(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(catalogue, "results", lambda: tmp_path)
    assert {row.status for row in table()} == {"open"}
    write(some_result("token-recycling", 174), tmp_path)
    write(some_result("sigma-gpt", 20), tmp_path)  # a result without a file
    working = [row for row in table() if row.status == "works"]
    assert [(row.slug, row.verdicts) for row in working] == [("token-recycling", ("partly",))]


def test_an_installed_package_has_its_results_inside(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert results() == ROOT / "results"
    monkeypatch.setattr(catalogue, "root", lambda: None)
    assert results() == ROOT / "src" / "anyorder" / "results"


def test_the_wheel_takes_results_and_data_along() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    targets = project["tool"]["hatch"]["build"]["targets"]
    along = {"results": "anyorder/results", "assets": "anyorder/assets"}
    assert targets["wheel"]["force-include"] == along
    for folder in along:
        assert f"{folder}/" not in targets.get("sdist", {}).get("exclude", [])
        assert (ROOT / folder).is_dir(), "or nothing can be built"


def test_an_unknown_name_gets_a_hint() -> None:
    with pytest.raises(ValueError, match="did you mean token-recycling"):
        find("token-recyling")
    with pytest.raises(ValueError, match="`anyorder systems` lists them all"):
        find("qqqqqqqqqqqq")


def test_an_open_system_is_said_to_be_open() -> None:
    built = {line.slug for line in BUILT}
    open_one = next(line.slug for line in listed() if line.slug not in built)
    with pytest.raises(ValueError, match=r"is still open.*token-recycling"):
        system(open_one)
