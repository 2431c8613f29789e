"""Memory that a server's threads share."""

import subprocess
import sys
from pathlib import Path

import pytest

COUNTED = """
import ctypes, sys, threading
from anyorder.serve.memory import share_memory
libc = ctypes.CDLL(None)
libc.malloc.restype = libc.fopen.restype = ctypes.c_void_p
libc.fopen.argtypes = [ctypes.c_char_p, ctypes.c_char_p]
libc.malloc_info.argtypes = [ctypes.c_int, ctypes.c_void_p]
libc.fclose.argtypes = [ctypes.c_void_p]
if sys.argv[1] == "shared":
    assert share_memory()
all_there = threading.Barrier(8)


def take():
    libc.malloc(100_000)
    all_there.wait()


threads = [threading.Thread(target=take) for _ in range(8)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
file = libc.fopen(sys.argv[2].encode(), b"w")
libc.malloc_info(0, file)
libc.fclose(file)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="other systems share memory in their own ways")
def test_threads_share_two_pools(tmp_path: Path) -> None:
    pools = {}
    for how in ("shared", "as it is"):
        path = tmp_path / "pools.xml"
        subprocess.run([sys.executable, "-c", COUNTED, how, str(path)], check=True)
        pools[how] = path.read_text().count("<heap nr=")
    assert pools["shared"] <= 2 < pools["as it is"]
