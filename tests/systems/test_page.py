"""The page says what the results say, and nothing else."""

from dataclasses import replace
from pathlib import Path
from statistics import fmean

import pytest

import anyorder
from anyorder.measure.results import Measured, Verdict, brief, write
from anyorder.systems import catalogue
from anyorder.systems import page as module
from anyorder.systems.catalogue import Row, listed, result, table
from anyorder.systems.families import pages
from anyorder.systems.page import files, main, measurements, open_ones, overview, page, provenance
from anyorder.systems.reproduce import reproduce
from tests.systems.test_catalogue import some_result

ROOT = Path(anyorder.__file__).parents[2]


def test_all_pages_are_up_to_date() -> None:
    for name, text in files().items():
        written = (ROOT / "docs" / name).read_text(encoding="utf-8")
        assert written == text, "run `python -m anyorder.systems.page`"
    there = {path.name for path in (ROOT / "docs" / "families").iterdir()}
    assert {f"families/{name}" for name in there} == set(files()) - {"systems.md"}


def test_every_family_of_which_something_works_has_a_page_that_the_docs_lead_to() -> None:
    made, nav = pages(), (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    for row in table():
        shown = made.get(row.family, "")
        assert (f"## {row.title}\n" in shown) == (row.status == "works"), row.slug
    for name in made:
        assert f"families/{name}.md" in nav, f"add families/{name}.md to mkdocs.yml"


def test_what_a_family_shows_stands_in_the_results() -> None:
    shown = pages()["nat"]
    measured = result("ctc-nat")
    assert measured is not None
    (row,) = (row for row in measured.rows if row.system == "ctc-nat")
    numbers = [brief(fmean(row.metric[name])) for name in ("phoneme_error_rate", "latency_ms")]
    assert f"| ctc-nat | {numbers[0]} | {numbers[1]} |" in shown


def test_every_system_is_on_the_page_once() -> None:
    lines = page().splitlines()
    for line in listed():
        row = [text for text in lines if text.startswith(f"| {line.number} |")]
        assert len(row) == 1, line.slug
        assert line.title in row[0]


def test_a_measured_system_has_a_section(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(catalogue, "results", lambda: tmp_path)
    result = reproduce("token-recycling", quick=True)
    write(result, tmp_path)
    text = page()
    assert "1 of them work" in text.replace("anyorder gathers 182; ", "")
    assert '<a id="token-recycling"></a>' in text
    for claim in result.claims:
        assert f"| {claim.text} | **{claim.verdict}** |" in text
    assert "prompt group 1 of 2 · prompt group 2 of 2" in text


def test_it_can_be_checked_and_written(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(module, "root", lambda: tmp_path)
    (tmp_path / "docs").mkdir()
    assert main(["--check"]) == 1
    assert main([]) == 0
    assert main(["--check"]) == 0
    monkeypatch.setattr(module, "root", lambda: None)
    assert main([]) == 1
    said = capsys.readouterr().out.splitlines()
    names = ", ".join(files())
    assert said[:3] == [f"out of date: {names}", f"wrote {names}", "all pages are up to date"]


def test_rows_with_the_same_metrics_share_a_table() -> None:
    same = {"calls": [1.0, 3.0], "tokens_per_s": [5.0, 5.0]}
    rows = [Measured("a", same), Measured("b", same), Measured("c", {"error": [0.0125, 0.0125]})]
    text = measurements(replace(some_result("token-recycling", 174), rows=rows))
    assert text.splitlines() == [
        "| | calls | tokens per s |",
        "|---|---|---|",
        "| a | 2 ± 1.41 | 5 |",
        "| b | 2 ± 1.41 | 5 |",
        "",
        "| | error |",
        "|---|---|",
        "| c | 0.0125 |",
    ]


def test_the_overview_counts_verdicts() -> None:
    verdicts: tuple[Verdict, ...] = ("holds", "partly", "holds")
    row = Row(174, "token-recycling", "draft", "A title", "works", verdicts)
    line = "| 174 | [A title](#token-recycling) | 2 holds, 1 partly |"
    assert overview([row]).splitlines()[-1] == line


def test_what_is_open_stands_in_families_without_empty_ones() -> None:
    rows = [
        Row(2, "b", "survey", "Beta", "open", ()),
        Row(1, "a", "draft", "Alpha", "works", ()),
        Row(3, "c", "nat", "Gamma", "open", ()),
    ]
    heads = [line for line in open_ones(rows).splitlines() if line.startswith("###")]
    assert heads == ["### Parallel translation and text generation", "### Surveys"]


def test_a_result_says_where_it_comes_from() -> None:
    machine = {"processor": "Some CPU", "cores": 2, "threads": 1}
    result = replace(some_result("token-recycling", 174), machine=machine, seconds=90.0)
    text = provenance(result)
    assert "Measured in 1.5 minutes with no model on Some CPU (2 cores, 1 threads)" in text
    assert "commit unknown" in text
    assert "`anyorder reproduce token-recycling`" in text
