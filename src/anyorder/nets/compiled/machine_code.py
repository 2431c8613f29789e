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
import tempfile
from contextlib import suppress
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path

import llvmlite.binding as llvm

from anyorder.folders import cache_dir
from anyorder.nets.compiled.crew import Work
from anyorder.nets.compiled.machine import CPU, FEATURES

_engines: list[object] = []  # their memory holds the code


@lru_cache
def entry(weights: str, keys: str) -> Work:
    """Link the code for these two precisions; compile it first if it lies nowhere (seconds)."""
    path = _folder() / f"{weights}-{keys}-{_key()}.o"
    found = _read(path)
    if found is None:
        from anyorder.nets.compiled._entry import object_code

        found = object_code(weights, keys)
        with suppress(OSError):
            _write(path, *found)
    return _linked(*found)


def _folder() -> Path:
    if own := os.environ.get("ANYORDER_MACHINE_CODE"):
        return Path(own)
    return cache_dir() / "machine-code"


@lru_cache
def _key() -> str:
    parts = [CPU, *sorted(FEATURES), *(version(name) for name in ("numba", "llvmlite"))]
    for source in sorted(Path(__file__).parent.glob("*.py")):
        parts.append(source.read_text(encoding="utf-8"))
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:24]


def _read(path: Path) -> tuple[str, bytes] | None:
    """None where there is no such file, or a damaged one."""
    with suppress(OSError, ValueError):
        head, code = path.read_bytes().split(b"\n", 1)
        name, checksum = head.decode().split()
        if hashlib.sha256(code).hexdigest() == checksum:
            return name, code
    return None


def _write(path: Path, name: str, code: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    head = f"{name} {hashlib.sha256(code).hexdigest()}\n".encode()
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
        file.write(head + code)
    os.replace(file.name, path)


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
