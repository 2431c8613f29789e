"""`anyorder train` and `anyorder distill`, as a user with pairs of her own meets them."""

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Invoke, sentence

TINY = ["--steps", "6", "--cells", "200", "--warmup", "2"]


@pytest.fixture
def pairs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    lines = [f"{n} and {n * n % 17}\t{n * n % 17} und {n}\n" for n in range(80)]
    Path("pairs.tsv").write_text("".join(lines), encoding="utf-8")
    return "pairs.tsv"


def test_three_commands_make_a_pupil_of_a_teacher(invoke: Invoke, pairs: str) -> None:
    teach = invoke("train", pairs, "--paradigm", "deep-shallow", "--out", "teacher", *TINY)
    assert teach.code == 0, teach.err
    assert "bleu" in teach.out
    assert Path("teacher/training/loss.png").is_file()
    told = invoke("distill", "teacher", pairs, "--decoder", "left-to-right", "--out", "d.jsonl")
    assert told.code == 0, told.err
    assert len(Path("d.jsonl").read_text().splitlines()) > 60
    learn = invoke("train", pairs, "--train-on", "d.jsonl", "--own", "--paradigm", "ctc", *TINY)
    assert learn.code == 0, learn.err
    wrote = invoke("generate", "3 and 9", "--model", "pairs-ctc")
    assert wrote.code == 0, wrote.err
    wrong = invoke("generate", "3 and 9", "--model", "pairs-ctc", "--decoder", "beam")
    assert "Beam needs a CausalLM" in sentence(wrong)


def test_models_are_compared_on_a_task(invoke: Invoke, pairs: str) -> None:
    for paradigm in ("ctc", "autoregressive"):
        assert invoke("train", pairs, "--paradigm", paradigm, *TINY).code == 0
    both = ["--model", "pairs-ctc", "--model", "pairs-autoregressive"]
    done = invoke("compare", "--task", pairs, *both, "--pairs", "3", "--json", "found.json")
    assert done.code == 0, done.err
    found = json.loads(Path("found.json").read_text())
    assert [(row["model"], row["decoder"]) for row in found["rows"]] == [
        ("pairs-ctc", "ctc-greedy"),
        ("pairs-ctc", "ctc-beam"),
        ("pairs-autoregressive", "left-to-right"),
        ("pairs-autoregressive", "beam:width=4"),
    ]
    assert all(row["ms"] > 0 and row["/s"] > 0 for row in found["rows"])
    assert "no folder of a model" in sentence(invoke("compare", "--task", pairs, "-m", "nowhere"))
    assert "no model of" in sentence(invoke("compare", "--task", pairs))
    assert "leave the others out" in sentence(invoke("compare", "--task", pairs, "-p", pairs), 2)


def test_a_model_goes_on_from_an_earlier_one(invoke: Invoke, pairs: str) -> None:
    first = invoke("train", pairs, "--paradigm", "ctc", "--out", "first", *TINY)
    assert first.code == 0, first.err
    later = ["train", pairs, "--paradigm", "nmla", "--begin-from", "first", *TINY]
    assert invoke(*later).code == 0
    assert Path("pairs-nmla/source.json").read_bytes() == Path("first/source.json").read_bytes()
    wrong = invoke("train", pairs, "--paradigm", "dag", "--begin-from", "first", *TINY)
    assert "of the kind 'ctc'" in sentence(wrong)


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["pronounc"], "did you mean pronounce"),
        (["missing.tsv"], "there is no file missing.tsv"),
        (["{pairs}", "--paradigm", "nonsense"], "there is no paradigm 'nonsense'"),
        (["{pairs}", "--own"], "--own goes with --train-on"),
        (["{pairs}", "--precision", "float8"], "not in float8"),
        (["{pairs}", "--begin-from", "nowhere"], "there is nothing to begin from"),
    ],
)
def test_bad_input_is_a_sentence(invoke: Invoke, pairs: str, args: list[str], words: str) -> None:
    assert words in sentence(invoke("train", *(arg.format(pairs=pairs) for arg in args)))


def test_the_paradigms_are_listed(invoke: Invoke) -> None:
    assert "ctc-glancing" in invoke("train", "--list").out


def test_a_teacher_is_a_folder_of_ours(invoke: Invoke, pairs: str) -> None:
    assert "is no folder of a model" in sentence(invoke("distill", "nowhere", pairs))
