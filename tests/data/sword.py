"""Bibles of the SWORD project small enough for a test, written byte by byte."""

import struct
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.data.debian import package


def bible(path: Path, books: Mapping[str, Sequence[Sequence[str]]], *, testament: str) -> Path:
    """A Debian package with these books, chapters and verses, marked up as they are.

    Each book is a block of its own; a verse that is "" is missing.
    """
    blocks, places = [zlib.compress(b"<milestone/>")], [(0, 0, 0), (0, 0, 12)]
    for number, (book, chapters) in enumerate(books.items(), 1):
        text = b""
        head = f'<div canonical="true" osisID="{book}" sID="gen{number}" type="book"/>'
        headed = [f"{head} The book."]
        for n, verses in enumerate(chapters, 1):
            name = f"{book}.{n}"
            headed += [f'<chapter n="{n}" osisID="{name}" sID="{name}"/> ', *verses]
        headed[-1] += f'<div eID="gen{number}" type="book"/>' * bool(headed[-1])
        for each in map(str.encode, headed):
            places.append((number, len(text), len(each)) if each else (0, 0, 0))
            text += each
        blocks.append(zlib.compress(text))
    sizes = list(map(len, blocks))
    where = f"usr/share/sword/modules/texts/ztext/mine/{testament}"
    return package(
        path,
        {
            f"{where}.bzs": b"".join(
                struct.pack("<III", sum(sizes[:i]), size, 0) for i, size in enumerate(sizes)
            ),
            f"{where}.bzv": b"".join(struct.pack("<IIH", *place) for place in places),
            f"{where}.bzz": b"".join(blocks),
            "usr/share/doc/mine/copyright": f"{path.stem} is in the public domain",
        },
    )
