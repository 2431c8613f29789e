"""Weights in Hugging Face's names become a native network: Llama-like shapes and GPT-2.

    if supports(config):
        net = build(config, tensors, precision="float32")

`config` is the dict of a `config.json`. What is folded: query, key and value into one matrix; gate
and up into one; norm weights into the projection behind them, but where `Form.behind_norm` knows
better.
Shapes: V vocabulary, C channels, O outputs, I inputs, H heads, D head width, R positions.
"""

from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from anyorder.nets.linear import Linear
from anyorder.nets.precision import Form, Network, form_of
from anyorder.nets.transformer import Block, Shape

Config = Mapping[str, Any]
Tensors = Mapping[str, Tensor]
LLAMA_LIKE = ("llama", "mistral", "qwen2")


def supports(config: Config) -> bool:
    """Whether the shape is native; other causal models go through the adapter."""
    kind = config.get("model_type")
    if kind == "gpt2":
        return config.get("activation_function", "gelu_new") == "gelu_new" and not any(
            config.get(flag) for flag in ("scale_attn_by_inverse_layer_idx", "add_cross_attention")
        )
    plain_rope = _rope(config).get("rope_type", "default") in ("default", "linear", "llama3")
    return kind in LLAMA_LIKE and plain_rope and config.get("hidden_act", "silu") == "silu"


def build(config: Config, tensors: Tensors, precision: str = "float32") -> Network:
    """Build the network. Raises ValueError for an unknown precision or an unsupported shape.

    `precision`: "float32", "bfloat16", "int8" (see `anyorder.nets.precision`), or "reference",
    the float32 twin whose weights are left as they are.
    """
    if not supports(config):
        raise ValueError(f"a {config.get('model_type')!r} network of this shape is not native")
    sizes = _sizes(config)
    form = form_of(precision, rows=3 * sizes["channels"], columns=sizes["channels"])
    make = _gpt2 if config["model_type"] == "gpt2" else _llama
    return make(config, tensors, Shape(**sizes, dtype=form.dtype), form)


def _sizes(config: Config) -> dict[str, Any]:
    gpt2 = config["model_type"] == "gpt2"
    channels = config["n_embd"] if gpt2 else config["hidden_size"]
    heads = config["n_head"] if gpt2 else config["num_attention_heads"]
    window = config.get("sliding_window")
    if config["model_type"] == "qwen2" and not config.get("use_sliding_window", False):
        window = None
    return {
        "vocab_size": config["vocab_size"],
        "max_length": config["n_positions"] if gpt2 else config["max_position_embeddings"],
        "channels": channels,
        "heads": heads,
        "key_heads": heads if gpt2 else config.get("num_key_value_heads") or heads,
        "head_width": config.get("head_dim") or channels // heads,
        "norm_eps": config["layer_norm_epsilon"] if gpt2 else config["rms_norm_eps"],
        "window": window,
        "centred": gpt2,
    }


def _llama(config: Config, tensors: Tensors, shape: Shape, form: Form) -> Network:
    get = _Getter(tensors, "model.")
    D = shape.head_width

    def block(layer: int) -> Block:
        at = f"layers.{layer}."
        parts = [get.pair(f"{at}self_attn.{name}_proj") for name in "qkv"]
        parts[:2] = [
            (_side_by_side(w, D), None if b is None else _side_by_side(b, D)) for w, b in parts[:2]
        ]
        before = get.weight(f"{at}input_layernorm")
        after = get.weight(f"{at}post_attention_layernorm")
        gate_up = [get.pair(f"{at}mlp.{name}_proj") for name in ("gate", "up")]
        return Block(
            qkv=_stacked(parts, before, form),
            out=form.linear(*get.pair(f"{at}self_attn.o_proj")),
            mlp_up=_stacked(gate_up, after, form),
            mlp_down=form.linear(*get.pair(f"{at}mlp.down_proj")),
            gated=True,
        )

    embedding_VC = get.weight("embed_tokens")
    tied = config.get("tie_word_embeddings", False) or "lm_head.weight" not in tensors
    head_VC = embedding_VC if tied else tensors["lm_head.weight"].float()
    return form.network(
        shape=shape,
        embedding_VC=embedding_VC.to(form.dtype),
        blocks=map(block, range(config["num_hidden_layers"])),  # one by one: each is packed
        head=form.behind_norm(head_VC, None, get.weight("norm")),
        turns_RD=_turns(config, shape),
        positions_RC=None,
    )


def _gpt2(config: Config, tensors: Tensors, shape: Shape, form: Form) -> Network:
    named = tensors if "wte.weight" in tensors else _without(tensors, "transformer.")
    get = _Getter(named, "")

    def dense(name: str, norm: str | None = None) -> Linear:
        weight_IO, bias_O = get.pair(name)  # GPT-2 stores its matrices the other way round
        return _folded(weight_IO.t(), bias_O, *get.pair(norm) if norm else (None, None), form)

    def block(layer: int) -> Block:
        at = f"h.{layer}."
        return Block(
            qkv=dense(f"{at}attn.c_attn", f"{at}ln_1"),
            out=dense(f"{at}attn.c_proj"),
            mlp_up=dense(f"{at}mlp.c_fc", f"{at}ln_2"),
            mlp_down=dense(f"{at}mlp.c_proj"),
            gated=False,
        )

    embedding_VC = get.weight("wte")
    head_VC = tensors["lm_head.weight"].float() if "lm_head.weight" in tensors else embedding_VC
    return form.network(
        shape=shape,
        embedding_VC=embedding_VC.to(form.dtype),
        blocks=map(block, range(config["n_layer"])),
        head=_folded(head_VC, None, *get.pair("ln_f"), form),
        turns_RD=None,
        positions_RC=get.weight("wpe").to(form.dtype),
    )


class _Getter:
    """Weights by their short names, as float32; ValueError names the one that is missing."""

    def __init__(self, tensors: Tensors, prefix: str) -> None:
        self.tensors, self.prefix = tensors, prefix

    def weight(self, name: str, what: str = "weight") -> Tensor:
        key = f"{self.prefix}{name}.{what}"
        if key not in self.tensors:
            raise ValueError(f"the checkpoint lacks {key}; it does not fit its config.json")
        return self.tensors[key].float()

    def pair(self, name: str) -> tuple[Tensor, Tensor | None]:
        has_bias = f"{self.prefix}{name}.bias" in self.tensors
        return self.weight(name), self.weight(name, "bias") if has_bias else None


def _without(tensors: Tensors, prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items()}


def _stacked(
    parts: list[tuple[Tensor, Tensor | None]],
    norm_I: Float[Tensor, " I"],
    form: Form,
) -> Linear:
    """One matrix of several that read the same normed input."""
    weight_OI = torch.cat([weight for weight, _ in parts])
    if all(bias is None for _, bias in parts):
        return form.behind_norm(weight_OI, None, norm_I)
    biases = [torch.zeros(len(weight)) if bias is None else bias for weight, bias in parts]
    return form.behind_norm(weight_OI, torch.cat(biases), norm_I)


def _folded(
    weight_OI: Tensor,
    bias_O: Tensor | None,
    norm_I: Tensor | None,
    shift_I: Tensor | None,
    form: Form,
) -> Linear:
    """W (x * norm + shift) + b as one matrix and one bias."""
    if shift_I is not None:
        bias_O = weight_OI @ shift_I + (0 if bias_O is None else bias_O)
    if norm_I is None:
        return form.linear(weight_OI, bias_O)
    return form.behind_norm(weight_OI, bias_O, norm_I)


def _side_by_side(weight: Tensor, D: int) -> Tensor:
    """Reorder each head's outputs so that a rotary pair (i, i + D/2) stands at (2i, 2i + 1)."""
    heads = weight.unflatten(0, (-1, 2, D // 2))
    return heads.transpose(1, 2).reshape(weight.shape)


def _rope(config: Config) -> Mapping[str, Any]:
    """The rotary parameters, in the old or the new place of a config."""
    new = config.get("rope_parameters") or {}
    old = config.get("rope_scaling") or {}
    kind = new.get("rope_type") or old.get("rope_type") or old.get("type") or "default"
    theta = new.get("rope_theta") or config.get("rope_theta") or 10000.0
    return {**old, **new, "rope_type": kind, "rope_theta": theta}


def _turns(config: Config, shape: Shape) -> Tensor:
    """e^(i m theta_j) for every position m and pair j, computed in float64."""
    rope, D = _rope(config), shape.head_width
    speed_D = rope["rope_theta"] ** (-torch.arange(0, D, 2, dtype=torch.float64) / D)
    if rope["rope_type"] == "linear":
        speed_D = speed_D / rope["factor"]
    if rope["rope_type"] == "llama3":
        speed_D = _llama3(speed_D, rope)
    angle_RD = torch.arange(shape.max_length, dtype=torch.float64)[:, None] * speed_D.float()
    return torch.polar(torch.ones_like(angle_RD), angle_RD).to(torch.complex64)


def _llama3(speed_D: Tensor, rope: Mapping[str, Any]) -> Tensor:
    """Llama 3.1's slowing of slow pairs (as `transformers` computes it)."""
    turns_D = rope["original_max_position_embeddings"] * speed_D / (2 * torch.pi)
    low, high = rope["low_freq_factor"], rope["high_freq_factor"]
    keep_D = ((turns_D - low) / (high - low)).clamp(0, 1)
    return speed_D * (keep_D + (1 - keep_D) / rope["factor"])
