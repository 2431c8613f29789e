"""`anyorder generate`: the text, the figures, the trace, and what goes wrong on the way."""

import io
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest

from anyorder.cli import generate as command
from anyorder.decode.generate import generate
from anyorder.models.load import load
from anyorder.trace import Trace, fold
from tests.cli.conftest import Invoke, sentence


def test_it_writes_what_the_library_writes(invoke: Invoke, folder: Path) -> None:
    done = invoke("generate", "the cat", "-m", folder, "-n", 20, "-d", "jacobi:block=4")
    assert done.code == 0, done.err
    assert done.out == f"{generate(load(folder), 'the cat', max_new_tokens=20).text}\n"
    (line,) = done.err.splitlines()
    assert "tokens/s" in line
    assert "tokens per call" in line
    assert "ended by length" in line
    assert "seed" not in line


def test_the_trace_can_be_replayed(invoke: Invoke, folder: Path, tmp_path: Path) -> None:
    done = invoke("generate", "the cat", "-m", folder, "-n", 6, "--trace", "t.jsonl", "--no-chat")
    assert done.code == 0, done.err
    trace = Trace.load(tmp_path / "t.jsonl")
    assert trace.facts["texts"] == [done.out.removesuffix("\n")]
    shown = invoke("replay", "t.jsonl", "--every", 2)
    assert shown.code == 0
    assert len(shown.out.splitlines()) == len(range(0, len(trace.steps), 2)) + 1
    assert "the cat" in shown.out


def test_a_seed_decides_and_is_told(invoke: Invoke, folder: Path) -> None:
    options = ["generate", "the cat", "-m", folder, "-n", 12, "-t", 1.5]
    first = invoke(*options)
    seed = first.err.rsplit("seed ", 1)[1].strip()
    assert invoke(*options, "--seed", seed).out == first.out
    assert len({invoke(*options, "--seed", other).out for other in range(3)}) > 1


def test_a_stop_string_ends_the_text(invoke: Invoke, folder: Path) -> None:
    text = invoke("generate", "the cat", "-m", folder, "-n", 20).out.removesuffix("\n")
    stop = text[7:9]
    done = invoke("generate", "the cat", "-m", folder, "-n", 20, "--stop", stop, "--stop", r"\n\t")
    assert done.code == 0
    assert done.out == text[: text.index(stop)] + "\n"


def test_a_full_context_is_said(invoke: Invoke, folder: Path) -> None:
    done = invoke("generate", "the cat", "-m", folder, "-n", 1000)
    assert done.err.rstrip().endswith("ended by the model's context (256 tokens)")


def test_the_prompt_may_come_from_stdin(
    invoke: Invoke, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = invoke("generate", "the café", "-m", folder, "-n", 6, "--no-chat").out
    given = io.TextIOWrapper(io.BytesIO("the café\n".encode()), encoding="ascii")
    monkeypatch.setattr(sys, "stdin", given)
    assert invoke("generate", "-", "-m", folder, "-n", 6, "--no-chat").out == expected
    broken = io.TextIOWrapper(io.BytesIO(b"caf\xe9"), encoding="ascii")
    monkeypatch.setattr(sys, "stdin", broken)
    assert "no UTF-8" in sentence(invoke("generate", "-", "-m", folder))


def test_the_prompt_may_come_from_a_file(invoke: Invoke, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "prompt.txt").write_text("the café\n", encoding="utf-8")
    asked = ["generate", "-m", folder, "-n", 6, "--no-chat"]
    done = invoke(*asked, "--prompt-file", "prompt.txt")
    assert done.code == 0, done.err
    assert done.out == invoke(*asked, "the café").out
    assert "give a prompt, or" in sentence(invoke(*asked), 2)
    assert "give a prompt, or" in sentence(invoke(*asked, "a", "--prompt-file", "prompt.txt"), 2)
    assert "no such file" in sentence(invoke(*asked, "--prompt-file", "nowhere.txt"))
    (tmp_path / "prompt.txt").write_bytes(b"caf\xe9")
    assert "no UTF-8" in sentence(invoke(*asked, "--prompt-file", "prompt.txt"))


def test_a_terminal_is_not_obeyed_by_the_text(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    command._say("a\x1b[2J")
    assert capsys.readouterr().out == "a␛[2J"


@pytest.mark.parametrize("terminal", [True, False])
def test_a_warning_has_a_line_of_its_own_in_a_terminal(
    invoke: Invoke, folder: Path, monkeypatch: pytest.MonkeyPatch, terminal: bool
) -> None:
    def write(*given: object, **options: Any) -> object:
        monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal)
        monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
        options["on_text"](0, "words")
        for _ in range(2):  # the second one begins on a new line anyway
            warnings.showwarning(UserWarning("beware"), UserWarning, "here.py", 1)
        raise KeyboardInterrupt

    monkeypatch.setattr("anyorder.decode.generate.generate", write)
    monkeypatch.setattr("anyorder.cli.main.remark", lambda said: sys.stderr.write(f"{said}\n"))
    done = invoke("generate", "the cat", "-m", folder)
    assert done.out == "words\n"
    assert done.err == ("\n" if terminal else "") + "beware\nbeware\nanyorder: stopped\n"


def test_ctrl_c_keeps_text_and_trace(
    invoke: Invoke, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[str] = []

    def say(piece: str) -> None:
        heard.append(piece)
        sys.stdout.write(piece)
        if len(heard) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(command, "_say", say)
    asked = ["generate", "the cat", "-m", folder, "-d", "left-to-right", "--trace", "t.jsonl"]
    done = invoke(*asked)
    assert "stopped" in sentence(done, 130)
    assert done.out == "".join(heard[:3]) + "\n"
    trace = Trace.load(tmp_path / "t.jsonl")
    assert len(trace.steps) >= 3, "what was said stands in the trace"
    assert fold(trace).open_BN.any()
    assert trace.pieces


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["-n", 0], "max-new-tokens"),
        (["--temperature", -1], "temperature is -1.0; it must be 0 or more"),
        (["--top-p", 0], "top_p"),
        (["--top-k", "many"], "top-k"),
        (["--seed", -1], "seed"),
        (["--stop", ""], "stop string is empty"),
        (["-d", "nonsense"], "there is no decoder 'nonsense'; there are: aggressive-decoding"),
        (["-d", "jacobi:blok=3"], "jacobi has no option 'blok'; it has: block"),
        (["-d", "jacobi:block"], "the option block needs a value: jacobi:block=..."),
        (["-d", "mine.py"], "name the class, too: mine.py:NameOfTheDecoder"),
        (["-d", "jacobi:block=x"], "block is a number"),
        (["-d", "speculative"], "speculative needs draft_model"),
        (["-d", "nowhere.py:Toy"], "nowhere.py does not exist"),
        (["--precision", "int3"], "precision"),
        (["--threads", 0], "threads"),
        (["--trace", "no/such/t.jsonl"], "there is no folder no/such"),
        (["--trace", "."], "is a folder"),
        (["--colour", "red"], "--colour"),
    ],
)
def test_an_option_that_is_wrong(
    invoke: Invoke, folder: Path, options: list[object], words: str
) -> None:
    done = invoke("generate", "the cat", "-m", folder, *options)
    assert words in sentence(done, done.code or 1)
    assert not done.out


def test_prompts_that_cannot_be_continued(invoke: Invoke, folder: Path) -> None:
    assert "is empty" in sentence(invoke("generate", "", "-m", folder))
    long = sentence(invoke("generate", "the cat sat " * 200, "-m", folder))
    assert "tiny reads 256 at most" in long
    assert "UTF-8" in sentence(invoke("generate", "caf\udce9", "-m", folder))


def test_a_full_disk_costs_the_trace_alone(invoke: Invoke, folder: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full here")
    done = invoke("generate", "the cat", "-m", folder, "-n", 6, "--trace", "/dev/full")
    assert done.code == 1
    assert done.out == invoke("generate", "the cat", "-m", folder, "-n", 6).out
    assert done.err.splitlines()[-1] == (
        "anyorder: /dev/full can't be written: no space left on device"
    )


def test_escapes_of_stop_strings() -> None:
    assert command.unescaped(r"\n\n") == "\n\n"
    assert command.unescaped(r"\\n\x") == r"\n\x"


def test_debug_shows_where(invoke: Invoke, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANYORDER_DEBUG", "0")
    done = invoke("--debug", "generate", "", "-m", folder)
    assert "Traceback" in done.err
    assert done.err.splitlines()[-1] == "anyorder: the prompt is empty; write at least one word"
