"""The compiled forward pass: made once by numba, then read from the user's cache folder.

    work = entry("int8", "float32")       # weights, keys and values
    crew.run(work, array("q", [net_address, call_address, 0]), threads=2)

The file holds plain object code and its checksum; only the process that makes it imports numba.
It lies in `ANYORDER_MACHINE_CODE`, else in the cache folder,
named by a hash of all that it depends on: these sources, numba, LLVM, the processor. Where nothing
can be written, each process compiles.
"""

import hashlib
import os
import re
import secrets
import time
from contextlib import suppress
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path

import llvmlite.binding as llvm

from anyorder.folders import cache_dir
from anyorder.nets.compiled.crew import Work
from anyorder.nets.compiled.machine import CPU, FEATURES

WEEK = 7 * 24 * 3600  # seconds
_engines: list[object] = []  # their memory holds the code


@lru_cache
def entry(weights: str, keys: str) -> Work:
    """Link the code for these two precisions; compile it first if it lies nowhere (seconds)."""
    path = _folder() / f"{weights}-{keys}-{KEY}.o"
    found = _read(path)
    if found is None:
        from anyorder.nets.compiled._entry import object_code

        found = object_code(weights, keys)
        if key() == KEY:  # else somebody has edited the sources: nobody knows what this is made of
            with suppress(OSError):
                _write(path, *found)
    else:
        with suppress(OSError):
            os.utime(path)  # it is in use: see `_clean_up`
    return _linked(*found)


def _folder() -> Path:
    if own := os.environ.get("ANYORDER_MACHINE_CODE"):
        return Path(own)
    return cache_dir() / "machine-code"


def key() -> str:
    """What the code depends on: these sources, numba, LLVM, the processor."""
    settings = sorted(item for item in os.environ.items() if item[0].startswith("NUMBA_"))
    parts = [
        repr(settings),
        CPU,
        *sorted(FEATURES),
        *(version(name) for name in ("numba", "llvmlite")),
    ]
    folder = Path(__file__).parent
    for source in (*sorted(folder.glob("_*.py")), folder / "words.py", folder / "machine.py"):
        parts.append(source.read_text(encoding="utf-8"))
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:24]


KEY = key()  # of the sources that this process has imported, or will


def _read(path: Path) -> tuple[str, bytes] | None:
    """None where there is no such file, or a damaged one."""
    with suppress(OSError, ValueError):
        head, code = path.read_bytes().split(b"\n", 1)
        name, checksum = head.decode().split()
        if _checksum(name, code) == checksum:
            return name, code
    return None


def _write(path: Path, name: str, code: bytes) -> None:
    """All of it or nothing, as readable as other files of the user; then clean up."""
    path.parent.mkdir(parents=True, exist_ok=True)
    head = f"{name} {_checksum(name, code)}\n".encode()
    new = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    try:
        with new.open("xb") as file:
            file.write(head + code)
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)
    _clean_up(path)


def _checksum(name: str, code: bytes) -> str:
    return hashlib.sha256(name.encode() + b"\n" + code).hexdigest()


def _clean_up(path: Path) -> None:
    """Remove what was written here for the same precisions, and was not used for a week.

    At once would be too soon: two versions, or two machines with one home, would take turns.
    """
    kind, _, _ = path.name.rpartition("-")
    ours = re.compile(rf"{re.escape(kind)}-[0-9a-f]{{24}}\.o(\.[0-9a-f]{{16}})?")
    for other in path.parent.iterdir():
        with suppress(OSError):  # another process may be as tidy
            if ours.fullmatch(other.name) and time.time() - other.stat().st_mtime > WEEK:
                other.unlink()


def _linked(name: str, code: bytes) -> Work:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    machine = llvm.Target.from_default_triple().create_target_machine()
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(_WORK % (name, name)), machine)
    engine.add_object_file(llvm.ObjectFileRef.from_data(code))
    engine.finalize_object()
    _engines.append(engine)
    return Work(engine.get_function_address("work"))


# By numba's convention a function takes a place for the result, a place for an exception, then its
# arguments; this one raises nothing.
_WORK = """
declare i32 @"%s"(ptr, ptr, i64, i64, i64)

define void @work(ptr %%words) {
  %%place = alloca i64
  %%error = alloca ptr
  %%net = load i64, ptr %%words
  %%second = getelementptr i64, ptr %%words, i64 1
  %%call = load i64, ptr %%second
  %%third = getelementptr i64, ptr %%words, i64 2
  %%thread = atomicrmw add ptr %%third, i64 1 seq_cst
  %%status = call i32 @"%s"(ptr %%place, ptr %%error, i64 %%net, i64 %%call, i64 %%thread)
  ret void
}
"""
