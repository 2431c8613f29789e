"""Debian packages small enough for a test, written byte by byte."""

import io
import tarfile
from collections.abc import Mapping
from pathlib import Path


def package(path: Path, files: Mapping[str, str | bytes], *, packed: str = "xz") -> Path:
    """A package with these files; `packed` as in `data.tar.xz`."""
    data = io.BytesIO()
    how = "w:" if packed == "zst" else f"w:{packed}"
    with tarfile.open(fileobj=data, mode=how) as archive:
        folder = tarfile.TarInfo("./usr")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
        for name, text in files.items():
            content = text.encode() if isinstance(text, str) else text
            info = tarfile.TarInfo(f"./{name}")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    members = {"debian-binary": b"2.0\n", "control.tar.xz": b"odd", f"data.tar.{packed}": b""}
    members[f"data.tar.{packed}"] = data.getvalue()
    parts = [b"!<arch>\n"]
    for name, content in members.items():
        parts.append(f"{name:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(content):<10}`\n".encode())
        parts.append(content + b"\n" * (len(content) % 2))
    path.write_bytes(b"".join(parts))
    return path
