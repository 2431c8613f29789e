"""The Python in README.md and docs/ runs: what a reader pastes works.

The blocks of a page run in order, in one namespace, in an empty folder that has `examples/`. A
block after `<!-- skip: needs weights -->` runs only in the slow suite.
"""

import doctest
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(
    r"^(?P<skip><!-- skip: needs weights -->\s*\n)?^```python[^\n]*\n(?P<code>.*?)^```",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Block:
    """A piece of Python on a page, and the line that it starts on."""

    code: str
    line: int
    needs_weights: bool


def blocks(text: str) -> list[Block]:
    """The Python blocks of a page.

    >>> page = "# A\\n```python\\na\\n```\\n<!-- skip: needs weights -->\\n```python\\nb\\n```\\n"
    >>> [(block.code, block.line, block.needs_weights) for block in blocks(page)]
    [('a\\n', 3, False), ('b\\n', 7, True)]
    """
    return [
        Block(m["code"], text.count("\n", 0, m.start("code")) + 1, m["skip"] is not None)
        for m in BLOCK.finditer(text)
    ]


def execute(block: Block, page: str, names: dict[str, Any]) -> None:
    """Run one block; an error names the page and the line on it."""
    if block.code.startswith(">>>"):
        example = doctest.DocTestParser().get_doctest(block.code, names, page, page, block.line - 1)
        doctest.DebugRunner().run(example, clear_globs=False)
        names.update(example.globs)
    else:
        code = "\n" * (block.line - 1) + block.code
        exec(compile(code, page, "exec"), names)


def run_page(page: Path, folder: Path, *, with_weights: bool) -> None:
    (folder / "examples").symlink_to(ROOT / "examples")
    names: dict[str, Any] = {"__name__": "__page__"}
    for block in blocks(page.read_text(encoding="utf-8")):
        if with_weights or not block.needs_weights:
            execute(block, page.name, names)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_the_page_says_runs(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run_page(page, tmp_path, with_weights=False)


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_the_page_says_runs_with_real_weights(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run_page(page, tmp_path, with_weights=True)


def test_a_page_that_is_wrong_is_noticed() -> None:
    with pytest.raises(ZeroDivisionError):
        execute(Block("1 / 0\n", 1, False), "page", {})
    with pytest.raises(doctest.DocTestFailure):
        execute(Block(">>> 1 + 1\n3\n", 1, False), "page", {})
