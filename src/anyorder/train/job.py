"""What a folder's training is of, so that nothing else goes on there.

job = [task.name, digest(splits), repr(paradigm), repr(recipe)]
keep_job(folder / "training" / "job.json", job)        # ValueError, if there is another
"""

import ast
import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from pathlib import Path

from anyorder.data.pairs import Splits

NAMES = ("task", "pairs", "model", "recipe", "earlier model")


def digest(splits: Splits) -> str:
    """Of all pairs that are learnt or held out: a name may stand for other pairs tomorrow."""
    found = hashlib.sha256()
    for example in (*splits.train, *splits.valid):
        found.update(json.dumps([example.source, example.targets]).encode())
    return found.hexdigest()


def keep_job(path: Path, job: list[str], *, names: Sequence[str] = NAMES) -> None:
    """Write down what is trained here; `names`: of the parts of the job.

    Raises ValueError, and says what differs, where the folder holds a training of something else.
    """
    kept = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else job
    if kept != job:
        sides = zip_longest(names, kept, job)
        takes = "(--begin-from takes over the weights of this one), " if names is NAMES else ""
        other = [name + _told(one, now) for name, one, now in sides if name and one != now]
        raise ValueError(
            f"{path.parent.parent} holds a training that differs in its {' and '.join(other)}; "
            f"to go on with it, give the settings that it has; else name another folder {takes}"
            "or remove it"
        )
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        part.write_text(json.dumps(job) + "\n", encoding="utf-8")
        os.replace(part, path)


def _told(kept: str | None, now: str | None) -> str:
    """What differs, if both are options, as words in brackets."""
    words = differences(kept or "", now or "")
    return f" ({', '.join(words)})" if words else ""


def differences(kept: str, now: str) -> list[str]:
    """Which settings differ between what `repr` said of two options; none of what is no option.

    >>> differences("Recipe(steps=9, rise=Line(until=3))", "Recipe(steps=8, rise=Line(until=2))")
    ['steps: 9 there, 8 now', 'rise.until: 3 there, 2 now']
    >>> differences("0af3", "77c1")
    []
    """
    one, other = (dict(_settings(text)) for text in (kept, now))
    names = [name for name in (one | other) if one.get(name) != other.get(name)]
    return [f"{n}: {one.get(n, 'none')} there, {other.get(n, 'none')} now" for n in names]


def _settings(text: str) -> Iterator[tuple[str, str]]:
    try:
        node = ast.parse(text, mode="eval").body
    except SyntaxError:
        return
    if isinstance(node, ast.Call):
        yield from _within("", node)


def _within(path: str, node: ast.Call) -> Iterator[tuple[str, str]]:
    """Names and values, those of options within options by a path with dots."""
    for each in node.keywords:
        name, value = f"{path}{each.arg}", each.value
        if isinstance(value, ast.Call):
            yield name, ast.unparse(value.func)
            yield from _within(f"{name}.", value)
        else:
            yield name, ast.unparse(value)
