"""`anyorder compare`: the table, the files that it leaves, and what goes wrong."""

import json
import re
from pathlib import Path

import pytest
from rich.console import Console

from anyorder.cli.compared_table import LEAST
from anyorder.cli.comparison import file_name
from anyorder.measure import compare as measured
from anyorder.trace import Trace, fold
from tests.cli.conftest import Invoke, sentence

PROMPTS = '{"name": "cat", "prompt": "the cat sat on"}\n{"name": "hat", "prompt": "the hat"}\n'


@pytest.fixture
def prompts(tmp_path: Path) -> Path:
    path = tmp_path / "prompts.jsonl"
    path.write_text(PROMPTS, encoding="utf-8")
    return path


def test_it_prints_a_table_and_writes_the_page_and_the_traces(
    invoke: Invoke, folder: Path, prompts: Path, tmp_path: Path
) -> None:
    done = invoke("compare", "-m", folder, "-p", prompts, "-n", 6, "--json", "figures.json")
    assert done.code == 0, done.err
    for name in ("left-to-right", "prompt-copy", "token-recycling", "jacobi", "auto"):
        assert name in done.out
    assert "<html" in (tmp_path / "compare.html").read_text(encoding="utf-8")
    assert len(list((tmp_path / "traces").glob("*.jsonl"))) == 10
    trace = Trace.load(tmp_path / "traces" / "hat-jacobi.jsonl")
    assert fold(trace).final_BN.all()
    figures = json.loads((tmp_path / "figures.json").read_text(encoding="utf-8"))
    for run in figures["runs"]:
        told = run["acceptance"]
        assert told["accepted"] <= told["drafted"]
        assert told["drafts"] == 0 or run["decoder"] != "left-to-right"
        assert run["notes"] == []
    assert [row["same_text"] for row in figures["rows"]] == [2] * 5
    assert figures["versions"]["python"]
    assert max(len(line) for line in done.out.splitlines() if line[:1] in "┃│") <= 100


def test_its_json_tells_drafts_and_seconds_apart_of_each_run_and_of_all(
    invoke: Invoke, folder: Path, prompts: Path, tmp_path: Path
) -> None:
    asked = ["-d", "jacobi", "--json", "figures.json"]
    done = invoke("compare", "-m", folder, "-p", prompts, "-n", 9, *asked)
    assert done.code == 0, done.err
    figures = json.loads((tmp_path / "figures.json").read_text(encoding="utf-8"))
    apart = ("draft_seconds", "prompt_seconds", "verify_seconds")
    for row in figures["rows"]:
        runs = [run for run in figures["runs"] if run["decoder"] == row["decoder"]]
        for name in ("calls", "cells", "seconds", *apart):
            assert row[name] == pytest.approx(sum(run[name] for run in runs))
        for name in ("drafts", "drafted", "accepted"):
            assert row["acceptance"][name] == sum(run["acceptance"][name] for run in runs)
        assert sum(row[name] for name in apart) < row["seconds"]
        assert row["prompt_seconds"] > 0
    plain, jacobi = figures["rows"]
    assert plain["draft_seconds"] == plain["acceptance"]["drafts"] == 0
    assert jacobi["draft_seconds"] > 0
    assert jacobi["acceptance"]["offered_at_depth"][0] == jacobi["acceptance"]["drafts"] > 0
    (line,) = (line for line in done.out.splitlines() if "jacobi " in line)
    told = [cell.strip() for cell in line.split("│")[5:8]]
    found = jacobi["acceptance"]
    assert told == [
        f"{found['accepted'] / found['drafted']:.0%}",
        f"{found['acceptance_length']:.2f}",
        f"{jacobi['draft_seconds'] / jacobi['seconds']:.0%}",
    ]


def test_decoders_are_those_that_were_asked_for(
    invoke: Invoke, folder: Path, prompts: Path
) -> None:
    asked = ["-d", "jacobi:block=4", "-d", "jacobi:block=4", "-d", "left-to-right"]
    done = invoke("compare", "-m", folder, "-p", prompts, "-n", 3, *asked, "--repeats", 2)
    assert done.code == 0, done.err
    names = [line.split("│")[1].strip() for line in done.out.splitlines() if "│" in line]
    assert names == ["left-to-right", "jacobi:block=4"]


@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_narrow_terminal_cuts_no_figure(
    invoke: Invoke,
    folder: Path,
    prompts: Path,
    monkeypatch: pytest.MonkeyPatch,
    width: int,
) -> None:
    monkeypatch.setattr("anyorder.cli.comparison.out", lambda: Console(width=width))
    long = "prompt-copy:ngram=7,width=12,shortest=2"
    asked = ("-d", "jacobi", "-d", long, "--json", "figures.json")
    done = invoke("compare", "-m", folder, "-p", prompts, "-n", 5, *asked)
    lines = done.out.splitlines()
    assert max(map(len, lines)) <= width
    assert "…" not in done.out
    rows = [line.split("│") for line in lines if "│" in line]
    heads = [line.replace("┃", " ").split() for line in lines if "┃" in line]
    assert {"tokens", "/s", "speed-", "up", "same", "text"} <= {word for h in heads for word in h}
    told = json.loads(Path("figures.json").read_text())["rows"]
    said = " ".join(done.out.split())
    left_out = re.search("For ([^:]+): a wider terminal, or --json", said)
    without = left_out[1].split(", ") if left_out else []
    assert tuple(without) == LEAST[: len(without)]
    assert bool(without) == (width < 120)
    assert ("Draft time:" in said) != ("draft time" in without)
    assert "".join(row[1].strip() for row in rows[2:]) == long
    for row, figures in zip([row for row in rows if row[2].strip()], told, strict=True):
        assert row[2].strip() == f"{figures['tokens_per_second']:.1f}"
        assert row[-3 if "exact" in without else -4].strip() == f"{figures['speedup']:.2f}"


@pytest.mark.filterwarnings("ignore:Stutter failed")
def test_a_drafter_that_broke_is_told_below_the_table(
    invoke: Invoke, folder: Path, prompts: Path, stutter: str
) -> None:
    done = invoke("compare", "-m", folder, "-p", prompts, "-n", 3, "-d", stutter, "-d", "jacobi")
    assert done.code == 0, done.err
    told = [line for line in done.out.splitlines() if "failed" in line]
    why = "failed, and the text goes on left to right: KeyError: 'nothing here'"
    assert told == [f"stutter: Stutter {why} (2 of 2 prompts)"]


def test_a_precision_that_rounds_tells_its_near_ties(
    invoke: Invoke, folder: Path, prompts: Path
) -> None:
    asked = ["-d", "jacobi", "--precision", "bfloat16"]
    done = invoke("compare", "-m", folder, "-p", prompts, "-n", 3, *asked)
    assert done.code == 0, done.err
    assert "near-ties" in done.out


def test_a_broken_line_is_named_and_the_others_run(
    invoke: Invoke, folder: Path, prompts: Path, tmp_path: Path
) -> None:
    too_long = json.dumps({"prompt": "the cat " * 300})
    with prompts.open("a", encoding="utf-8") as file:
        file.write(f'\n{{"name": "cut\n{{"name": "cat", "prompt": "a"}}\n[1]\n{too_long}\n')
        file.write('{"prompt": 3}\n{"name": " ", "prompt": "a"}\n{"prompt": ""}\n')
    done = invoke("compare", "-m", folder, "-p", prompts, "-n", 3, "-d", "jacobi")
    assert done.code == 1
    problems = [line for line in done.err.splitlines() if line.startswith("anyorder: ")]
    numbers = [line.split("line ")[1].split(":")[0] for line in problems]
    assert numbers == ["4", "5", "6", "8", "9", "7", "10"]  # first what needs no model to see
    assert "jacobi" in done.out
    assert (tmp_path / "compare.html").is_file()


def test_half_a_character_costs_its_line_alone(invoke: Invoke, folder: Path, prompts: Path) -> None:
    """Whole ones may be written as two halves: JSON does so."""
    with prompts.open("a", encoding="utf-8") as file:
        file.write('{"prompt": "a \\ud83d"}\n{"name": "\\ude00", "prompt": "a"}\n')
        file.write('{"name": "whole", "prompt": "a \\ud83d\\ude00"}\n')
    done = invoke("compare", "-m", folder, "-p", prompts, "-n", 2, "-d", "jacobi")
    assert done.code == 1
    problems = [line for line in done.err.splitlines() if line.startswith("anyorder: ")]
    assert problems == [
        f'anyorder: {prompts}, line 3: the "prompt" has half a character (a lone surrogate)',
        f'anyorder: {prompts}, line 4: the "name" has half a character (a lone surrogate)',
    ]
    assert "prompts: 3" in done.out


def test_a_decoder_that_does_not_fit_is_named_and_the_others_run(
    invoke: Invoke, folder: Path, prompts: Path, tmp_path: Path
) -> None:
    (tmp_path / "mine.py").write_text(
        "from dataclasses import dataclass\n"
        "from anyorder.decode import LeftToRight\n"
        "class Denoiser: ...\n"
        "@dataclass(frozen=True)\n"
        "class Mine(LeftToRight):\n"
        "    needs = (Denoiser,)\n"
    )
    asked = ["compare", "-m", folder, "-p", prompts, "-n", 3, "-d", "mine.py:Mine"]
    done = invoke(*asked, "-d", "jacobi", "--json", "figures.json")
    assert done.code == 0, done.err
    assert "Left out: mine, since Mine needs a Denoiser" in " ".join(done.out.split())
    figures = json.loads((tmp_path / "figures.json").read_text(encoding="utf-8"))
    assert list(figures["left_out"]) == ["mine"]
    assert [row["decoder"] for row in figures["rows"]] == ["left-to-right", "jacobi"]
    assert "needs a Denoiser" in sentence(invoke(*asked))


def test_ctrl_c_keeps_what_was_measured(
    invoke: Invoke, folder: Path, prompts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, runs = measured.generate, list[object]()

    def generate(*args: object, **options: object) -> object:
        runs.append(options["decoder"])
        if len(runs) == 2 + 2:  # the first prompt, and the second half done
            raise KeyboardInterrupt
        return real(*args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(measured, "generate", generate)
    asked = ["compare", "-m", folder, "-p", prompts, "-n", 3, "-d", "jacobi"]
    done = invoke(*asked)
    assert done.code == 130
    assert done.err.splitlines()[-1] == "anyorder: stopped"
    assert "left-to-right" in done.out
    assert "jacobi" in done.out
    said = " ".join(done.out.split())
    assert "prompts: left-to-right 2, jacobi 1 (so that only speed-up and same text" in said
    assert len(list((tmp_path / "traces").glob("*.jsonl"))) == 3
    assert "<html" in (tmp_path / "compare.html").read_text(encoding="utf-8")


def test_a_file_that_cannot_be_written_does_not_cost_the_others(
    invoke: Invoke, folder: Path, prompts: Path, tmp_path: Path
) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full here")
    asked = ["compare", "-m", folder, "-p", prompts, "-n", 3, "-d", "jacobi"]
    done = invoke(*asked, "--html", "/dev/full", "--json", "/dev/full")
    assert done.code == 1
    full = "anyorder: /dev/full can't be written: no space left on device"
    assert [line for line in done.err.splitlines() if line.startswith("anyorder")] == [full] * 2
    assert "jacobi" in done.out
    assert len(list((tmp_path / "traces").glob("*.jsonl"))) == 4


def test_a_pipe_that_nobody_reads_does_not_cost_the_files(
    invoke: Invoke, folder: Path, prompts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nobody() -> object:
        raise BrokenPipeError

    monkeypatch.setattr("anyorder.cli.comparison.out", nobody)
    assert invoke("compare", "-m", folder, "-p", prompts, "-n", 3, "-d", "jacobi").code == 141
    assert "<html" in (tmp_path / "compare.html").read_text(encoding="utf-8")
    assert len(list((tmp_path / "traces").glob("*.jsonl"))) == 4


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "no such file"),
        (b"", "has no prompt that could be run"),
        (b'{"prompt": "caf\xe9"}', "is no UTF-8 text"),
        ("folder", "is a directory"),
    ],
)
def test_a_prompt_file_that_is_none(
    invoke: Invoke, tmp_path: Path, content: bytes | str | None, words: str
) -> None:
    path = tmp_path / "prompts.jsonl"
    if content == "folder":
        path.mkdir()
    elif isinstance(content, bytes):
        path.write_bytes(content)
    assert words in sentence(invoke("compare", "-p", path))


def test_places_that_cannot_be_written_are_found_at_once(invoke: Invoke, prompts: Path) -> None:
    asked = ["compare", "-m", "nowhere.gguf", "-p", prompts]
    assert "is a folder" in sentence(invoke(*asked, "--html", "."))
    assert "no folder no" in sentence(invoke(*asked, "--json", "no/figures.json"))
    assert "is a file" in sentence(invoke(*asked, "--traces", prompts))
    assert "--repeats" in sentence(invoke(*asked, "--repeats", 0), 2)
    assert "--prompts" in sentence(invoke("compare"), 2)


def test_names_of_files() -> None:
    taken: set[str] = set()
    names = ["../../etc/x-y:z=1", "A b", "a B", "日本", ""]
    assert [file_name(name, taken) for name in names] == [
        "etc-x-y-z=1",
        "A-b",
        "a-B-2",
        "日本",
        "trace",
    ]
