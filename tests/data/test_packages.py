"""What is in a package is read without installing it; what can't be had is said in one sentence."""

import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

from anyorder.data import packages
from anyorder.data.packages import files_of, of_debian
from tests.data.debian import package

FILES = {"usr/share/a.html": "<p>ä</p>", "usr/share/b.txt": "b", "usr/share/c.html": "c"}


def is_page(name: str) -> bool:
    return name.endswith(".html")


@pytest.mark.parametrize("packed", ["xz", "gz"])
def test_the_files_that_are_wanted_come_in_order(packed, tmp_path):
    path = package(tmp_path / "a.deb", FILES, packed=packed)
    found = list(files_of(path, is_page))
    assert found == [("usr/share/a.html", "<p>ä</p>".encode()), ("usr/share/c.html", b"c")]


@pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="Debian's own tool is not here")
def test_debian_reads_the_packages_of_these_tests_alike(tmp_path):
    path = package(tmp_path / "a.deb", FILES, packed="gz")
    done = subprocess.run(["dpkg-deb", "--fsys-tarfile", path], capture_output=True, check=True)
    assert b"<p>\xc3\xa4</p>" in done.stdout


def test_what_python_cannot_unpack_debian_does(tmp_path, monkeypatch):
    path = package(tmp_path / "a.deb", FILES, packed="zst")  # in truth a bare tar archive
    monkeypatch.setattr(packages.shutil, "which", lambda _: None)
    with pytest.raises(ValueError, match=r"a\.deb is packed with Zstandard; only dpkg-deb"):
        list(files_of(path, is_page))
    monkeypatch.setattr(packages.shutil, "which", lambda name: f"/usr/bin/{name}")
    bare = path.read_bytes()
    bare = bare[bare.index(b"./usr") :]

    def run(command, **_options):
        assert command == ["dpkg-deb", "--fsys-tarfile", str(path)]
        return SimpleNamespace(returncode=0, stdout=bare)

    monkeypatch.setattr(subprocess, "run", run)
    assert [name for name, _ in files_of(path, is_page)] == ["usr/share/a.html", "usr/share/c.html"]
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: SimpleNamespace(returncode=2))
    with pytest.raises(ValueError, match="damaged: dpkg-deb"):
        list(files_of(path, is_page))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"PK", "is no Debian package"),
        (b"!<arch>\n", "is damaged"),
        (b"!<arch>\n" + b"x" * 200, "is damaged"),
    ],
)
def test_another_file_is_refused(content, says, tmp_path):
    path = tmp_path / "a.deb"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"a\.deb {says}"):
        list(files_of(path, is_page))


@pytest.mark.parametrize("packed", ["xz", "gz"])
def test_a_package_that_is_cut_short_is_refused(packed, tmp_path):
    path = package(tmp_path / "a.deb", FILES, packed=packed)
    path.write_bytes(path.read_bytes()[:-60])
    with pytest.raises(ValueError, match=r"a\.deb is damaged"):
        list(files_of(path, is_page))


def apt(monkeypatch: pytest.MonkeyPatch, code: int, said: str, *names: str) -> list[list[str]]:
    """Stand in for apt-get; gives the list of the commands that were run."""
    commands = []

    def run(command, *, cwd, **_options):
        commands.append(command)
        for name in names:
            (Path(cwd) / name).touch()
        return SimpleNamespace(returncode=code, stderr=said)

    monkeypatch.setattr(packages.shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(subprocess, "run", run)
    return commands


def test_apt_is_asked_to_download_and_not_to_install(tmp_path, monkeypatch):
    commands = apt(monkeypatch, 0, "", "b_1_all.deb", "a_2_all.deb")
    found = of_debian(["a", "b"], tmp_path)
    assert [path.name for path in found] == ["a_2_all.deb", "b_1_all.deb"]
    assert commands == [["apt-get", "download", "a", "b"]]


@pytest.mark.parametrize(
    ("code", "said", "says"),
    [
        (100, "W: slow\nE: Unable to locate package a", r"\(Unable to locate package a\)"),
        (1, "", r"\(it ended with 1\)"),
        (0, "", "could not download a"),
    ],
)
def test_why_apt_failed_is_said_in_one_sentence(code, said, says, tmp_path, monkeypatch):
    apt(monkeypatch, code, said)
    with pytest.raises(OSError, match=says) as caught:
        of_debian(["a"], tmp_path)
    assert "\n" not in str(caught.value)


def test_without_apt_the_way_out_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(packages.shutil, "which", lambda _: None)
    with pytest.raises(OSError, match=r"no apt-get here: use Debian or Ubuntu, or give a TSV"):
        of_debian(["a"], tmp_path)
