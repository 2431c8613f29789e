"""Where things are kept that are fetched, compiled or measured once.

    cache_dir() / "machine-code"

Nothing is made here; whoever writes makes the folder.
"""

import os
import sys
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
