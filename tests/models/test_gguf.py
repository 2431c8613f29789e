"""A GGUF file gives the tensors and the shape that `transformers` finds in it, or a sentence."""

import struct
from pathlib import Path

import gguf
import numpy as np
import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM
from transformers.modeling_gguf_pytorch_utils import load_gguf_checkpoint
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

from anyorder.models.files.fetch import fetch
from anyorder.models.files.gguf_file import GGUFFile
from anyorder.models.files.gguf_shapes import config_of, eos_ids_of, tensors_of
from tests.models import made

KINDS = ["llama", "qwen2", "qwen3", "gpt2"]
kinds = pytest.mark.parametrize("kind", KINDS)


def theirs(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of the file as `transformers` reads them."""
    config = AutoConfig.from_pretrained(path.parent, gguf_file=path.name)
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    return load_gguf_checkpoint(str(path), return_tensors=True, model_to_load=model)["tensors"]


def same(file: GGUFFile, reference: dict[str, torch.Tensor]) -> None:
    ours = tensors_of(file)
    assert set(ours) == set(reference)
    for name, tensor in reference.items():
        assert torch.equal(ours[name], tensor), name


@kinds
def test_tensors_are_those_that_transformers_reads(kind, tmp_path):
    path = made.gguf_file(tmp_path / "made.gguf", kind)
    same(GGUFFile.open(path), theirs(path))


@kinds
def test_plain_tensors_are_those_that_were_written(kind, tmp_path):
    weights = made.network(kind).state_dict()
    ours = tensors_of(GGUFFile.open(made.gguf_file(tmp_path / "made.gguf", kind)))
    for name in ours:
        packed = "mlp" in name and "weight" in name
        torch.testing.assert_close(ours[name], weights[name], rtol=0, atol=0.01 if packed else 0)


@kinds
def test_the_shape_is_that_of_the_network(kind, tmp_path):
    config = config_of(GGUFFile.open(made.gguf_file(tmp_path / "made.gguf", kind)))
    stated = made.network(kind).config.to_dict()
    assert AutoConfig.for_model(**config).model_type == kind
    for name, value in config.items():
        if name in ("rms_norm_eps", "layer_norm_epsilon"):  # float32 in the file
            assert value == pytest.approx(stated[name])
        elif name in stated and name not in ("eos_token_id", "pad_token_id", "n_inner"):
            assert value == stated[name], name


@pytest.mark.parametrize("packing", ["Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "BF16", "F16", "F32"])
def test_every_packing_is_undone_as_the_package_undoes_it(packing, tmp_path):
    kind = gguf.GGMLQuantizationType[packing]
    weights = np.random.default_rng(0).normal(size=(3, 4096 * 20)).astype(np.float32)
    packed = gguf.quants.quantize(weights, kind)
    writer = gguf.GGUFWriter(tmp_path / "made.gguf", "llama")
    writer.add_tensor("a", packed, raw_dtype=kind)
    ours = GGUFFile.open(made.written(writer, tmp_path / "made.gguf")).read("a")
    assert np.array_equal(ours.numpy(), gguf.quants.dequantize(packed, kind))


def test_a_text_ends_where_the_file_says_and_at_its_other_well_known_ends(tmp_path):
    path = made.gguf_file(tmp_path / "made.gguf", tokenizer__ggml__eot_token_id=2)
    file = GGUFFile.open(path)
    assert eos_ids_of(file) == (0, 2)
    tokens = ["a", "<|im_end|>", "<|eot_id|>", "<|endoftext|>"]
    data = {"tokenizer.ggml.tokens": tokens, "tokenizer.ggml.token_type": [1, 3, 3, 1]}
    other = GGUFFile(path, {**data, "tokenizer.ggml.eos_token_id": 2}, {})
    assert eos_ids_of(other) == (2, 1), "a plain token ends nothing"


LLAMA_3 = {
    "rope_type": "llama3",
    "rope_theta": 500000.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8192,
}


def with_divisors(path: Path, divisor_P: torch.Tensor) -> GGUFFile:
    """A header like that of Llama 3.1, whose file holds these divisors of the rotary speeds."""
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(131072)
    writer.add_block_count(1)
    writer.add_embedding_length(128)
    writer.add_feed_forward_length(64)
    writer.add_head_count(2)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(LLAMA_3["rope_theta"])
    writer.add_tensor("token_embd.weight", np.zeros((4, 128), np.float32))
    writer.add_tensor("rope_freqs.weight", divisor_P.float().numpy())
    return GGUFFile.open(made.written(writer, path))


def test_llama_3_positions_are_found_again_in_their_divisors(tmp_path):
    config = AutoConfig.for_model(
        "llama", head_dim=64, rope_parameters=LLAMA_3, max_position_embeddings=131072
    )
    speed_P, _ = ROPE_INIT_FUNCTIONS["llama3"](config, torch.device("cpu"))
    plain_P = LLAMA_3["rope_theta"] ** -(torch.arange(0, 64, 2) / 64)
    file = with_divisors(tmp_path / "made.gguf", plain_P / speed_P)
    found = config_of(file)["rope_parameters"]
    assert found == {**LLAMA_3, "factor": pytest.approx(8.0, rel=1e-4)}


def test_divisors_of_another_kind_are_not_guessed_at(tmp_path):
    file = with_divisors(tmp_path / "made.gguf", torch.linspace(1, 8, 32))
    with pytest.raises(ValueError, match="slows its rotary pairs in a way that is not known"):
        config_of(file)


@pytest.mark.parametrize(
    "extra",
    [
        {"llama__rope__scaling__type": "linear", "llama__rope__scaling__factor": 2.0},
        {"llama__rope__scaling__factor": 2.0},
        {"llama__rope__scale_linear": 2.0},
    ],
)
def test_positions_that_are_stretched_evenly(extra, tmp_path):
    file = GGUFFile.open(made.gguf_file(tmp_path / "made.gguf", **extra))
    rope = config_of(file)["rope_parameters"]
    assert rope == {"rope_type": "linear", "rope_theta": 10000.0, "factor": 2.0}


@pytest.mark.parametrize(
    "extra",
    [
        {"llama__rope__scaling__type": "none", "llama__rope__scaling__factor": 2.0},
        {"llama__rope__scaling__type": "linear"},
        {"llama__rope__scaling__factor": 1.0},
    ],
)
def test_positions_that_are_not_stretched(extra, tmp_path):
    file = GGUFFile.open(made.gguf_file(tmp_path / "made.gguf", **extra))
    assert config_of(file)["rope_parameters"]["rope_type"] == "default"


@pytest.mark.parametrize("step", [0, -1, "many"])
def test_tensors_that_are_aligned_to_nothing_can_not_be_found(step, tmp_path):
    path = made.gguf_file(tmp_path / "made.gguf", general__alignment=step)
    with pytest.raises(ValueError, match=f"damaged: its tensors are aligned to {step!r} bytes"):
        GGUFFile.open(path)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda b: b"PK" + b[2:], "is no GGUF file"),
        (lambda b: b"", "is no GGUF file"),
        (lambda b: b[:4] + struct.pack("<I", 1) + b[8:], "GGUF of version 1; 2 and 3"),
        (lambda b: b[:200], "is damaged: its header can't be read"),
        (lambda b: b[:-2000], "is cut short"),
    ],
)
def test_a_file_that_is_no_whole_gguf_is_said_to_be_so(change, says, tmp_path):
    path = made.gguf_file(tmp_path / "made.gguf")
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(ValueError, match=says) as caught:
        GGUFFile.open(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("extra", "says"),
    [
        ({"split__count": 3}, "one part of several"),
        ({"llama__rope__scaling__type": "yarn"}, "stretches its positions by 'yarn'"),
        ({"llama__attention__key_length": 16}, "turns a part of each head only"),
    ],
)
def test_a_llama_of_another_shape_is_said_to_be_so(extra, says, tmp_path):
    path = made.gguf_file(tmp_path / "made.gguf", **extra)
    with pytest.raises(ValueError, match=says):
        config_of(GGUFFile.open(path))


def test_an_unknown_network_is_named(tmp_path):
    path = made.gguf_file(tmp_path / "made.gguf")
    opened = GGUFFile.open(path)
    mamba = GGUFFile(path, {**opened.metadata, "general.architecture": "mamba"}, opened.entries)
    with pytest.raises(ValueError, match=r"holds a 'mamba' network; .* gpt2, llama, qwen2, qwen3"):
        config_of(mamba)
    experts = {**opened.entries, "blk.0.ffn_gate_exps.weight": opened.entries["output.weight"]}
    with pytest.raises(ValueError, match=r"has a tensor 'blk\.0\.ffn_gate_exps\.weight'"):
        tensors_of(GGUFFile(path, opened.metadata, experts))
    bare = {k: v for k, v in opened.entries.items() if k != "token_embd.weight"}
    with pytest.raises(ValueError, match=r"lacks 'token_embd\.weight'"):
        config_of(GGUFFile(path, opened.metadata, bare))
    lacking = {k: v for k, v in opened.metadata.items() if not k.endswith("block_count")}
    with pytest.raises(ValueError, match=r"lacks '.*block_count'"):
        config_of(GGUFFile(path, lacking, opened.entries))


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("attention.head_count", [4, 4], "attention.head_count = a list"),
        ("attention.head_count_kv", [2, 2], "attention.head_count_kv = a list"),
        ("attention.head_count", 0, "attention.head_count = 0"),
        ("block_count", "two", "block_count = 'two'"),
        ("rope.scaling.factor", [2.0], "rope.scaling.factor = a list"),
    ],
)
def test_a_number_that_is_none_is_named(name, value, says, tmp_path):
    path = made.gguf_file(tmp_path / "made.gguf")
    opened = GGUFFile.open(path)
    odd = GGUFFile(path, {**opened.metadata, f"llama.{name}": value}, opened.entries)
    with pytest.raises(ValueError, match=f"says {says}; it must be a positive number"):
        config_of(odd)


def test_tokens_without_a_type_end_nothing(tmp_path):
    data = {
        "tokenizer.ggml.tokens": ["<|im_end|>"],
        "tokenizer.ggml.token_type": [3, 3],
        "tokenizer.ggml.eos_token_id": 1,
    }
    assert eos_ids_of(GGUFFile(tmp_path, data, {})) == (1, 0)


@pytest.mark.slow
def test_smollm2_is_what_transformers_reads():
    path = fetch("smollm2")
    file = GGUFFile.open(path)
    same(file, theirs(path))
    stated = AutoConfig.from_pretrained(path.parent, gguf_file=path.name).to_dict()
    ours = AutoConfig.for_model(**config_of(file)).to_dict()
    loose = {"eos_token_id", "unk_token_id", "_name_or_path", "_model_name_or_path"}
    assert {k: v for k, v in ours.items() if k not in loose} == {
        k: v for k, v in stated.items() if k not in loose
    }
