"""A model small enough for a test, and a way to run the command as a shell does."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from anyorder.cli.main import main
from tests.models import made


@dataclass(frozen=True)
class Result:
    """What a command left behind."""

    code: int
    out: str
    err: str


def sentence(done: Result, code: int = 1) -> str:
    """The one sentence that a failed command left."""
    assert done.code == code, done
    lines = done.err.splitlines()
    assert len(lines) == 1, done.err
    assert lines[0].startswith("anyorder: ")
    assert "Traceback" not in done.out
    return lines[0]


Invoke = Callable[..., Result]


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random Llama with a byte-level tokenizer and a chat template; it reads 256 tokens."""
    return made.folder(tmp_path_factory.mktemp("models") / "tiny", max_position_embeddings=256)


@pytest.fixture
def stutter(tmp_path: Path) -> str:
    """A drafter of the user's that breaks where it is to guess."""
    (tmp_path / "raises.py").write_text(
        "from dataclasses import dataclass\n"
        "from anyorder.decode.draft_verify.from_text.prompt_copy import PromptCopy\n"
        "@dataclass(frozen=True)\n"
        "class Stutter(PromptCopy):\n"
        "    def draft(self, memory, canvas, sampler):\n"
        "        raise KeyError('nothing here')\n"
    )
    return "raises.py:Stutter"


@pytest.fixture
def invoke(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Invoke:
    """Run `anyorder ...` in this process and an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ANYORDER_DEBUG", raising=False)

    def run(*args: object) -> Result:
        capsys.readouterr()  # what making a model has said
        code = main([str(arg) for arg in args])
        captured = capsys.readouterr()
        return Result(code, captured.out, captured.err)

    return run
