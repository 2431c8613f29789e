"""The house has floors: nobody looks upstairs, nobody reaches into a neighbour's private drawer."""

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from tests.house.house import HOUSE, MODULES, ROOT, imports, name_of

FLOORS = [
    {"canvas", "trace", "meter", "folders"},
    {"masks", "orders", "units", "align", "corrupt"},
    {"nets"},
    {"models", "objectives"},
    {"decode"},
    {"data", "train", "measure"},
    {"systems", "show"},
    {"cli", "serve", "interop", "__main__"},
]
FLOOR_OF = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
STRANGERS = {  # rooms that never meet, though their floors would allow it
    "decode": {"nets"},  # a decoder knows what a model can do, not how it is built
    "objectives": {"nets", "units"},  # a loss is a pure function of tensors
}
FREE = {"anyorder", "anyorder.__version__"}  # anyone may ask which version this is
FRONT_DOOR = HOUSE / "__init__.py"  # it may lead anywhere
NAMES_FOR_NOTHING = {"utils", "core", "common", "base", "misc", "helpers"}


def trespasses(code: str, module: str, *, is_package: bool = False) -> list[str]:
    """What `module` imports and may not, each with the reason.

    >>> trespasses("from anyorder.decode.run import run", "anyorder.nets.layers")
    ['anyorder.decode.run.run is upstairs: decode is on floor 4, nets on floor 2']
    >>> trespasses("from anyorder.masks import _merge", "anyorder.nets.layers")
    ['anyorder.masks._merge is private to masks']
    >>> trespasses("from anyorder.nets import layers", "anyorder.decode.run")
    ['anyorder.nets.layers: decode must not know nets']
    >>> trespasses("from anyorder.masks import Tree", "anyorder.nets.layers")
    []
    """
    room = module.split(".")[1]
    found = []
    for name in sorted(set(imports(code, module, is_package=is_package)) - FREE):
        _, other, *rest = [*name.split("."), ""]
        if other == room:
            continue
        if other not in FLOOR_OF:
            found.append(f"{name}: there is no room {other!r} in the plan")
        elif FLOOR_OF[other] > FLOOR_OF[room]:
            floors = f"{other} is on floor {FLOOR_OF[other]}, {room} on floor {FLOOR_OF[room]}"
            found.append(f"{name} is upstairs: {floors}")
        elif other in STRANGERS.get(room, ()):
            found.append(f"{name}: {room} must not know {other}")
        elif any(part.startswith("_") for part in rest):
            found.append(f"{name} is private to {other}")
    return found


def eager(code: str) -> list[str]:
    """Imports from anyorder that run when the module is imported.

    >>> eager("import anyorder.masks")
    ['anyorder.masks']
    >>> eager("def load(name): from anyorder.models.load import load")
    []
    """
    body = [n for n in ast.parse(code).body if isinstance(n, ast.Import | ast.ImportFrom)]
    return imports(ast.unparse(ast.Module(body, [])), "anyorder", is_package=True)


@pytest.mark.parametrize("path", [m for m in MODULES if m != FRONT_DOOR], ids=name_of)
def test_nobody_looks_upstairs(path: Path) -> None:
    is_package = path.name == "__init__.py"
    found = trespasses(path.read_text(encoding="utf-8"), name_of(path), is_package=is_package)
    assert not found, "\n".join(found)


def test_every_room_is_in_the_plan() -> None:
    rooms = {path.relative_to(HOUSE).parts[0].removesuffix(".py") for path in MODULES}
    assert rooms - {"__init__"} <= set(FLOOR_OF)


def test_rooms_do_not_need_each_other_in_a_circle() -> None:
    needs: dict[str, set[str]] = {}
    for path in MODULES:
        _, *room = name_of(path).split(".")
        if room:
            code, is_package = path.read_text(encoding="utf-8"), path.name == "__init__.py"
            names = set(imports(code, name_of(path), is_package=is_package)) - FREE
            others = {name.split(".")[1] for name in names}
            needs.setdefault(room[0], set()).update(others - {room[0]})
    TopologicalSorter(needs).prepare()  # a circle is a CycleError that names it


def test_files_do_not_need_each_other_in_a_circle() -> None:
    """Nor where an import waits until it is called. Packages' own files only hand names on."""
    files = {name_of(path): path for path in MODULES if path.name != "__init__.py"}
    needs = {
        name: {
            found
            for imported in imports(path.read_text(encoding="utf-8"), name)
            for found in (imported, imported.rpartition(".")[0])
            if found in files
        }
        for name, path in files.items()
    }
    TopologicalSorter(needs).prepare()  # a circle is a CycleError that names it


def test_the_front_door_is_light() -> None:
    """`import anyorder` is quick: what is behind it is imported when it is used."""
    assert not eager(FRONT_DOOR.read_text(encoding="utf-8"))


def test_no_room_is_named_for_nothing() -> None:
    named = {part for path in MODULES for part in path.relative_to(HOUSE).with_suffix("").parts}
    tests = (path.relative_to(ROOT).with_suffix("").parts for path in ROOT.glob("tests/**/*.py"))
    named.update(part.removeprefix("test_") for parts in tests for part in parts)
    assert not named & NAMES_FOR_NOTHING
