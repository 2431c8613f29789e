"""Where things are kept that are fetched, compiled or measured once.

    cache_dir() / "machine-code"

Nothing is made here; whoever writes makes the folder.

    with as_usual(path) as part:                  # others may read it, if files here are like that
        save_file(weights, part)
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def cache_dir() -> Path:
    """`$ANYORDER_CACHE`, else the system's place for caches."""
    if chosen := os.environ.get("ANYORDER_CACHE"):
        return Path(chosen).expanduser()
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "anyorder"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home())) / "anyorder"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "anyorder"


@contextmanager
def as_usual(path: Path) -> Iterator[Path]:
    """What is written there in between gets the rights of any new file (the umask's): the library
    of safetensors lets nobody but the owner read what it writes.
    """
    path.unlink(missing_ok=True)
    path.touch()
    mode = path.stat().st_mode
    yield path
    path.chmod(mode & 0o777)
