"""Who is measured when: all in turn, there and back.

for number in range(repeats):
    for name in in_turn(names, number): ...
"""

from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


def in_turn(every: Sequence[T], number: int) -> Sequence[T]:
    """All of them, every other time the other way round: none has the cooler machine.

    >>> in_turn(["a", "b"], 0), in_turn(["a", "b"], 1)
    (['a', 'b'], ['b', 'a'])
    """
    return every if number % 2 == 0 else every[::-1]
