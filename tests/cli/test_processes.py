"""The command as a process of its own: Ctrl-C, a pipe that nobody reads, a full disk, and speed."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from anyorder.trace import Trace
from tests.models import made

ROOT = Path(__file__).parents[2]
SLOW = '''
import time
from dataclasses import dataclass
from anyorder.decode.left_to_right.plain import LeftToRight

@dataclass(frozen=True)
class Slow(LeftToRight):
    """Left to right, so slowly that it can be watched."""

    def step(self, model, state, sampler):
        time.sleep(0.05)
        return super().step(model, state, sampler)
'''
Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model (of a kind that needs no compiled code) and a slow decoder."""
    place = tmp_path_factory.mktemp("processes")
    made.folder(place / "m", "opt", max_position_embeddings=256)
    (place / "slow.py").write_text(SLOW, encoding="utf-8")
    return place


def hear_ctrl_c() -> None:
    """A background job of a shell ignores Ctrl-C, and so would its children."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.fixture
def start(place: Path) -> Start:
    """Start `anyorder ...` in the folder."""
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"}

    def run(*args: str, **options: object) -> "subprocess.Popen[str]":
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
        command = [sys.executable, "-m", "anyorder", *args]
        return subprocess.Popen(  # type: ignore[call-overload]
            command, cwd=place, env=environment, text=True, preexec_fn=hear_ctrl_c, **pipes
        )

    return run


SLOWLY = ("generate", "the cat", "-m", "m", "-d", "slow.py:Slow", "-n", "200")


@pytest.mark.skipif(sys.platform == "win32", reason="signals are sent otherwise there")
def test_ctrl_c_leaves_the_text_and_its_trace(start: Start, place: Path) -> None:
    process = start(*SLOWLY, "--trace", "t.jsonl")
    assert process.stdout is not None
    first = process.stdout.read(1)
    process.send_signal(signal.SIGINT)
    rest, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert said == "anyorder: stopped\n"
    trace = Trace.load(place / "t.jsonl")
    assert len(trace.steps) < 200
    assert first + rest


@pytest.mark.skipif(sys.platform == "win32", reason="pipes end otherwise there")
def test_a_pipe_that_nobody_reads_ends_it_quietly(start: Start) -> None:
    process = start(*SLOWLY)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.read(1)
    process.stdout.close()
    said = process.stderr.read()
    process.stderr.close()
    assert process.wait(timeout=60) == 141
    assert said == ""


def test_a_full_disk_behind_stdout_is_one_sentence(start: Start) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full here")
    with open("/dev/full", "w") as full:
        process = start("--help", stdout=full)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert said.splitlines()[-1] == "anyorder: no space left on device"
    assert "Traceback" not in said
    assert "Exception ignored" not in said


def test_help_answers_at_once(start: Start) -> None:
    seconds = []
    for _ in range(2):  # the first one may have to write byte code
        begun = time.perf_counter()
        out, said = start("--help").communicate(timeout=60)
        seconds.append(time.perf_counter() - begun)
        assert "generate" in out
        assert said == ""
    assert min(seconds) < 2.0


def test_help_imports_nothing_heavy(place: Path) -> None:
    code = (
        "import sys; from anyorder.cli.main import main; main(['--help']); main(['compare', '-h']);"
        "print([name for name in ('torch', 'transformers', 'numpy') if name in sys.modules])"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"
