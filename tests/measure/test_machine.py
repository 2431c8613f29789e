import json
import platform
import re
import subprocess
from pathlib import Path

import pytest

from anyorder.measure import machine as facts


def test_a_result_may_be_published_as_it_is() -> None:
    told = json.dumps([facts.machine(), facts.versions(), facts.commit()])
    assert platform.node() not in told or not platform.node()
    assert not re.search(r'"/|[A-Z]:\\\\', told), "a path"


def test_it_says_what_speed_depends_on() -> None:
    found = facts.machine()
    assert {"processor", "cores", "threads", "memory_gib"} <= set(found)
    assert facts.cores() >= 1
    assert {"python", "torch", "transformers", "anyorder"} <= set(facts.versions())


def test_a_changed_repository_is_marked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def git(*words: str) -> None:
        who = ["-c", "user.name=A", "-c", "user.email=a@b.c"]
        subprocess.run(["git", *who, *words], cwd=tmp_path, check=True, capture_output=True)

    monkeypatch.setattr(facts, "root", lambda: tmp_path)
    git("init")
    source = tmp_path / "src" / "a.py"
    source.parent.mkdir()
    source.write_text("1")
    git("add", "src")
    git("commit", "-m", "one")
    clean = facts.commit()
    assert re.fullmatch("[0-9a-f]{12}", clean)
    source.write_text("2")
    assert facts.commit() == clean + "+"


def test_without_a_repository_there_is_no_commit(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(facts, "root", lambda: None)
    assert facts.commit() == ""


def test_a_silent_system_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(*_: object, **__: object) -> str:
        raise OSError

    monkeypatch.setattr(Path, "read_text", silent)
    monkeypatch.setattr(facts.os, "sysconf", silent)
    monkeypatch.delattr(facts.os, "sched_getaffinity", raising=False)
    assert facts.processor()
    assert (facts.flags(), facts.memory_gib()) == ([], 0.0)
    assert facts.cores() >= 1


def test_the_processor_is_read_as_the_system_tells_it(monkeypatch: pytest.MonkeyPatch) -> None:
    told = "processor : 0\nmodel name : Some CPU @ 2 GHz\nflags : fpu avx2 amx_int8 other\n"
    monkeypatch.setattr(Path, "read_text", lambda *_, **__: told)
    assert facts.processor() == "Some CPU @ 2 GHz"
    assert facts.flags() == ["avx2", "amx_int8"]


def test_without_git_there_is_no_commit(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert facts.commit() == ""


def test_the_hash_of_the_code_knows_every_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(facts.anyorder, "__file__", str(tmp_path / "__init__.py"))
    seen = set()
    for name, text in (("__init__", ""), ("a", "x = 1"), ("a", "x = 2"), ("b", "")):
        (tmp_path / f"{name}.py").write_text(text)
        seen.add(facts.code())
        assert facts.code() in seen, "the same code has the same hash"
    assert len(seen) == 4
