"""The page says what the results say, and nothing else."""

from pathlib import Path

import pytest

import anyorder
from anyorder.measure.results import write
from anyorder.systems import catalogue
from anyorder.systems import page as module
from anyorder.systems.catalogue import listed
from anyorder.systems.page import main, page
from anyorder.systems.reproduce import reproduce

ROOT = Path(anyorder.__file__).parents[2]


def test_the_page_is_up_to_date() -> None:
    written = (ROOT / "docs" / "systems.md").read_text(encoding="utf-8")
    assert written == page(), "run `python -m anyorder.systems.page`"


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
    assert "{ #token-recycling }" in text
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
    assert said[:3] == ["systems.md is out of date", "wrote systems.md", "systems.md is up to date"]
