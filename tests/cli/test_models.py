"""Models that can't be used: each is one sentence, and nothing is written."""

from pathlib import Path

import pytest

from anyorder.cli.options import may_write
from tests.cli.conftest import Invoke, sentence
from tests.models import made
from tests.units import tokenizers_made_here as tokenizers


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("no-such-model", "no model is called 'no-such-model'"),
        ("no/such/folder", "no model is called 'no/such/folder'|there is no folder"),
        ("nowhere.gguf", "there is no folder or file nowhere.gguf"),
        (".", "has no config.json"),
    ],
)
def test_a_model_that_is_not_there(invoke: Invoke, model: str, words: str) -> None:
    done = invoke("generate", "the cat", "-m", model)
    assert any(each in sentence(done) for each in words.split("|"))
    assert not done.out


def test_a_folder_without_weights(invoke: Invoke, tmp_path: Path) -> None:
    made.folder(tmp_path / "m")
    (tmp_path / "m" / "model.safetensors").unlink()
    assert "has no weights" in sentence(invoke("generate", "the cat", "-m", "m"))


def test_a_gguf_of_another_shape(invoke: Invoke, tmp_path: Path) -> None:
    made.gguf_file(tmp_path / "m.gguf")
    whole = (tmp_path / "m.gguf").read_bytes()
    (tmp_path / "m.gguf").write_bytes(whole.replace(b"llama", b"mamba"))
    assert "holds a 'mamba' network" in sentence(invoke("generate", "the cat", "-m", "m.gguf"))
    (tmp_path / "m.gguf").write_bytes(whole[:-100])
    assert "is cut short" in sentence(invoke("generate", "the cat", "-m", "m.gguf"))


def test_a_draft_model_of_another_vocabulary_drafts_through_text_or_not_at_all(
    invoke: Invoke, folder: Path, tmp_path: Path
) -> None:
    stranger = made.folder(tmp_path / "stranger", tokenizer=False)
    tokenizers.byte_fallback().save_pretrained(stranger)
    asked = ["generate", "the cat", "-m", folder, "-n", 8, "-d"]
    plain = invoke(*asked, "left-to-right")
    for name in ("speculative", "through-text"):
        done = invoke(*asked, f"{name}:draft_model={stranger}")
        assert done.code == 0, done.err
        assert done.out == plain.out
    said = sentence(invoke(*asked, f"parallel-draft:draft_model={stranger}"))
    assert "the draft model stranger has another vocabulary than tiny" in said
    missing = sentence(invoke(*asked, "speculative:draft_model=nowhere.gguf"))
    assert "nowhere.gguf" in missing


@pytest.mark.parametrize("vocab_size", [made.V - 4, made.V + 20])
def test_a_draft_model_may_have_a_padded_or_a_smaller_table(
    invoke: Invoke, folder: Path, tmp_path: Path, vocab_size: int
) -> None:
    padded = made.folder(tmp_path / "padded", tokenizer=False, vocab_size=vocab_size)
    tokenizers.byte_level(vocab_size=made.V).save_pretrained(padded)
    asked = ["generate", "the cat", "-m", folder, "-n", 8]
    done = invoke(*asked, "-d", f"speculative:draft_model={padded}")
    assert done.code == 0, done.err
    assert done.out == invoke(*asked, "-d", "left-to-right").out


def test_a_place_for_a_file(tmp_path: Path) -> None:
    may_write(tmp_path / "new.jsonl")
    with pytest.raises(ValueError, match="is a folder"):
        may_write(tmp_path)
    with pytest.raises(ValueError, match="there is no folder"):
        may_write(tmp_path / "no" / "new.jsonl")
