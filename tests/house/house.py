"""What the house's tests look at: the modules of the package, and the imports in their code."""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[2]
HOUSE = ROOT / "src" / "anyorder"
MODULES = sorted(HOUSE.rglob("*.py"))


def name_of(path: Path) -> str:
    """The dotted name of a module's file: `anyorder.decode.run`."""
    parts = path.relative_to(HOUSE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(code: str, module: str, *, is_package: bool = False) -> list[str]:
    """Dotted names from anyorder that `module` imports, wherever in its code.

    `from anyorder.decode import run` gives `anyorder.decode.run`: whether `run` is a module or a
    name in one is not known here, and does not matter.

    >>> imports("from anyorder.masks import Tree; import torch", "anyorder.decode.run")
    ['anyorder.masks.Tree']
    >>> imports("from . import b; from ..masks import Tree", "anyorder.decode.a")
    ['anyorder.decode.b', 'anyorder.masks.Tree']
    """
    here = module.split(".") if is_package else module.split(".")[:-1]
    found: list[str] = []
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = here[: len(here) + 1 - node.level] if node.level else []
            start = ".".join([*above, *filter(None, [node.module])])
            found += [f"{start}.{alias.name}" for alias in node.names]
    return [name for name in found if name.split(".")[0] == "anyorder"]
