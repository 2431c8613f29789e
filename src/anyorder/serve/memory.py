"""How much memory the process keeps for its threads.

    share_memory()                        # first of all: before there are other threads

glibc keeps memory that was freed for whichever thread had it: 64 MiB for each of them, of which
little is used. A server has a thread for each text.
"""

import ctypes
import sys
from typing import Final

_MOST_ARENAS: Final = -8  # `M_ARENA_MAX` of glibc's malloc.h


def share_memory(arenas: int = 2) -> bool:
    """Have all threads take memory from so many pools. False without glibc: others have ways of
    their own.
    """
    if sys.platform != "linux":
        return False
    set_option = getattr(ctypes.CDLL(None), "mallopt", None)
    return bool(set_option is not None and set_option(_MOST_ARENAS, arenas))
