"""The ways to write, as a reader finds them."""

from pathlib import Path

import pytest

from anyorder.train.paradigms import paradigms

PAGE = (Path(__file__).parents[2] / "docs" / "train.md").read_text(encoding="utf-8")
ROWS = [line for line in PAGE.splitlines() if line.startswith("| `")]


@pytest.mark.parametrize("name", paradigms())
def test_each_has_a_row_on_the_page_about_training(name: str) -> None:
    assert len([row for row in ROWS if row.startswith(f"| `{name}` |")]) == 1
