"""What the repository must not hold: places of one machine, hosts, pickles, anything big."""

import ast
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.house.house import MODULES, ROOT, name_of

MOST_BYTES = 500_000
MOST_WEIGHTS = 16 * 2**20  # of a model that comes with the library
PLACES = re.compile(r"(?<![\w.])/(?:work|root|home|Users|farm)/\w")
HOSTS = re.compile(
    r"\b(?:pypi|npmjs|pythonhosted|debian|anaconda|crates|rubygems)\.(?:org|com|io)\b"
)
PICKLES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
UNSAFE = {"allow_pickle": True, "weights_only": False}


def tracked() -> list[Path]:
    """The files that git knows; the test is skipped where there is no git."""
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("this is no git checkout")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
    paths = [ROOT / name for name in listed.stdout.decode().split("\0") if name]
    return [path for path in paths if path.is_file()]


def pickles(code: str) -> list[str]:
    """Where `code` could load a pickle.

    >>> pickles("import pickle")
    ['line 1: pickle']
    >>> pickles("torch.load(path); np.load(path, allow_pickle=True)")
    ['line 1: torch.load', 'line 1: allow_pickle=True']
    >>> pickles("json.load(file); load_file(path)")
    []
    """
    found = []
    for node in ast.walk(ast.parse(code)):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [a.name for a in node.names if a.name.split(".")[0] in PICKLES]
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in PICKLES:
            names = [node.module or ""]
        elif isinstance(node, ast.Call):
            names = [name for name in [ast.unparse(node.func)] if name == "torch.load"]
            names += [ast.unparse(k) for k in node.keywords if _unsafe(k)]
        found += [f"line {getattr(node, 'lineno', 0)}: {name}" for name in names]
    return found


def _unsafe(keyword: ast.keyword) -> bool:
    value = keyword.value
    known = keyword.arg in UNSAFE and isinstance(value, ast.Constant)
    return known and value.value is UNSAFE[keyword.arg or ""]


def found_in_texts(pattern: re.Pattern[str]) -> list[str]:
    """Where `pattern` stands in the tracked files that are text."""
    found = []
    for path in tracked():
        text = path.read_bytes().decode(errors="ignore")
        for number, line in enumerate(text.splitlines(), 1):
            found += [f"{path.relative_to(ROOT)}:{number}: {m}" for m in pattern.findall(line)]
    return found


def test_no_place_of_one_machine() -> None:
    assert PLACES.search("see " + "/" + "root/notes"), "the pattern finds what it is for"
    assert not found_in_texts(PLACES)


def test_no_registry_host() -> None:
    assert HOSTS.search("files.python" + "hosted.org"), "the pattern finds what it is for"
    assert not found_in_texts(HOSTS)


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_no_pickle_is_loaded(path: Path) -> None:
    assert not pickles(path.read_text(encoding="utf-8"))


def test_every_tracked_file_is_small() -> None:
    weights = [p for p in tracked() if p.suffix == ".safetensors" and ROOT / "assets" in p.parents]
    big = [p.relative_to(ROOT) for p in tracked() if p.stat().st_size > MOST_BYTES]
    odd = set(big) - {p.relative_to(ROOT) for p in weights}
    assert not odd, f"over {MOST_BYTES} bytes: {odd}"
    assert all(p.stat().st_size <= MOST_WEIGHTS for p in weights)
