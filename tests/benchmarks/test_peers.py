"""The whole benchmark on fake workers: its file, its words, its exit status."""

import json
from pathlib import Path
from typing import Any

import pytest

from anyorder.measure.results import read_peers
from benchmarks import peers
from tests.benchmarks.made import FakeWorker, crew_of, hiring

PROMPTS = [{"name": "story", "prompt": "Once"}, {"name": "edit", "prompt": "Mend"}]


@pytest.fixture
def settings(tmp_path: Path) -> list[str]:
    """The words of a short benchmark in a folder of its own."""
    prompts = tmp_path / "prompts.jsonl"
    lines = [json.dumps(prompt) + "\n" for prompt in PROMPTS]
    prompts.write_text("".join(lines), encoding="utf-8")
    out = tmp_path / "peers-tiny.json"
    words = ["--model", "tiny.gguf", "--prompts", str(prompts), "--out", str(out)]
    return [*words, "--decoders", "auto", "--repeats", "2"]


def staff(monkeypatch: pytest.MonkeyPatch, **workers: FakeWorker) -> None:
    monkeypatch.setattr(peers, "hired", hiring(crew_of(**workers)))


def test_a_whole_benchmark(
    monkeypatch: pytest.MonkeyPatch,
    settings: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    slow = FakeWorker(seconds=1.0)
    staff(monkeypatch, ours=FakeWorker(), hugging=slow, llama=FakeWorker())
    assert peers.main(settings) == 0
    result = read_peers(tmp_path / "peers-tiny.json")
    assert len(result.rows) == 2 * (6 + 6 + 2), "two prompts; ours, transformers, llama.cpp"
    ours = [row for row in result.rows if row.engine == "anyorder"]
    assert {row.ratio["transformers greedy"] for row in ours if row.precision == "float32"} == {2.0}
    assert {row.ratio["llama.cpp greedy"] for row in ours if row.precision == "int8"} == {1.0}
    assert result.versions["transformers"] == "5", "the version of the peer"
    out = capsys.readouterr().out
    assert "8.0 (2.00x)" in out
    assert "met          2.00    left to right at least 1.7 times" in out
    assert list(tmp_path.glob("*.partial.jsonl")) == [], "all is done"
    assert peers.main(["--show", str(tmp_path / "peers-tiny.json")]) == 0
    assert capsys.readouterr().out == out


def test_without_peers_ours_is_measured(
    monkeypatch: pytest.MonkeyPatch, settings: list[str], tmp_path: Path
) -> None:
    staff(monkeypatch, ours=FakeWorker())
    assert peers.main(settings) == 0
    result = read_peers(tmp_path / "peers-tiny.json")
    assert {row.engine for row in result.rows} == {"anyorder"}
    assert all(set(row.ratio) <= {"anyorder left-to-right"} for row in result.rows)


def test_ended_and_gone_on_with(
    monkeypatch: pytest.MonkeyPatch,
    settings: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    class Ended(FakeWorker):
        def ask(self, do: str, **words: Any) -> dict[str, Any]:
            if len(self.written) == 9:  # six warm-ups, three runs
                raise KeyboardInterrupt
            return super().ask(do, **words)

    staff(monkeypatch, ours=Ended())
    assert peers.main(settings) == 130
    assert "goes on from here" in capsys.readouterr().err
    again = FakeWorker()
    staff(monkeypatch, ours=again)
    assert peers.main(settings) == 0
    assert len(again.written) == 6 + (2 * 2 * 6 - 3)
    assert len(read_peers(tmp_path / "peers-tiny.json").rows) == 12


def test_what_failed_can_be_tried_again(
    monkeypatch: pytest.MonkeyPatch, settings: list[str], tmp_path: Path
) -> None:
    staff(monkeypatch, ours=FakeWorker(broken=["auto"]))
    assert peers.main(settings) == 0
    assert len(read_peers(tmp_path / "peers-tiny.json").rows) == 6
    assert list(tmp_path.glob("*.partial.jsonl")), "what is done is kept"
    staff(monkeypatch, ours=FakeWorker())
    assert peers.main(settings) == 0
    assert len(read_peers(tmp_path / "peers-tiny.json").rows) == 12


def test_runs_of_other_settings_need_a_word(
    monkeypatch: pytest.MonkeyPatch, settings: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    staff(monkeypatch, ours=FakeWorker(broken=["auto"]))
    assert peers.main(settings) == 0
    assert peers.main([*settings, "--new", "7"]) == 1
    assert "begin anew with --fresh" in capsys.readouterr().err
    assert peers.main([*settings, "--new", "7", "--fresh"]) == 0


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--decoders", "no-such"], "there is no decoder 'no-such'"),
        (["--decoders", "beam"], "writes another text"),
        (["--prompts", "no-such-file"], "no-such-file"),
        (["--show", "no-such-file.json"], "no-such-file.json"),
    ],
)
def test_bad_input_is_a_sentence(
    words: list[str], sentence: str, settings: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert peers.main([*settings, *words]) == 1
    assert sentence in capsys.readouterr().err


def test_a_broken_prompt_is_named_with_its_line(
    settings: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with (tmp_path / "prompts.jsonl").open("a", encoding="utf-8") as file:
        file.write("{")
    assert peers.main(settings) == 1
    assert "line 3" in capsys.readouterr().err


def test_quick_is_one_prompt_once_and_no_result(tmp_path: Path) -> None:
    chosen = peers.arguments().parse_args(["--quick", "--model", "a/Some-Model.gguf"])
    settings = peers.settings_of(chosen)
    assert list(settings.prompts) == ["story"]
    assert (settings.new, settings.repeats) == (24, 1)
    assert settings.name == "some-model"
    assert settings.out.name == "peers-some-model.json"
    assert settings.out.parent != peers.ROOT / "results"


def test_a_busy_machine_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(peers.os, "getloadavg", lambda: (100.0, 0.0, 0.0))
    peers.warn_if_busy()
    assert "busy (load 100.0)" in capsys.readouterr().err
    monkeypatch.setattr(peers.os, "getloadavg", lambda: (0.0, 0.0, 0.0))
    peers.warn_if_busy()
    assert capsys.readouterr().err == ""
