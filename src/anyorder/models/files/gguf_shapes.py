"""What a GGUF file's names mean: its network in Hugging Face's terms.

    config, tensors = config_of(file), tensors_of(file)

Llama-like shapes (Llama, Mistral, SmolLM, Qwen 2 and 3) and GPT-2. llama.cpp turns the rows of a
Llama's queries and keys about, and GPT-2's matrices; here both are turned back.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

import torch
from torch import Tensor

from anyorder.models.files.gguf_file import GGUFFile
from anyorder.models.files.lazy_tensors import LazyTensors

LLAMA_LIKE: Final = ("llama", "qwen2", "qwen3")
SHAPES: Final = ("gpt2", *LLAMA_LIKE)
# Tokens that end an answer or a document in one family or another. A file names one of them as
# its end; llama.cpp stops at all that stand among its control tokens, and so do we.
ENDS: Final = frozenset(
    "<|endoftext|> <|end_of_text|> <|im_end|> <|eot_id|> <|eom_id|> <|end|> <end_of_turn>".split()
)
_CONTROL = 3  # the type of a token that is no text

_LLAMA: Final = {
    "token_embd": "model.embed_tokens",
    "output_norm": "model.norm",
    "output": "lm_head",
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "attn_q_norm": "self_attn.q_norm",
    "attn_k_norm": "self_attn.k_norm",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
_GPT2: Final = {
    "token_embd": "transformer.wte",
    "position_embd": "transformer.wpe",
    "output_norm": "transformer.ln_f",
    "output": "lm_head",
    "attn_norm": "ln_1",
    "attn_qkv": "attn.c_attn",
    "attn_output": "attn.c_proj",
    "ffn_norm": "ln_2",
    "ffn_up": "mlp.c_fc",
    "ffn_down": "mlp.c_proj",
}
_TURNED: Final = ("attn_qkv", "attn_output", "ffn_up", "ffn_down")  # GPT-2's matrices, I x O
_NUMBERS: Final = (
    *("embedding_length", "feed_forward_length", "block_count", "context_length"),
    *(f"attention.{name}" for name in ("head_count", "head_count_kv", "key_length")),
    *(f"attention.layer_norm_{name}" for name in ("epsilon", "rms_epsilon")),
    *(f"rope.{name}" for name in ("freq_base", "scaling.factor", "scale_linear")),
)
_DERIVED: Final = ("rope_freqs.weight",)  # it follows from the config
_NAME: Final = re.compile(r"(?:blk\.(\d+)\.)?(\w+)\.(weight|bias)")


def config_of(file: GGUFFile) -> dict[str, Any]:
    """The file's shape as the dict of a `config.json`; ValueError for one that is not known."""
    kind = file.metadata.get("general.architecture")
    if kind not in SHAPES:
        known = ", ".join(SHAPES)
        raise ValueError(
            f"{file.path} holds a {kind!r} network; of GGUF files these can be read: {known}"
        )
    ends = eos_ids_of(file)
    tokens = {"bos": "bos_token_id", "padding": "pad_token_id"}
    named = {
        name: file.metadata.get(f"tokenizer.ggml.{key}_token_id") for key, name in tokens.items()
    }
    data = _stated(file, kind)
    try:
        shape = _gpt2_config(data) if kind == "gpt2" else _llama_config(file, kind, data)
        embedding = file.entries["token_embd.weight"].shape
    except KeyError as error:
        raise ValueError(f"{file.path} lacks {error}; its shape can't be told") from None
    return {
        "model_type": kind,
        "vocab_size": embedding[0],
        "tie_word_embeddings": "output.weight" not in file.entries,
        "eos_token_id": list(ends) if len(ends) != 1 else ends[0],
        **named,
        **shape,
    }


def tensors_of(file: GGUFFile) -> LazyTensors:
    """The weights by Hugging Face's names; ValueError for one that such a network has not."""
    kind = file.metadata["general.architecture"]
    names = _GPT2 if kind == "gpt2" else _LLAMA
    layer = "transformer.h" if kind == "gpt2" else "model.layers"
    sources = dict[str, str]()
    for source in file.entries:
        if source in _DERIVED:
            continue
        match = _NAME.fullmatch(source)
        if match is None or match[2] not in names:
            raise ValueError(f"{file.path} has a tensor {source!r}, which a plain {kind} has not")
        block = f"{layer}.{match[1]}." if match[1] is not None else ""
        sources[f"{block}{names[match[2]]}.{match[3]}"] = source
    return LazyTensors(sources, lambda source: _turned(file, source))


def eos_ids_of(file: GGUFFile) -> tuple[int, ...]:
    """The ids that end a text: those the file names, then its other well-known ends."""
    data = file.metadata
    stated = [data.get(f"tokenizer.ggml.{key}_token_id") for key in ("eos", "eot", "eom")]
    tokens, kinds = data.get("tokenizer.ggml.tokens", ()), data.get("tokenizer.ggml.token_type", ())
    known = enumerate(zip(tokens, kinds, strict=False))
    control = [i for i, (token, kind) in known if kind == _CONTROL and token in ENDS]
    return tuple(dict.fromkeys(i for i in [*stated, *control] if i is not None))


def _stated(file: GGUFFile, kind: str) -> dict[str, Any]:
    """What the file says of its own kind; ValueError where a number is none, or one a layer."""
    data = {key.removeprefix(f"{kind}."): value for key, value in file.metadata.items()}
    for name in _NUMBERS:
        value = data.get(name, 1)
        if not isinstance(value, int | float) or value <= 0:
            what = "a list" if isinstance(value, list) else repr(value)
            raise ValueError(f"{file.path} says {name} = {what}; it must be a positive number")
    return data


def _llama_config(file: GGUFFile, kind: str, data: Mapping[str, Any]) -> dict[str, Any]:
    heads, width = data["attention.head_count"], data["embedding_length"]
    head_width = data.get("attention.key_length", width // heads)
    if data.get("rope.dimension_count", head_width) != head_width:
        raise ValueError(f"{file.path} turns a part of each head only, which is not supported")
    return {
        "hidden_size": width,
        "intermediate_size": data["feed_forward_length"],
        "num_hidden_layers": data["block_count"],
        "num_attention_heads": heads,
        "num_key_value_heads": data.get("attention.head_count_kv", heads),
        "head_dim": head_width,
        "hidden_act": "silu",
        "max_position_embeddings": data["context_length"],
        "rms_norm_eps": data["attention.layer_norm_rms_epsilon"],
        "rope_parameters": _rope(file, data, head_width),
        "attention_bias": kind == "llama" and "blk.0.attn_q.bias" in file.entries,
    }


def _gpt2_config(data: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "n_embd": data["embedding_length"],
        "n_inner": data["feed_forward_length"],
        "n_layer": data["block_count"],
        "n_head": data["attention.head_count"],
        "n_positions": data["context_length"],
        "layer_norm_epsilon": data["attention.layer_norm_epsilon"],
        "activation_function": "gelu_new",
    }


def _rope(file: GGUFFile, data: Mapping[str, Any], head_width: int) -> dict[str, Any]:
    """The rotary parameters; ValueError for a stretching that is not known."""
    rope = {"rope_type": "default", "rope_theta": data.get("rope.freq_base", 10000.0)}
    kind = data.get("rope.scaling.type", "linear")  # as llama.cpp reads files that say nothing
    factor = data.get("rope.scaling.factor", data.get("rope.scale_linear", 1.0))
    if kind == "linear" and factor != 1.0:
        return rope | {"rope_type": "linear", "factor": factor}
    if kind not in ("linear", "none"):
        raise ValueError(f"{file.path} stretches its positions by {kind!r}, which is not supported")
    if "rope_freqs.weight" in file.entries:
        return rope | _llama3(file, rope["rope_theta"], head_width)
    return rope


def _llama3(file: GGUFFile, theta: float, head_width: int) -> dict[str, Any]:
    """Llama 3.1's rotary parameters, found again in the divisors that the file has instead.

    A pair that turns t times in the first context is slowed by 1 / (k + (1 - k) / factor), where
    k = (t - low) / (high - low), between 0 and 1.
    """
    divisor_P = file.read("rope_freqs.weight").double()
    found = {
        "rope_type": "llama3",
        "factor": float(divisor_P.max()),
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 8192,
    }
    speed_P = theta ** (-torch.arange(0, head_width, 2, dtype=torch.float64) / head_width)
    keep_P = ((8192 * speed_P / (2 * torch.pi) - 1) / 3).clamp(0, 1)
    expected_P = 1 / (keep_P + (1 - keep_P) / found["factor"])
    if divisor_P.shape != expected_P.shape or not torch.allclose(divisor_P, expected_P, rtol=1e-3):
        raise ValueError(f"{file.path} slows its rotary pairs in a way that is not known")
    return found


def _turned(file: GGUFFile, source: str) -> Tensor:
    tensor, kind = file.read(source), file.metadata["general.architecture"]
    name = source.split(".")[-2]
    if kind == "gpt2" and name in _TURNED and tensor.ndim == 2:
        return tensor.t().contiguous()
    if kind == "llama" and name in ("attn_q", "attn_k"):
        # In the file the two halves of a head's rotary pairs stand side by side.
        count = file.metadata["llama.attention.head_count"]
        if name == "attn_k":
            count = file.metadata.get("llama.attention.head_count_kv", count)
        return tensor.unflatten(0, (count, -1, 2)).transpose(1, 2).reshape(tensor.shape)
    return tensor
