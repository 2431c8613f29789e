"""A checkpoint is read from wherever it lies, and what is none is named in one sentence."""

import json
from pathlib import Path

import huggingface_hub
import pytest
import torch
from huggingface_hub.errors import LocalEntryNotFoundError, RepositoryNotFoundError

from anyorder.models.files.checkpoint import read
from anyorder.models.files.tokenizer import units_of
from tests.models import made


def rewritten(path: Path, **changes: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize("shards", [1, 3])
def test_a_folder_gives_the_weights_that_were_saved(shards, tmp_path):
    model = made.network("llama")
    size = "1GB" if shards == 1 else "40KB"
    model.save_pretrained(tmp_path / "tiny", max_shard_size=size)
    assert len(list(tmp_path.glob("tiny/*.safetensors"))) >= shards

    checkpoint = read(tmp_path / "tiny")

    weights = model.state_dict()
    assert set(checkpoint.tensors) == set(weights)
    assert len(checkpoint.tensors) == len(weights)
    assert all(torch.equal(checkpoint.tensors[name], weights[name]) for name in weights)
    assert "lm_head.weight" in checkpoint.tensors
    assert "nothing" not in checkpoint.tensors
    assert (checkpoint.name, checkpoint.config["model_type"]) == ("tiny", "llama")


def test_the_config_is_complete_even_where_the_file_says_little(tmp_path):
    made.folder(tmp_path, "llama", tokenizer=False)
    few = {"model_type": "llama", "hidden_size": 32, "vocab_size": made.V}
    (tmp_path / "config.json").write_text(json.dumps(few))
    config = read(tmp_path).config
    assert config["hidden_act"] == "silu"
    assert config["rope_parameters"]["rope_type"] == "default"
    assert config["num_key_value_heads"] == config["num_attention_heads"]


def test_a_gguf_file_gives_the_same_model(tmp_path):
    checkpoint = read(made.gguf_file(tmp_path / "made.gguf", "llama"))
    weights = made.network("llama").state_dict()
    assert set(checkpoint.tensors) == set(weights)
    name = "model.layers.1.self_attn.q_proj.weight"
    assert torch.equal(checkpoint.tensors[name], weights[name])
    assert (checkpoint.name, checkpoint.eos_ids) == ("made", (0,))
    assert len(repr(checkpoint)) < 200, "the weights and the vocabulary are not for reading"


@pytest.mark.parametrize(
    ("in_generation", "in_config", "found"),
    [([5, 7], 3, (5, 7)), (5, [3, 4], (5,)), (None, [3, 4], (3, 4)), (None, None, ())],
)
def test_what_ends_a_text_is_stated_in_one_of_two_files(in_generation, in_config, found, tmp_path):
    made.folder(tmp_path, tokenizer=False)
    rewritten(tmp_path / "config.json", eos_token_id=in_config)
    rewritten(tmp_path / "generation_config.json", eos_token_id=in_generation)
    assert read(tmp_path).eos_ids == found


def test_without_a_generation_config_the_config_is_asked(tmp_path):
    made.folder(tmp_path, tokenizer=False)
    (tmp_path / "generation_config.json").unlink()
    assert read(tmp_path).eos_ids == (0,)


def test_both_formats_have_the_same_tokenizer(tmp_path):
    made.folder(tmp_path / "hf")
    of_folder = units_of(read(tmp_path / "hf"))
    of_gguf = units_of(read(made.gguf_file(tmp_path / "made.gguf")))
    text = "the cat sat on the mat 🤗 <|end|>"
    assert of_folder.encode(text) == of_gguf.encode(text)
    assert of_folder.encode(text, chat=True) == of_gguf.encode(text, chat=True)
    assert of_folder.eos_ids == of_gguf.eos_ids == (0,)
    assert of_gguf.decode(of_gguf.encode(text)) == text.removesuffix("<|end|>")


def test_digits_stand_alone_where_they_were_learned_so(tmp_path):
    units = units_of(read(made.gguf_file(tmp_path / "made.gguf")))
    pieces = [units.piece(i) for i in units.encode("on   12")]
    assert pieces[-2:] == ["1", "2"]


def test_other_gguf_tokenizers_are_built_by_transformers(tmp_path):
    path = made.gguf_file(tmp_path / "made.gguf", pre="gpt-2")
    units = units_of(read(path))
    assert units.decode(units.encode("the cat 12")) == "the cat 12"
    assert units.has_chat


@pytest.mark.parametrize("kind", ["llama", "qwen2", "gpt2", "gemma"])
def test_a_tokenizer_that_is_not_there_is_missed_by_name(kind, tmp_path):
    """Of most of these kinds `transformers` makes one up, which knows no word."""
    checkpoint = read(made.folder(tmp_path / "bare", kind, tokenizer=False))
    with pytest.raises(ValueError, match=r"bare has no tokenizer.*[:;] copy tokenizer\.json"):
        units_of(checkpoint)


@pytest.mark.parametrize(
    ("layers", "says"),
    [
        (3, r"`num_hidden_layers` \(3\) must be equal to .*`layer_types`"),
        ("x", "expected int, got"),
    ],
)
def test_a_config_that_was_changed_is_one_sentence(layers, says, tmp_path):
    config = made.folder(tmp_path / "m", "qwen2") / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"num_hidden_layers": layers}))
    with pytest.raises(ValueError, match=rf"config.json can't be used: .*{says}") as caught:
        read(config.parent)
    assert "\n" not in str(caught.value)


def broken(folder: Path, what: str) -> None:
    """Spoil a good folder in one of the ways that a user meets."""
    config, weights = folder / "config.json", folder / "model.safetensors"
    match what:
        case "no config":
            config.unlink()
        case "only a gguf":
            config.unlink()
            (folder / "model.gguf").touch()
        case "no weights":
            weights.unlink()
        case "pickle":
            weights.rename(folder / "pytorch_model.bin")
        case "damaged":
            weights.write_bytes(b"rubbish")
        case "lost shard":
            index = {"weight_map": {"a": "model-00001-of-00002.safetensors"}}
            (folder / "model.safetensors.index.json").write_text(json.dumps(index))
        case "unknown type":
            rewritten(config, model_type="frobnicator")
        case "no type":
            config.write_text("{}")
        case "quantised":
            rewritten(config, quantization_config={"quant_method": "gptq"})
        case "quantised somehow":
            rewritten(config, quantization_config="int4")
        case "no map":
            (folder / "model.safetensors.index.json").write_text("{}")
        case "a map of numbers":
            index = {"weight_map": {"a": 1}}
            (folder / "model.safetensors.index.json").write_text(json.dumps(index))
        case "no json":
            config.write_text("{")
        case "a list":
            config.write_text("[]")


@pytest.mark.parametrize(
    ("what", "says"),
    [
        ("no config", "is no model: it has no config.json"),
        ("only a gguf", "name the file itself: .*model.gguf"),
        ("no weights", r"has no weights \(model.safetensors\)"),
        ("pickle", "pytorch_model.bin is a pickle: save it again as safetensors"),
        ("damaged", "model.safetensors is missing or damaged"),
        ("lost shard", "model-00001-of-00002.safetensors is missing or damaged"),
        ("unknown type", "no config of model_type 'frobnicator'"),
        ("no type", "no config of model_type None"),
        ("quantised", "holds 'gptq' weights"),
        ("quantised somehow", "holds 'packed' weights"),
        ("no map", "index.json does not say where the weights are"),
        ("a map of numbers", "index.json does not say where the weights are"),
        ("no json", "config.json is no JSON"),
        ("a list", "config.json holds no JSON object"),
    ],
)
def test_what_is_wrong_with_a_folder_is_said_in_one_sentence(what, says, tmp_path):
    made.folder(tmp_path / "tiny", tokenizer=False)
    broken(tmp_path / "tiny", what)
    with pytest.raises(ValueError, match=says) as caught:
        read(tmp_path / "tiny")
    assert "\n" not in str(caught.value)


def test_weights_that_are_packed_in_no_way_are_plain(tmp_path):
    made.folder(tmp_path / "tiny", tokenizer=False)
    rewritten(tmp_path / "tiny" / "config.json", quantization_config=None)
    assert read(tmp_path / "tiny").config["model_type"] == "llama"


@pytest.mark.parametrize("name", ["/no/such/folder", "./nowhere", "missing.gguf", "a name"])
def test_a_path_that_leads_nowhere_is_not_looked_for_on_the_hub(name):
    with pytest.raises(ValueError, match="there is no folder or file"):
        read(name)


def test_without_a_network_a_hub_name_gives_a_sentence():
    with pytest.raises(ValueError, match=r"no model is called 'smolm2' here, and .* can't be"):
        read("smolm2")


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (LocalEntryNotFoundError("long\nstory"), "the Hugging Face hub can't be reached"),
        (RepositoryNotFoundError.__new__(RepositoryNotFoundError), "here or on the hub"),
    ],
)
def test_what_the_hub_has_not_is_named(error, says, monkeypatch):
    def refuse(*args, **kwargs):
        raise error

    monkeypatch.setattr(huggingface_hub, "snapshot_download", refuse)
    with pytest.raises(ValueError, match=says) as caught:
        read("org/name")
    assert "\n" not in str(caught.value)


def test_a_hub_name_is_read_from_what_was_downloaded(tmp_path, monkeypatch):
    folder = made.folder(tmp_path / "snapshot", tokenizer=False)
    asked = []
    monkeypatch.setattr(
        huggingface_hub,
        "snapshot_download",
        lambda name, **patterns: asked.append((name, patterns)) or str(folder),
    )
    assert read("org/name").name == "org/name"
    assert asked[0][0] == "org/name"
    assert "*.safetensors" in asked[0][1]["allow_patterns"]
    assert not any("bin" in pattern for pattern in asked[0][1]["allow_patterns"])
