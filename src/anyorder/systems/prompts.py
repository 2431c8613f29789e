"""Prompts for measuring decoders on a real language model: own-written, in six kinds.

    groups(("story", "edit"), 3)[0]       # {"story-1": "Write ...", "story-4": ..., "edit-1": ...}

Disjoint groups of prompts stand for seeds where nothing is drawn by chance.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FILE = Path(__file__).with_name("prompts.jsonl")


@dataclass(frozen=True)
class Prompt:
    """A prompt; its name is its kind and a number."""

    name: str
    kind: str
    prompt: str


@cache
def prompts() -> tuple[Prompt, ...]:
    """All of them, kind by kind."""
    lines = FILE.read_text(encoding="utf-8").splitlines()
    return tuple(Prompt(**json.loads(line)) for line in lines)


def kinds() -> tuple[str, ...]:
    """The kinds of prompts that there are."""
    return tuple(dict.fromkeys(prompt.kind for prompt in prompts()))


def groups(chosen: Sequence[str], count: int, *, each: int | None = None) -> list[dict[str, str]]:
    """Prompts of these kinds, by name, in `count` disjoint groups of equal size.

    `each`: at most so many of a kind in a group (None: as many as there are).

    Raises ValueError if a kind has fewer prompts than there are groups.
    """
    parted: list[dict[str, str]] = [{} for _ in range(count)]
    for kind in chosen:
        assert kind in kinds(), f"there are no prompts of the kind {kind!r}"
        of_kind = [prompt for prompt in prompts() if prompt.kind == kind]
        most = len(of_kind) // count
        if most < 1:
            raise ValueError(
                f"{count} seeds are {count} groups of prompts, and of the kind {kind} there are "
                f"{len(of_kind)} prompts: choose {len(of_kind)} seeds or fewer"
            )
        for number in range(min(each or most, most) * count):
            prompt = of_kind[number]
            parted[number % count][prompt.name] = prompt.prompt
    return parted
