"""`anyorder train-head`: a head of one's own, from prompts to a text that it drafted."""

import json
import shutil
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from tests.cli.conftest import Invoke, sentence
from tests.models import made

TINY = ["--steps", "3", "--cells", "200", "-n", "12", "--frequent", "40", "--precision", "float32"]


@pytest.fixture
def prompts(tmp_path: Path) -> Path:
    path = tmp_path / "prompts.jsonl"
    lines = [json.dumps({"prompt": f"Tell me about {n} and {n * n}."}) for n in range(40)]
    path.write_text("\n".join(lines) + "\n")
    return path


def test_a_head_is_trained_and_drafts(invoke: Invoke, folder: Path, prompts: Path) -> None:
    command = ("train-head", prompts, "--model", folder, "--out", "my-head", *TINY)
    done = invoke(*command)
    assert done.code == 0, done.err
    assert "3 steps" in done.err
    kept = Path("my-head/head.safetensors").read_bytes()
    assert len((Path("my-head/texts/texts.jsonl")).read_text().splitlines()) == 40
    again = invoke(*command)  # nothing is written or trained twice
    assert again.code == 0, again.err
    assert Path("my-head/head.safetensors").read_bytes() == kept
    plain = invoke("generate", "Once", "--model", folder, "--decoder", "left-to-right")
    for decoder in ("recursive-head", "recursive-head:width=6,sure=0.02", "auto"):
        drafted = invoke(
            "generate", "Once", "--model", folder, "--head", "my-head", "--decoder", decoder
        )
        assert drafted.code == 0, drafted.err
        assert drafted.out == plain.out
    asked = ("verify", "recursive-head", "--model", folder, "-n", 6, "--draws", 0)
    assert invoke(*asked, "--head", "my-head").code == 0
    assert "RecursiveLM" in sentence(invoke(*asked))
    without = invoke("generate", "Once", "--model", folder, "--decoder", "recursive-head")
    assert "RecursiveLM" in sentence(without)


def test_a_training_that_was_stopped_goes_on(invoke: Invoke, folder: Path, prompts: Path) -> None:
    """Features of a text that was never noted, and a half group, are written anew."""
    command = ("train-head", prompts, "--model", folder, "--out", "my-head", *TINY)
    assert invoke(*command).code == 0
    whole = load_file("my-head/head.safetensors")
    texts, features = Path("my-head/texts/texts.jsonl"), Path("my-head/texts/features.f16")
    lines, told = texts.read_text().splitlines(keepends=True), features.read_bytes()
    texts.write_text("".join(lines[:32]))
    Path("my-head/head.safetensors").unlink()
    shutil.rmtree("my-head/training")
    assert invoke(*command).code == 0
    assert features.read_bytes() == told
    assert texts.read_text() == "".join(lines)
    again = load_file("my-head/head.safetensors")
    assert all(bool((again[name] == x).all()) for name, x in whole.items())


def test_ctrl_c_says_what_is_kept(
    invoke: Invoke, folder: Path, prompts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*_: object, **__: object) -> None:
        Path(f"{folder.stem}-head").mkdir()
        raise KeyboardInterrupt

    monkeypatch.setattr("anyorder.train.onward.fit_head", stopped)
    done = invoke("train-head", prompts, "--model", folder, *TINY)
    assert done.code == 130
    assert f"kept in {folder.stem}-head: the same command goes on" in done.err


def test_a_prompt_without_room_for_an_answer_is_told(
    invoke: Invoke, folder: Path, prompts: Path
) -> None:
    with prompts.open("a") as file:
        file.write(json.dumps({"prompt": "long " * 300}) + "\n")
    done = invoke("train-head", prompts, "--model", folder, "--out", "my-head", *TINY)
    assert done.code == 0, done.err
    assert "1 of 41 prompts are left out" in done.err


def test_what_can_not_be_is_said(
    invoke: Invoke, folder: Path, prompts: Path, tmp_path: Path
) -> None:
    other = made.folder(tmp_path / "other", num_hidden_layers=3, max_position_embeddings=256)
    assert invoke("train-head", prompts, "--model", other, "--out", "theirs", *TINY).code == 0
    wrong = invoke("generate", "Once", "--model", folder, "--head", "theirs")
    assert "was trained for other" in sentence(wrong)
    nothing = invoke("generate", "Once", "--model", folder, "--head", tmp_path)
    assert "holds no head" in sentence(nothing)
    halved = load_file("theirs/head.safetensors")
    del halved["frequent"]
    save_file(halved, "theirs/head.safetensors")
    lacking = invoke("generate", "Once", "--model", other, "--head", "theirs")
    assert "lacks frequent" in sentence(lacking)
    empty = tmp_path / "empty.jsonl"
    empty.write_text("")
    no_prompts = invoke("train-head", empty, "--model", folder, "--out", "none", *TINY)
    assert "no prompts" in sentence(no_prompts)
    wrong = invoke("train-head", prompts, "--model", folder, "--out", "n", *TINY[:-1], "fp16")
    assert "'fp16' is not one of" in sentence(wrong, 2)
    few = tmp_path / "few.jsonl"
    few.write_text(json.dumps({"prompt": "One."}))
    alone = invoke("train-head", few, "--model", folder, "--out", "n", *TINY)
    assert "give more prompts" in sentence(alone)
    assert invoke("train-head", prompts, "--model", folder, "--out", "n", *TINY).code == 0
    gpt2 = made.folder(tmp_path / "gpt2", "gpt2")
    other_kind = invoke("generate", "Once", "--model", gpt2, "--head", "n")
    assert "Llama-like" in sentence(other_kind)
    task = invoke("compare", "--task", "pronounce", "--head", "n")
    assert "leave out --head" in sentence(task, 2)
    no_model = invoke("train-head", prompts, "--model", "n", *TINY)
    assert "it is a head" in sentence(no_model)
    translator = invoke("train-head", prompts, "--model", "pronounce-ctc", *TINY)
    assert "is a translator" in sentence(translator)
    own = invoke("generate", "Once", "--model", "pronounce-ctc", "--head", "n")
    assert "leave head out" in sentence(own)
    changed = invoke("train-head", prompts, "--model", other, "--out", "theirs", *TINY, "--seed", 5)
    assert "differs in its recipe (seed: 0 there, 5 now)" in sentence(changed)
    assert "--begin-from" not in changed.err
