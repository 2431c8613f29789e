"""The other commands, and what all have in common."""

import json
import re
from pathlib import Path

import pytest
from rich.console import Console

from anyorder import __version__
from anyorder.cli import doctor, fetch, main
from anyorder.cli.options import may_write, may_write_into
from anyorder.cli.screen import _line
from anyorder.decode.catalogue import decoders
from anyorder.systems.catalogue import listed
from tests.cli.conftest import Invoke, sentence


def test_help_names_every_command_and_cuts_no_sentence(invoke: Invoke) -> None:
    done = invoke("--help")
    assert done.code == 0
    assert invoke().out == done.out
    for command in main.app.registered_commands:
        assert command.callback is not None
        name = command.callback.__name__.replace("_", "-")
        assert f"  {name} " in done.out
        assert invoke(name, "-h").code == 0
    assert not [line for line in done.out.splitlines()[1:] if line.endswith("...")]


def test_the_version(invoke: Invoke) -> None:
    assert invoke("--version").out == f"anyorder {__version__}\n"


@pytest.mark.parametrize("args", [["nonsense"], ["generate"], ["--nonsense"], ["replay"]])
def test_a_command_line_that_is_wrong_points_to_the_help(invoke: Invoke, args: list[str]) -> None:
    assert re.search("see `anyorder( generate| replay)? --help`", sentence(invoke(*args), 2))


def test_decoders_are_listed_with_their_options(invoke: Invoke) -> None:
    done = invoke("decoders")
    assert done.code == 0
    lines = done.out.splitlines()
    assert set(decoders()) <= {line.split(" ")[0] for line in lines}
    assert "sliding=false" in done.out
    assert "draft_model=..." in done.out
    assert "horizon=none" in done.out
    assert "(rank_odds)" in done.out  # not in words
    (beam,) = (line for line in lines if line.startswith("beam "))
    assert re.match(r"beam +CausalLM +no ", beam)


def test_decoders_read_well_in_a_narrow_terminal(
    invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("anyorder.cli.screen.out", lambda: Console(width=80))
    lines = invoke("decoders").out.splitlines()
    assert max(map(len, lines)) <= 80
    assert not any("…" in line for line in lines)
    assert [line.split("  ")[0] for line in lines if line[:1] != " "] == list(decoders())
    (at,) = (n for n, line in enumerate(lines) if line.startswith("beam  CausalLM, not exact"))
    assert lines[at + 1].startswith("    Keeps `width` beginnings")
    assert "    width=4  length_penalty=" in "\n".join(lines[at + 1 : at + 5])


def test_systems_are_listed_in_words_and_as_json(invoke: Invoke) -> None:
    rows = json.loads(invoke("systems", "--json").out)
    assert [row["number"] for row in rows] == [line.number for line in listed()]
    assert set(rows[0]) == {"number", "slug", "family", "title", "status", "verdicts"}
    draft = json.loads(invoke("systems", "--json", "--family", "draft").out)
    assert {row["family"] for row in draft} == {"draft"}
    shown = invoke("systems", "-f", "draft")
    assert len(shown.out.splitlines()) == 1 + len(draft)
    assert f"of {len(draft)} work" in shown.err
    assert "there is no family 'nonsense'" in sentence(invoke("systems", "-f", "nonsense"))
    working = json.loads(invoke("systems", "--json", "--works").out)
    assert working == [row for row in rows if row["status"] == "works"]


def test_debug_may_stand_anywhere_before_the_words_of_others(
    invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANYORDER_DEBUG", "0")
    failed = invoke("replay", "nothing.jsonl", "--debug")
    assert failed.code == 1
    assert "Traceback" in failed.err
    monkeypatch.setenv("ANYORDER_DEBUG", "0")
    assert "Traceback" not in invoke("replay", "--", "--debug").err


def test_what_can_not_be_written_is_known_before_the_work(tmp_path: Path) -> None:
    may_write(tmp_path / "new.json")
    may_write_into(tmp_path / "a" / "b")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="is a file; name a folder"):
        may_write_into(tmp_path / "file")
    with pytest.raises(ValueError, match="can't be made"):
        may_write_into(tmp_path / "file" / "below")
    if Path("/proc/self").exists():
        with pytest.raises(ValueError, match="can't be written"):
            may_write(Path("/proc/x.jsonl"))


def test_a_system_is_reproduced_quickly(invoke: Invoke, tmp_path: Path) -> None:
    done = invoke("reproduce", "aggressive-decoding", "--quick")
    assert done.code == 0, done.err
    assert re.search(r"^(holds|partly|not at this scale): ", done.out, re.MULTILINE)
    assert not (tmp_path / "results").exists()
    assert "did you mean" in sentence(invoke("reproduce", "aggressive-decodin"))
    (tmp_path / "results").touch()
    assert "is a file" in sentence(invoke("reproduce", "aggressive-decoding"))


def test_fetch_says_where_the_model_is(invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "there is no model 'gpt5'" in sentence(invoke("fetch", "gpt5"))
    monkeypatch.setattr("anyorder.models.files.fetch.fetch", lambda name: Path("there") / name)
    assert invoke(fetch.__name__.split(".")[-1]).out == f"{Path('there/smollm2')}\n"


def test_the_doctor_looks_at_everything(
    invoke: Invoke, cache_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "requires", lambda _: ["torch", 'ray[data]; extra == "ray"'])
    (cache_dir / "smollm2").mkdir(parents=True)
    (cache_dir / "smollm2" / "SmolLM2-135M-Instruct.Q4_1.gguf").write_bytes(b"0" * 3_000_000)
    done = invoke("doctor")
    assert done.code == 0, done.err
    said = dict(re.split(r"  +", line.strip(), maxsplit=1) for line in done.out.splitlines())
    assert re.match(r"\d+\.\d+", said["torch"])
    assert int(said["cores"]) >= 1
    assert said["fetched models"] == "smollm2"
    assert "3 MB" in said["cache folder"]
    assert {"float32", "bfloat16", "int8", "threads", "memory", "CUDA device"} <= set(said)
    assert said["extras"].startswith("ray: ")


@pytest.mark.parametrize("content", ["", "nonsense\n", '{"a": 1}\n', "[]\n", "caf\udce9"])
def test_what_is_no_trace_cannot_be_replayed(invoke: Invoke, tmp_path: Path, content: str) -> None:
    path = tmp_path / "t.jsonl"
    path.write_bytes(content.encode(errors="surrogateescape"))
    assert "no anyorder trace" in sentence(invoke("replay", path))


def test_a_replay_of_nothing(invoke: Invoke, tmp_path: Path) -> None:
    assert "no such file" in sentence(invoke("replay", "nowhere.jsonl"))
    assert "directory" in sentence(invoke("replay", tmp_path))


def test_what_nobody_thought_of_is_still_one_sentence() -> None:
    said = main.sentence(RuntimeError("it\nbroke"))
    assert said == "RuntimeError: it broke (unexpected: --debug shows where it came from)"
    assert (
        main.sentence(ModuleNotFoundError(name="ray")) == "ray is not installed, and this needs it"
    )


def test_a_line_of_progress_says_what_is_left_of_many_parts_and_no_more() -> None:
    from rich.progress import Progress

    now = [0.0]
    bar = Progress(disable=True, get_time=lambda: now[0])
    many, few = bar.add_task("steps", total=100), bar.add_task("models", total=5)
    for done in (10, 20):
        now[0] += 20.0
        bar.update(many, completed=done)
        bar.update(few, advance=1)
    assert [_line(task) for task in bar.tasks] == [
        "20 of 100 · steps · about 3 minutes left",
        "2 of 5 · models · 1 minute so far",
    ]
