"""Memory that a training keeps from step to step, where the C library would give it back.

    with kept(): ...

A step frees what it took, and glibc gives most of it back to the system: the next step gets it
anew, page by page, each filled with zeros first. Other C libraries are left alone.
"""

import ctypes
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

# What `mallopt` of glibc knows, by its header.
TRIM_THRESHOLD: Final = -1  # how much may lie free at the end of the heap
TOP_PAD: Final = -2  # what is taken beside what is wanted
MMAP_THRESHOLD: Final = -3  # from this size on a piece is not of the heap, and never kept
KEPT: Final = {TRIM_THRESHOLD: 2**31 - 1, TOP_PAD: 2**27, MMAP_THRESHOLD: 2**25}  # the most
# Left alone, glibc adapts to what is freed, but no more once it was told: so the end of that.
USUAL: Final = {TRIM_THRESHOLD: 2**26, TOP_PAD: 2**17, MMAP_THRESHOLD: 2**25}


@contextmanager
def kept() -> Iterator[None]:
    """Freed memory stays with the process; afterwards it is given back."""
    libc = _glibc()
    if libc is None:
        yield
        return
    _tell(libc, KEPT)
    try:
        yield
    finally:
        _tell(libc, USUAL)
        libc.malloc_trim(0)


def _glibc() -> ctypes.CDLL | None:
    try:
        libc = ctypes.CDLL(None)
    except (OSError, TypeError):  # Windows
        return None
    return libc if hasattr(libc, "gnu_get_libc_version") else None


def _tell(libc: ctypes.CDLL, options: Mapping[int, int]) -> None:
    for parameter, value in options.items():
        libc.mallopt(parameter, value)
