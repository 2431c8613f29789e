"""Turns: a lock that goes to who has waited longest.

    with turns:
        ...

Shapes do not appear here.
"""

import threading
from collections import deque


class Turns:
    """Python's own lock may go to the same thread again and again; this one does not."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.taken = False
        self.line: deque[threading.Event] = deque()

    def __enter__(self) -> None:
        with self.lock:
            if not self.taken:
                self.taken = True
                return
            called = threading.Event()
            self.line.append(called)
        called.wait()

    def __exit__(self, *_: object) -> None:
        with self.lock:
            if self.line:
                self.line.popleft().set()
            else:
                self.taken = False
