"""The verses of a Bible in the format of the SWORD project, out of a Debian package.

    verses = verses_of(Path("sword-text-kjv_14.3-1_all.deb"))
    verses["Gen.1"][1]                            # "In the beginning God created ..."

A compressed text (zText) has three files for each testament: blocks, where each block begins, and
for each heading and verse where in its block it stands. Where a chapter begins its heading says, so
no table of how many verses there are is needed. Notes and titles are left out, and all other marks
(OSIS). What is in several chapters at once, as some additions to Daniel are, is the last one's.
"""

import re
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from anyorder.data.packages import files_of

_CHAPTER: Final = re.compile(r'<chapter\b[^>]*\bosisID="([^"]+)"')
_BOOK: Final = re.compile(r'<div\b[^>]*\bsID="[^>]*\btype="book"')
_LEFT_OUT: Final = re.compile(r"<(note|title)\b[^>]*(?<!/)>.*?</\1>", re.DOTALL)
_APART: Final = re.compile(r"</?(?:div|l|lg|lb|milestone|chapter)\b[^>]*>")  # words end there
_WITHIN: Final = re.compile(r"<[^>]*>")  # or begin or end a part of a word
_SPACE_BEFORE: Final = re.compile(r" +([,.;:?!\u2019”)])")
_NO_SPACE_AFTER: Final = re.compile(r"([,.?!]”)(?=\w)")


def verses_of(package: Path) -> dict[str, dict[int, str]]:
    """The verses of each chapter ("Gen.1", in the order of the package) by their numbers.

    Those that are empty are left out. Raises ValueError for a package that holds no such text.
    """
    ends = (".bzs", ".bzv", ".bzz")
    files = dict(files_of(package, lambda name: name.endswith(ends)))
    found: dict[str, dict[int, str]] = {}
    try:
        for name in sorted(files, reverse=True):  # the old testament (ot) comes first
            if name.endswith(".bzv"):
                stem = name.removesuffix(".bzv")
                for chapter, number, text in _numbered(*(files[f"{stem}{end}"] for end in ends)):
                    found.setdefault(chapter, {})[number] = text
    except (KeyError, IndexError, struct.error, zlib.error, UnicodeDecodeError) as error:
        raise ValueError(f"{package} is damaged, or holds no text of the SWORD project") from error
    if not found:
        raise ValueError(f"{package} holds no text of the SWORD project")
    return found


def plain(marked: str) -> str:
    """A verse without marks, notes and titles; white space folded.

    >>> plain('<title>A song</title>“<w lemma="x">Go</w>!”<note>or: Come</note><q/>he said')
    '“Go!” he said'
    """
    text = _WITHIN.sub("", _APART.sub(" ", _LEFT_OUT.sub(" ", marked)))
    text = _SPACE_BEFORE.sub(r"\1", " ".join(text.split()))
    return _NO_SPACE_AFTER.sub(r"\1 ", text)


def _numbered(begins: bytes, places: bytes, blocks: bytes) -> Iterator[tuple[str, int, str]]:
    """Chapter, number and text of every verse that has one; little-endian numbers say where."""
    texts = [
        zlib.decompress(blocks[at : at + size])
        for at, size, _ in struct.iter_unpack("<III", begins)
    ]
    chapter, number = "", 0
    for block, at, size in struct.iter_unpack("<IIH", places):
        marked = texts[block][at : at + size].decode() if size else ""
        if headings := _CHAPTER.findall(marked):
            chapter, number = headings[-1], 0
        elif _BOOK.search(marked):
            chapter = ""
        elif chapter:
            number += 1  # a verse that this translation lacks has its number, too
            if text := plain(marked):
                yield chapter, number, text
