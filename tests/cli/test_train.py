"""`anyorder train` and `anyorder distill`, as a user with pairs of her own meets them."""

import json
import re
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from anyorder.cli.main import main
from anyorder.measure.translation import translate
from anyorder.trace import Trace
from tests.cli.conftest import Invoke, sentence
from tests.models import made_masked

TINY = ["--steps", "6", "--cells", "200", "--warmup", "2"]


def written(folder: Path) -> str:
    lines = [f"{n} and {n * n % 17}\t{n * n % 17} und {n}\n" for n in range(80)]
    (folder / "pairs.tsv").write_text("".join(lines), encoding="utf-8")
    return "pairs.tsv"


@pytest.fixture
def pairs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    return written(tmp_path)


@pytest.fixture(autouse=True)
def undrawn(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """One training's curve is drawn, the first test's; the others save the time."""
    if request.node.name != "test_three_commands_make_a_pupil_of_a_teacher":
        monkeypatch.setattr("anyorder.train.fit.plot", lambda folder: None)


def test_three_commands_make_a_pupil_of_a_teacher(invoke: Invoke, pairs: str) -> None:
    teach = invoke("train", pairs, "--paradigm", "deep-shallow", "--out", "teacher", *TINY)
    assert teach.code == 0, teach.err
    assert "bleu" in teach.out
    assert Path("teacher/training/loss.png").is_file()
    told = invoke("distill", "teacher", pairs, "--decoder", "left-to-right", "--out", "d.jsonl")
    assert told.code == 0, told.err
    lines = [json.loads(line) for line in Path("d.jsonl").read_text().splitlines()]
    assert len(lines) > 60
    empty = sum(not line["target"] for line in lines)
    assert empty > 0, "a teacher of six steps"
    assert f"d.jsonl: {len(lines) - empty} pairs written, {empty} left empty" in told.err
    learn = invoke("train", pairs, "--train-on", "d.jsonl", "--own", "--paradigm", "ctc", *TINY)
    assert learn.code == 0, learn.err
    assert f"{empty} pairs have an empty source or target" in learn.err
    wrote = invoke("generate", "3 and 9", "--model", "pairs-ctc")
    assert wrote.code == 0, wrote.err
    assert "· 1 call ·" in wrote.err
    wrong = invoke("generate", "3 and 9", "--model", "pairs-ctc", "--decoder", "beam")
    assert "beam needs a CausalLM" in sentence(wrong)


def test_a_backward_teacher_writes_sources(invoke: Invoke, pairs: str) -> None:
    back = invoke("train", pairs, "--reverse", "--paradigm", "autoregressive", *TINY)
    assert back.code == 0, back.err
    teacher = ["pairs-reversed-autoregressive", pairs, "--decoder", "left-to-right"]
    told = invoke("distill", *teacher, "--reverse", "--out", "r.jsonl")
    assert told.code == 0, told.err
    lines = [json.loads(line) for line in Path("r.jsonl").read_text().splitlines()]
    assert all(" und " in line["target"] for line in lines)
    learn = invoke("train", pairs, "--train-on", "r.jsonl", "--own", "--paradigm", "vanilla", *TINY)
    assert learn.code == 0, learn.err


def test_a_masked_language_model_lends_itself(invoke: Invoke, pairs: str) -> None:
    texts = invoke("train", pairs, "--paradigm", "masked-lm", "--out", "lm", *TINY)
    assert texts.code == 0, texts.err
    assert "bleu" not in texts.out
    assert "--begin-from lm" in texts.err
    assert "translates nothing" in sentence(invoke("generate", "3 and 9", "--model", "lm"))
    for one in (["-m", "lm"], ["-m", "lm", "--pairs", "2", "--json", "none.json"]):
        assert "--begin-from lm" in sentence(invoke("compare", "--task", pairs, *one))
    assert not Path("none.json").exists(), "refused before anything was measured"
    begun = ["--paradigm", "dag", "--begin-from", "lm"]
    learn = invoke("train", pairs, *begun, *TINY)
    assert learn.code == 0, learn.err
    assert Path("pairs-dag/target.json").read_bytes() == Path("lm/source.json").read_bytes()


def test_holes_are_filled_by_a_model_that_is_told_any_cells(invoke: Invoke, pairs: str) -> None:
    made = invoke("train", pairs, "--paradigm", "any-subset", "--out", "filler", *TINY)
    assert made.code == 0, made.err
    assert 'try `anyorder generate "A ___ text" --model filler`' in made.err
    asked = ["generate", "12 ___:2 und ___:1", "--model", "filler"]
    wrote = [invoke(*asked, "--decoder", f"any-subset:width={n}") for n in (4, 1)]
    assert wrote[0].code == wrote[1].code == 0, wrote[0].err
    assert wrote[0].out == wrote[1].out
    assert wrote[0].out.startswith("12")
    assert " und" in wrote[0].out
    assert "3 calls" in wrote[1].err
    assert "3 tokens" in wrote[0].err
    goes_on = invoke("generate", "12 und", "--model", "filler", "--max-new-tokens", "4")
    assert goes_on.out.startswith("12 und")
    large = invoke("generate", "12 ___:9", "--model", "filler", "--max-new-tokens", "4")
    assert "the holes of the prompt have 9 tokens, and 4 may be written" in sentence(large)
    left = invoke("compare", "--task", pairs, "--model", "filler")
    assert "fills holes in texts and translates nothing" in sentence(left)


def test_a_model_that_only_drafts_is_not_scored(invoke: Invoke, pairs: str) -> None:
    made = invoke("train", pairs, "--paradigm", "block-draft", "--out", "drafter", *TINY)
    assert made.code == 0
    drafts = "--decoder block-draft:draft_model=drafter"
    assert f"try `anyorder generate ... --model LARGER {drafts}`" in made.err
    assert "exact" not in made.out
    assert invoke("train", pairs, "--paradigm", "deep", "--out", "large", *TINY).code == 0
    options = ["--model", "large", "--max-new-tokens", "4"]
    plain = invoke("generate", "x", *options)
    assert invoke("generate", "x", *options, *drafts.split()).out == plain.out


def test_a_language_model_from_elsewhere_learns_to_write(invoke: Invoke, pairs: str) -> None:
    made_masked.folder(Path("elsewhere"))
    begun = ["--paradigm", "semantic-guided", "--begin-from", "elsewhere", "--out", "model"]
    learn = invoke("train", pairs, *begun, *TINY)
    assert learn.code == 0, learn.err
    assert "bleu" in learn.out
    shutil.rmtree("elsewhere")
    for decoder in ([], ["--decoder", "ctc-greedy"]):
        wrote = invoke("generate", "3 and 9", "--model", "model", *decoder)
        assert wrote.code == 0, wrote.err
    long = " and ".join(map(str, range(20)))
    assert "model reads 19 at most" in sentence(invoke("generate", long, "--model", "model"))
    done = invoke("compare", "--task", pairs, "-m", "model", "--pairs", "3", "--json", "found.json")
    assert done.code == 0, done.err
    found = json.loads(Path("found.json").read_text())
    assert [row["decoder"] for row in found["rows"]] == ["align-denoise", "ctc-greedy"]


def test_a_language_model_from_elsewhere_begins_one_paradigm(invoke: Invoke, pairs: str) -> None:
    made_masked.folder(Path("elsewhere"))
    for options, words in (
        (["--paradigm", "ctc"], "semantic-guided begins from it"),
        (["--paradigm", "semantic-guided", "--channels", "64"], "leave out how many"),
    ):
        told = invoke("train", pairs, *options, "--begin-from", "elsewhere", *TINY)
        assert words in sentence(told)


def test_what_never_saw_a_pair_is_no_translator_yet(invoke: Invoke, pairs: str) -> None:
    texts = invoke("train", pairs, "--paradigm", "dag-infilling", "--out", "texts", *TINY)
    assert texts.code == 0, texts.err
    assert "bleu" not in texts.out
    assert "anyorder generate" not in texts.err
    assert "--begin-from texts" in texts.err
    learn = invoke("train", pairs, "--paradigm", "dag", "--begin-from", "texts", *TINY)
    assert "bleu" in learn.out, learn.err
    both = invoke("train", pairs, "--paradigm", "semantic-guided", *TINY)
    assert "bleu" in both.out, "one vocabulary, but of pairs"


def test_models_are_compared_on_a_task(invoke: Invoke, pairs: str, parallel: str) -> None:
    assert invoke("train", pairs, "--paradigm", "autoregressive", *TINY).code == 0
    both = ["--model", parallel, "--model", "pairs-autoregressive"]
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
    assert {row["batch"] for row in found["rows"]} == {3}
    facts = {key: found[key] for key in ("pairs", "max_new_tokens", "precision", "threads")}
    threads = torch.get_num_threads()
    assert facts == {
        "pairs": 3,
        "max_new_tokens": 200,
        "precision": "float32",
        "threads": threads,
    }
    page = Path("compare.html").read_text(encoding="utf-8")
    assert "pairs-ctc · ctc-greedy" in page
    assert '"kind":"ctc"' in page
    assert "<summary>The source</summary>" in page
    assert len(list(Path("traces").glob("*.jsonl"))) == 3 * 4
    assert "no folder of a model" in sentence(invoke("compare", "--task", pairs, "-m", "nowhere"))
    assert "no model of" in sentence(invoke("compare", "--task", pairs))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the model is that many tests read: it is trained once."""
    folder = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert main(["train", written(folder), "--paradigm", "ctc", *TINY]) == 0
    return folder / "pairs-ctc"


@pytest.fixture
def parallel(trained: Path, pairs: str, tmp_path: Path) -> str:
    """A trained model's folder, a copy of its own."""
    shutil.copytree(trained, tmp_path / trained.name)
    return trained.name


def test_options_that_have_no_meaning_on_a_task_are_refused(invoke: Invoke, pairs: str) -> None:
    for option in (["-p", pairs], ["--no-chat"]):
        told = sentence(invoke("compare", "--task", pairs, *option), 2)
        assert "leave out --" in told
    assert "leave out --chat" in told
    assert not Path("traces").exists()
    assert "--pairs" in sentence(invoke("compare", "-p", pairs, "--pairs", "3"), 2)


def test_options_that_have_a_meaning_on_a_task_are_applied(
    invoke: Invoke, pairs: str, parallel: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads = list[int]()
    monkeypatch.setattr("torch.set_num_threads", threads.append)
    files = ["--html", "mine.html", "--traces", "mine"]
    few = ["--pairs", "2", "--threads", "1", "--repeats", "1", "--max-new-tokens", "3"]
    done = invoke("compare", "--task", pairs, "-m", parallel, *files, *few)
    assert done.code == 0, done.err
    assert threads == [1]
    assert Path("mine.html").is_file()
    assert not Path("compare.html").exists()
    for path in Path("mine").glob("*.jsonl"):
        assert Trace.load(path).start.tokens_BN.shape == (1, 1 + 3)


@pytest.mark.parametrize("step", ["speeds", "replayed"])
def test_ctrl_c_keeps_what_was_measured_on_a_task(
    invoke: Invoke, pairs: str, parallel: str, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def stopped(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(f"anyorder.cli.tasks.{step}", stopped)
    done = invoke("compare", "--task", pairs, "-m", parallel, "--pairs", "2", "--json", "a.json")
    assert done.code == 130
    assert "ctc-greedy" in done.out
    rows = json.loads(Path("a.json").read_text())["rows"]
    assert [row["decoder"] for row in rows] == ["ctc-greedy", "ctc-beam"]
    assert ("ms" in rows[0]) == (step == "replayed")
    assert not Path("compare.html").exists()  # no source was shown yet


def test_a_model_goes_on_from_an_earlier_one(invoke: Invoke, pairs: str, parallel: str) -> None:
    later = ["train", pairs, "--paradigm", "nmla", "--begin-from", parallel, *TINY]
    assert invoke(*later).code == 0
    first = Path(parallel, "source.json").read_bytes()
    assert Path("pairs-nmla/source.json").read_bytes() == first
    wrong = invoke("train", pairs, "--paradigm", "dag", "--begin-from", parallel, *TINY)
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


def test_a_network_has_the_sizes_one_asks_for(invoke: Invoke, pairs: str) -> None:
    asked = ["--channels", "32", "--encoder-layers", "2", "--decoder-layers", "1", "--spread", "4"]
    done = invoke("train", pairs, "--paradigm", "ctc", "--out", "small", *asked, *TINY)
    assert done.code == 0, done.err
    sizes = json.loads(Path("small/config.json").read_text())["sizes"]
    assert (sizes["encoder_layers"], sizes["decoder_layers"], sizes["spread"]) == (2, 1, 4)
    assert sizes["width"]["channels"] == 32
    wrong = invoke("train", pairs, "--paradigm", "vanilla", "--spread", "2", "--out", "no", *TINY)
    assert "has no spread" in sentence(wrong)


def test_the_paradigms_are_listed(invoke: Invoke) -> None:
    assert "ctc-glancing" in invoke("train", "--list").out


def test_a_teacher_is_a_folder_of_ours(invoke: Invoke, pairs: str) -> None:
    assert "is no folder of a model" in sentence(invoke("distill", "nowhere", pairs))


def test_a_model_is_compared_with_the_decoders_one_asks_for(
    invoke: Invoke, pairs: str, parallel: str
) -> None:
    few = ["--task", pairs, "--model", parallel, "--pairs", "2", "--repeats", "1"]
    asked = ["--decoder", "ctc-beam:width=3", "--decoder", "left-to-right"]
    done = invoke("compare", *few, *asked, "--json", "found.json")
    assert done.code == 0, done.err
    (row,) = json.loads(Path("found.json").read_text())["rows"]
    assert row["decoder"] == "ctc-beam:width=3"
    assert row["ms_spread"] >= 0 <= row["/s_spread"]
    assert "±" in done.out
    wrong = invoke("compare", *few, "--decoder", "left-to-right")
    assert f"{parallel} can't be read with left-to-right; what suits it: ctc-" in sentence(wrong)


def test_a_model_that_comes_along_is_named_as_everywhere(
    invoke: Invoke, pairs: str, parallel: str
) -> None:
    few = ["--pairs", "2", "--repeats", "1", "--max-new-tokens", "4"]
    both = ["--model", "pronounce-ctc", "--model", parallel]
    done = invoke("compare", "--task", pairs, *both, *few)
    assert done.code == 0, done.err
    assert f"pronounce-ctc was trained on pronounce, and this is {pairs}" in done.err
    assert "pronounce-ctc" in sentence(invoke("compare", "--task", pairs, "-m", "pronounce-cct"))


def test_a_model_that_no_decoder_suits_is_left_out(
    invoke: Invoke, pairs: str, parallel: str
) -> None:
    few = ["--pairs", "2", "--repeats", "1", "--max-new-tokens", "4", "--json", "found.json"]
    both = ["--model", "pronounce-ar", "--model", parallel, "--decoder", "left-to-right"]
    done = invoke("compare", "--task", pairs, *both, *few)
    assert done.code == 0, done.err
    assert f"left out: {parallel} can't be read with left-to-right" in done.err
    assert [row["model"] for row in json.loads(Path("found.json").read_text())["rows"]] == [
        "pronounce-ar"
    ]


def test_a_model_of_another_task_is_told(invoke: Invoke, pairs: str, parallel: str) -> None:
    Path("others.tsv").write_text(Path(pairs).read_text().replace("und", "oder"), encoding="utf-8")
    few = ["--model", parallel, "--pairs", "2", "--repeats", "1", "--max-new-tokens", "4"]
    assert "was trained on" not in invoke("compare", "--task", pairs, *few).err
    told = invoke("compare", "--task", "others.tsv", *few)
    assert f"{parallel} was trained on {pairs}, and this is others.tsv" in told.err
    teach = invoke("distill", parallel, pairs, "--reverse", "--decoder", "ctc-greedy")
    assert f"{parallel} was trained on {pairs}, and this is {pairs} reversed" in teach.err


def test_a_short_training_has_a_short_rise_and_says_so(invoke: Invoke, pairs: str) -> None:
    few = ["--steps", "6", "--cells", "200", "--paradigm", "ctc"]
    done = invoke("train", pairs, *few)
    assert done.code == 0, done.err
    assert "rises for 3 steps, half of this training, not for the 400 of --warmup" in done.err
    recipe = json.loads(Path("pairs-ctc/training/job.json").read_text())[3]
    assert "warmup=3)" in recipe
    told = invoke("train", pairs, *few, "--warmup", "3", "--out", "pairs-ctc")
    assert told.code == 0, "the same recipe"
    assert "rises" not in told.err


def test_progress_is_told_where_there_is_no_terminal(
    invoke: Invoke, pairs: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = invoke("train", pairs, "--paradigm", "ctc", "--out", "first", *TINY)
    assert "of 6" not in done.err, "a second is no time to wait"
    monkeypatch.setattr("anyorder.cli.screen.EVERY", 0.01)

    def slowly(*args: Any, **options: Any) -> list[str]:
        time.sleep(0.2)  # so that whoever tells of it gets a turn
        return translate(*args, **options)

    monkeypatch.setattr("anyorder.measure.translation.translate", slowly)
    done = invoke("train", pairs, "--paradigm", "ctc", *TINY)
    assert re.search(r"^\d of 6 · loss \d+\.\d+, [\d,]+ tokens/s", done.err, re.MULTILINE)
    assert "6 of 6 · all steps made: a last check, then the model is written" in done.err
    assert re.search(r"^\d of \d+ · testing what it writes", done.err, re.MULTILINE)


def test_a_teacher_that_writes_nothing_is_told_what_to_do(
    invoke: Invoke, pairs: str, parallel: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    nothing = lambda *args, **_: [""] * len(args[1])  # noqa: E731
    monkeypatch.setattr("anyorder.train.distill.translate", nothing)
    told = invoke("distill", parallel, pairs, "--decoder", "ctc-greedy", "--out", "d.jsonl")
    assert told.code == 0
    assert "d.jsonl: 0 pairs written" in told.err
    assert "Train it for longer" in told.err
    assert "--train-on" not in told.err


def test_long_lines_are_told_before_and_when_they_are_tested(
    invoke: Invoke, pairs: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Path(pairs).open("a", encoding="utf-8") as file:
        file.writelines(f"{n} and {'9 ' * 5000}\t{n}\n" for n in range(200, 240))
    done = invoke("train", pairs, "--paradigm", "ctc", *TINY)
    assert done.code == 0, done.err
    told = done.err.splitlines()
    assert told[0].startswith("40 pairs have a text of more than 4000 characters (the first: pairs")
    assert any("36 of 107 pairs are left out: a side is empty" in line for line in told)
    assert any("pairs-ctc can't read 4 of 7 test sources" in line for line in told), told
    few = ["-m", "pairs-ctc", "--repeats", "1", "--decoder", "ctc-greedy"]
    assert "can't read 4 of 7 test sources" in invoke("compare", "--task", pairs, *few).err


def test_a_folder_of_traces_holds_those_of_the_last_comparison(
    invoke: Invoke, pairs: str, parallel: str
) -> None:
    few = ["--task", pairs, "--model", parallel, "--pairs", "2", "--repeats", "1"]
    assert invoke("compare", *few).code == 0
    Path("traces/mine.jsonl").write_text("", encoding="utf-8")
    before = {path.name for path in Path("traces").glob("*.jsonl")}
    assert invoke("compare", *few, "--decoder", "ctc-greedy").code == 0
    after = {path.name for path in Path("traces").glob("*.jsonl")}
    assert after == {"mine.jsonl"} | {name for name in before if "greedy" in name}
    assert len(after) < len(before)


def test_no_error_names_a_class_that_a_user_never_met(invoke: Invoke, parallel: str) -> None:
    ask = ["generate", "3 and 9", "--model", parallel]
    for more, words in (
        (["--decoder", "beam"], "beam needs a CausalLM, and this model is none"),
        (["--temperature", "1"], "ctc-greedy finds the best text and draws none"),
        (["--decoder", "mask-predict:iterations=0"], "1 iteration and 1 length or more"),
    ):
        told = sentence(invoke(*ask, *more))
        assert words in told
        assert not re.search(r"[A-Z][a-z]+[A-Z(]", told.replace("CausalLM", "")), told
