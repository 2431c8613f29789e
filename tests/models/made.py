"""Checkpoints small enough to make in a test: random networks of many kinds, in either format."""

import json
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import torch
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel

from tests.units import tokenizers_made_here as tokenizers

V = 300  # the vocabulary of the byte-level tokenizer
_ENDS = {"bos_token_id": 0, "eos_token_id": 0, "pad_token_id": 0}
_LLAMA = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
}
_GPT = {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64}
_OPT = {
    "hidden_size": 32,
    "ffn_dim": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "word_embed_proj_dim": 32,
    "max_position_embeddings": 64,
}
SIZES: dict[str, dict[str, Any]] = {
    "llama": _LLAMA,
    "mistral": _LLAMA | {"sliding_window": 4},
    "qwen2": _LLAMA,
    "qwen3": _LLAMA | {"head_dim": 16},  # heads are wider than channels over heads
    "gemma": _LLAMA | {"head_dim": 8},
    "gemma2": _LLAMA | {"head_dim": 8, "sliding_window": 4},
    "gpt2": _GPT,
    "opt": _OPT,
    "gpt_neox": {k: v for k, v in _LLAMA.items() if k != "num_key_value_heads"},
}


def network(kind: str, **changes: Any) -> PreTrainedModel:
    """A random network whose layers matter: weights are larger than training would begin with."""
    sizes = {"vocab_size": V} | _ENDS | SIZES.get(kind, {}) | changes
    config = AutoConfig.for_model(kind, **sizes)
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config).eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.copy_(torch.randn(weight.shape) * (0.2 if weight.ndim > 1 else 0.1))
            if weight.ndim == 1:
                weight.add_(1.0)
    return model


def folder(path: Path, kind: str = "llama", *, tokenizer: bool = True, **changes: Any) -> Path:
    """A Hugging Face folder with a random network, and a tokenizer if wanted."""
    network(kind, **changes).save_pretrained(path)
    if tokenizer:
        tokenizers.byte_level(vocab_size=V).save_pretrained(path)
    return path


def gguf_file(
    path: Path, kind: str = "llama", *, pre: str = "smollm", packed: bool = True, **extra: Any
) -> Path:
    """A GGUF file as llama.cpp writes it: turned about, renamed, and partly packed in Q8_0."""
    model = network(kind)
    heads = {"attn_q": 4, "attn_k": 2} if kind == "llama" else {}
    turned = ("attn_qkv", "attn_output", "ffn_up", "ffn_down") if kind == "gpt2" else ()
    writer = gguf.GGUFWriter(path, kind)
    _describe(writer, kind, pre)
    for key, value in extra.items():
        writer.add_key_value(key.replace("__", "."), value, gguf.GGUFValueType.get_type(value))
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH[kind.upper()], 2)
    for name, tensor in model.state_dict().items():
        if name == "lm_head.weight" and model.config.tie_word_embeddings:
            continue
        there = names.get_name(name, (".weight", ".bias"))
        assert there is not None, name
        data, short = tensor.numpy(), there.split(".")[-2]
        if short in heads:
            data = data.reshape(heads[short], 2, -1, 32).swapaxes(1, 2).reshape(data.shape)
        if short in turned and data.ndim == 2:
            data = np.ascontiguousarray(data.T)
        if packed and short.startswith("ffn_") and data.ndim == 2:
            blocks = gguf.quants.quantize(data, gguf.GGMLQuantizationType.Q8_0)
            writer.add_tensor(there, blocks, raw_dtype=gguf.GGMLQuantizationType.Q8_0)
        else:
            writer.add_tensor(there, np.ascontiguousarray(data))
    return written(writer, path)


def written(writer: gguf.GGUFWriter, path: Path) -> Path:
    """The path of the file, now that all of it is there."""
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _describe(writer: gguf.GGUFWriter, kind: str, pre: str) -> None:
    writer.add_name("made")
    writer.add_context_length(64)
    writer.add_block_count(2)
    writer.add_embedding_length(32)
    writer.add_feed_forward_length(128 if kind == "gpt2" else 64)
    writer.add_head_count(4)
    if kind == "gpt2":
        writer.add_layer_norm_eps(1e-5)
    else:
        writer.add_head_count_kv(2)
        writer.add_layer_norm_rms_eps(1e-6)
        if kind == "qwen3":
            writer.add_key_length(16)
            writer.add_value_length(16)
        else:
            writer.add_rope_dimension_count(8)
        writer.add_rope_freq_base(10000.0)
        writer.add_vocab_size(V)
    made = tokenizers.byte_level(vocab_size=V)
    model = json.loads(made.backend_tokenizer.to_str())["model"]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    writer.add_token_list(sorted(model["vocab"], key=model["vocab"].get))
    writer.add_token_types([3] * 3 + [1] * (len(model["vocab"]) - 3))
    writer.add_token_merges([" ".join(pair) for pair in model["merges"]])
    writer.add_eos_token_id(0)
    writer.add_bos_token_id(0)
    writer.add_chat_template(tokenizers.TEMPLATE)
