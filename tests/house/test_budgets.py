"""Budgets keep the house readable: short files, short functions, many tests, nothing unexplained.

Lines of a function are counted without its docstring. A public method needs no docstring where its
name says all: it has one statement, or a protocol or an abstract class of the package explains it.
"""

import ast
import io
import tokenize
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import pytest

from tests.house.house import HOUSE, MODULES, ROOT, name_of

MODULE_LINES, MEDIAN_LINES, FUNCTION_LINES, TESTS_PER_CODE = 300, 150, 40, 0.8

Function = ast.FunctionDef | ast.AsyncFunctionDef
Documented = Function | ast.ClassDef
QUIET = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT}


def code_lines(code: str) -> int:
    """Lines that do something: no blank lines, comments or docstrings.

    >>> code_lines('def f():\\n    "It adds."\\n\\n    # why\\n    return 1\\n')
    2
    """
    spoken = set[int]()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Module | Documented) and ast.get_docstring(node) is not None:
            spoken.update(range(node.body[0].lineno, _end(node.body[0]) + 1))
    busy = set[int]()
    for token in tokenize.generate_tokens(io.StringIO(code).readline):
        if token.type not in QUIET and token.type != tokenize.ENDMARKER:
            busy.update(range(token.start[0], token.end[0] + 1))
    return len(busy - spoken)


def long_functions(code: str, most: int = FUNCTION_LINES) -> list[str]:
    """Functions of more than `most` lines.

    >>> long_functions("def f():\\n    a = 1\\n    return a", most=2)
    ['f has 3 lines']
    """
    found = []
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, Function):
            lines = _end(node) - node.lineno + 1
            if ast.get_docstring(node) is not None:
                lines -= _end(node.body[0]) - node.body[0].lineno + 1
            if lines > most:
                found.append(f"{node.name} has {lines} lines")
    return found


def _end(node: ast.stmt) -> int:
    assert node.end_lineno is not None, "parsed code knows where it ends"
    return node.end_lineno


def public(tree: ast.Module | ast.ClassDef, above: str = "") -> Iterator[tuple[str, Documented]]:
    """Public functions, classes and methods, with their names as one writes them."""
    for node in tree.body:
        if isinstance(node, Documented) and not node.name.startswith("_"):
            yield above + node.name, node
            if isinstance(node, ast.ClassDef):
                yield from public(node, f"{above}{node.name}.")


def undocumented(code: str, known: frozenset[str] = frozenset()) -> list[str]:
    """Public names that say nothing and ought to; `known` methods are documented elsewhere.

    >>> undocumented("class A:\\n    'An a.'\\n    def b(self):\\n        x = 1\\n        return x")
    ['A.b']
    >>> undocumented("class A:\\n    'An a.'\\n    def b(self):\\n        return 1")
    []
    >>> undocumented("def b():\\n    return 1")
    ['b']
    """
    silent = [(n, d) for n, d in public(ast.parse(code)) if ast.get_docstring(d) is None]
    return [name for name, node in silent if "." not in name or not _obvious(node, known)]


def _obvious(node: Documented, known: frozenset[str]) -> bool:
    return isinstance(node, Function) and (len(node.body) == 1 or node.name in known)


def unannotated(code: str) -> list[str]:
    """Public functions with an argument or a result whose type is not said.

    >>> unannotated("def f(a, *, b: int) -> int: ...")
    ['f(a)']
    >>> unannotated("class A:\\n    def g(self, b: int): ...")
    ['A.g -> ?']
    """
    found = []
    for name, node in public(ast.parse(code)):
        if isinstance(node, Function):
            a = node.args
            every = [*a.posonlyargs, *a.args, a.vararg, *a.kwonlyargs, a.kwarg]
            bare = [arg.arg for arg in every if arg is not None and arg.annotation is None]
            found += [f"{name}({arg})" for arg in bare if arg not in ("self", "cls")]
            found += [f"{name} -> ?"] if node.returns is None else []
    return found


def promises(code: str) -> set[str]:
    """Methods that a protocol or an abstract class asks for: who keeps one need not explain it.

    >>> promises("class P(Protocol[S]):\\n    def ask(self): ...")
    {'ask'}
    >>> promises("class A:\\n  @abstractmethod\\n  def ask(self): ...\\n  def tell(self): ...")
    {'ask'}
    """
    return {
        name.split(".")[-1]
        for above, kind in public(ast.parse(code))
        if isinstance(kind, ast.ClassDef)
        for name, node in public(kind, above + ".")
        if "Protocol" in map(_bare, kind.bases)
        or "abstractmethod" in map(_bare, node.decorator_list)
    }


def _bare(name: ast.expr) -> str:
    return ast.unparse(name).split("[")[0].split(".")[-1]


PROMISES = frozenset().union(*(promises(path.read_text(encoding="utf-8")) for path in MODULES))

every_module = pytest.mark.parametrize("path", MODULES, ids=name_of)


@every_module
def test_a_module_is_short(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MODULE_LINES


@every_module
def test_functions_are_short(path: Path) -> None:
    assert not long_functions(path.read_text(encoding="utf-8"))


@every_module
def test_public_names_are_documented_and_annotated(path: Path) -> None:
    code = path.read_text(encoding="utf-8")
    assert not code.strip() or ast.get_docstring(ast.parse(code)), "the file says what it is"
    if not path.name.startswith("_") or path.name == "__init__.py":
        assert not undocumented(code, PROMISES)
        assert not unannotated(code)


def test_most_modules_are_shorter_still() -> None:
    lines = [len(path.read_text(encoding="utf-8").splitlines()) for path in MODULES]
    assert median(lines) <= MEDIAN_LINES


def test_there_is_as_much_to_notice_a_mistake_as_to_make_one() -> None:
    code = sum(code_lines(path.read_text(encoding="utf-8")) for path in HOUSE.rglob("*.py"))
    tests = (ROOT / "tests").rglob("*.py")
    checks = sum(code_lines(path.read_text(encoding="utf-8")) for path in tests)
    assert checks >= TESTS_PER_CODE * code, f"{checks} lines of tests for {code} lines of code"
