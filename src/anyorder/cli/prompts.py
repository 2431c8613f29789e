"""A file of prompts: JSON lines, each an object with a `prompt` and, if it likes, a `name`."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

HALF: Final = re.compile("[\ud800-\udfff]")  # JSON may hold one; no text can be written with it


@dataclass(frozen=True)
class Line:
    """A prompt, its name, and the line of the file that it stands in."""

    number: int
    name: str
    prompt: str


def read(path: Path) -> tuple[list[Line], list[str]]:
    """The prompts of a file, and a sentence for every line that is none.

    Raises ValueError for a file that is no text, OSError for one that can't be read.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is no UTF-8 text (byte {error.start + 1})") from error
    lines: list[Line] = []
    broken: list[str] = []
    taken: set[str] = set()
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            lines.append(_parsed(line, number, taken))
            taken.add(lines[-1].name)
        except ValueError as error:
            broken.append(f"{path}, line {number}: {error}")
    return lines, broken


def _parsed(line: str, number: int, taken: set[str]) -> Line:
    try:
        found = json.loads(line)
    except ValueError as error:
        raise ValueError("this is no JSON") from error
    if not isinstance(found, dict) or not isinstance(found.get("prompt"), str):
        raise ValueError('this is no object with a "prompt"')
    name = found.get("name", f"prompt {number}")
    if not isinstance(name, str) or not name.strip():
        raise ValueError('the "name" is no text')
    if name in taken:
        raise ValueError(f"another prompt is called {name!r} already")
    for what, text in (("name", name), ("prompt", found["prompt"])):
        if HALF.search(text):
            raise ValueError(f'the "{what}" has half a character (a lone surrogate)')
    return Line(number, name, found["prompt"])
