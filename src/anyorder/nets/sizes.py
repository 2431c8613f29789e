"""What a `config.json` says of a network: whether it is native, and its sizes.

    if supports(config):
        sizes = sizes_of(config)
        sizes.shape.channels, sizes.layers, sizes.middle

`config` is the dict of the file; what it leaves out has the default of its model type.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from anyorder.nets.transformer import Shape

Config = Mapping[str, Any]
LLAMA_LIKE = ("llama", "mistral", "qwen2", "qwen3")
ROPES = ("default", "linear", "llama3")
_ATTENTION = ("scale_attn_by_inverse_layer_idx", "add_cross_attention")  # of other GPT-2s


@dataclass(frozen=True)
class Sizes:
    """`middle` is the width of the MLP within a layer; `tied`: the head may be the embedding;
    `head_norms`: each query and each key has a norm of its own (Qwen 3).
    """

    shape: Shape
    layers: int
    middle: int
    tied: bool
    head_norms: bool = False


def supports(config: Config) -> bool:
    """Whether the shape is native; other causal models go through the adapter."""
    kind = config.get("model_type")
    if kind == "gpt2":
        plain_gelu = config.get("activation_function", "gelu_new") == "gelu_new"
        scaled = bool(config.get("scale_attn_weights", True))
        return plain_gelu and scaled and not any(config.get(flag) for flag in _ATTENTION)
    plain_rope = rope_of(config).get("rope_type", "default") in ROPES
    plain_mlp = config.get("hidden_act", "silu") == "silu"
    return kind in LLAMA_LIKE and plain_rope and plain_mlp and len(_windows(config)) == 1


def sizes_of(config: Config) -> Sizes:
    """The sizes; ValueError for one that is missing, or that no network can have."""
    try:
        sizes = _gpt2(config) if config["model_type"] == "gpt2" else _llama(config)
    except KeyError as error:
        raise ValueError(f"the config of the network does not say {error}") from None
    s = sizes.shape
    stated = {"num_hidden_layers": sizes.layers, "intermediate_size": sizes.middle, **vars(s)}
    for name, number in stated.items():
        if type(number) is int and number < 1:
            raise ValueError(f"the config of the network says {name} = {number}, which can't be")
    if s.heads % s.key_heads:
        raise ValueError(f"{s.heads} attention heads can't share {s.key_heads} heads of keys")
    if not s.centred and s.head_width % 2:
        raise ValueError(f"heads of width {s.head_width} have no pairs of channels to be turned")
    return sizes


def rope_of(config: Config) -> Mapping[str, Any]:
    """The rotary parameters, in the old or the new place of a config."""
    new = config.get("rope_parameters") or {}
    old = config.get("rope_scaling") or {}
    kind = new.get("rope_type") or old.get("rope_type") or old.get("type") or "default"
    theta = new.get("rope_theta") or config.get("rope_theta") or 10000.0
    return {**old, **new, "rope_type": kind, "rope_theta": theta}


def _llama(config: Config) -> Sizes:
    channels, heads = config["hidden_size"], config["num_attention_heads"]
    kind, tied = config["model_type"], config.get("tie_word_embeddings", False)
    usual_width = 128 if kind == "qwen3" else channels // heads
    (window,) = _windows(config)
    shape = Shape(
        vocab_size=config["vocab_size"],
        max_length=config["max_position_embeddings"],
        channels=channels,
        heads=heads,
        key_heads=config.get("num_key_value_heads") or heads,
        head_width=config.get("head_dim") or usual_width,
        norm_eps=config["rms_norm_eps"],
        window=window,
    )
    layers, middle = config["num_hidden_layers"], config["intermediate_size"]
    return Sizes(shape, layers, middle, tied, head_norms=kind == "qwen3")


def _gpt2(config: Config) -> Sizes:
    channels, heads = config["n_embd"], config["n_head"]
    shape = Shape(
        vocab_size=config["vocab_size"],
        max_length=config["n_positions"],
        channels=channels,
        heads=heads,
        key_heads=heads,
        head_width=channels // heads,
        norm_eps=config["layer_norm_epsilon"],
        centred=True,
    )
    middle = config.get("n_inner") or 4 * channels
    return Sizes(shape, config["n_layer"], middle, config.get("tie_word_embeddings", True))


def _windows(config: Config) -> set[int | None]:
    """The windows of all layers, found as `transformers` finds them."""
    kind, window = config.get("model_type"), config.get("sliding_window")
    if kind == "mistral":
        return {window}
    slides = kind in ("qwen2", "qwen3") and config.get("use_sliding_window", False)
    if not slides or window is None:
        return {None}
    layers, first = config["num_hidden_layers"], config.get("max_window_layers", 28)
    kinds = config.get("layer_types") or [
        "sliding_attention" if layer >= first else "full_attention" for layer in range(layers)
    ]
    return {window if kind == "sliding_attention" else None for kind in kinds[:layers]}
