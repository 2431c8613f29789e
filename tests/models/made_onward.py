"""A small Llama-like model with weights of its own, and a head for it that has not learnt yet."""

from typing import Any

import torch
from torch import Tensor

from anyorder.models.onward import OnwardLM
from anyorder.models.onward_head import OnwardHead

VOCAB = 50
CONFIG: dict[str, Any] = {
    "model_type": "llama",
    "vocab_size": VOCAB,
    "hidden_size": 48,
    "intermediate_size": 80,
    "num_hidden_layers": 2,
    "num_attention_heads": 6,
    "num_key_value_heads": 3,
    "max_position_embeddings": 64,
    "rope_theta": 10000.0,
    "rms_norm_eps": 1e-5,
    "tie_word_embeddings": True,
}
FREQUENT_U = torch.tensor([0, 1, 2, 3, 5, 8, 13, 21, 34, 44, 45, 46])


def config(kind: str = "llama") -> dict[str, Any]:
    return CONFIG | {"model_type": kind, "head_dim": 8}


def tensors(seed: int = 0, kind: str = "llama") -> dict[str, Tensor]:
    """Weights that let the model say something definite."""
    rng, C, M, D = torch.Generator().manual_seed(seed), 48, 80, 8
    sizes = {"model.embed_tokens.weight": (VOCAB, C), "model.norm.weight": (C,)}
    for layer in range(2):
        at = f"model.layers.{layer}."
        for name, heads in (("q", 6), ("k", 3), ("v", 3)):
            sizes[f"{at}self_attn.{name}_proj.weight"] = (heads * D, C)
        sizes[f"{at}self_attn.o_proj.weight"] = (C, 6 * D)
        for name in ("q", "k") if kind == "qwen3" else ():
            sizes[f"{at}self_attn.{name}_norm.weight"] = (D,)
        sizes[f"{at}mlp.gate_proj.weight"] = sizes[f"{at}mlp.up_proj.weight"] = (M, C)
        sizes[f"{at}mlp.down_proj.weight"] = (C, M)
        sizes[f"{at}input_layernorm.weight"] = (C,)
        sizes[f"{at}post_attention_layernorm.weight"] = (C,)
    return {
        name: 0.25 * torch.randn(size, generator=rng) + (len(size) == 1)
        for name, size in sizes.items()
    }


def head(seed: int = 0, kind: str = "llama") -> OnwardHead:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return OnwardHead(config(kind), tensors(kind=kind), FREQUENT_U)


def made(precision: str = "float32", kind: str = "llama") -> OnwardLM:
    return OnwardLM.of(config(kind), tensors(kind=kind), head(kind=kind).kept(), precision)
