"""What a config says is what the weights must be; a head is tied only where the config ties it."""

import re
from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor

from anyorder.nets.native import build
from anyorder.nets.network import Network
from anyorder.nets.sizes import sizes_of, supports
from tests.models import made

TEXT_1T = torch.tensor([[5, 3, 8, 1, 9, 2, 6, 4]])


@cache
def theirs(kind: str, **changes: Any) -> Any:
    return made.network(kind, **changes)


def config_of(kind: str, **changes: Any) -> dict[str, Any]:
    return theirs(kind).config.to_dict() | changes


def weights_of(kind: str) -> dict[str, Tensor]:
    return dict(theirs(kind).state_dict())


def said(net: Network) -> Tensor:
    return net.extend(TEXT_1T, net.new_cache(1, 8))


# ---- weights against the config ----

LAYER = "model.layers.1."
MISFITS = {
    ("llama", "lm_head.weight"): (299, 32),
    ("llama", "model.embed_tokens.weight"): (301, 32),
    ("llama", "model.norm.weight"): (16,),
    ("llama", f"{LAYER}self_attn.q_proj.weight"): (16, 32),
    ("llama", f"{LAYER}self_attn.k_proj.weight"): (32, 32),
    ("llama", f"{LAYER}self_attn.v_proj.weight"): (16, 16),
    ("llama", f"{LAYER}self_attn.o_proj.weight"): (32, 16),
    ("llama", f"{LAYER}input_layernorm.weight"): (64,),
    ("llama", f"{LAYER}mlp.gate_proj.weight"): (128, 32),
    ("llama", f"{LAYER}mlp.down_proj.weight"): (32, 128),
    ("qwen2", f"{LAYER}self_attn.q_proj.bias"): (16,),
    ("qwen3", f"{LAYER}self_attn.q_norm.weight"): (4,),
    ("qwen3", f"{LAYER}self_attn.k_norm.weight"): (32,),
    ("gpt2", "transformer.wpe.weight"): (32, 32),
    ("gpt2", "transformer.wte.weight"): (300, 16),
    ("gpt2", "transformer.ln_f.bias"): (31,),
    ("gpt2", "transformer.h.0.attn.c_attn.weight"): (32, 32),
    ("gpt2", "transformer.h.0.attn.c_attn.bias"): (32,),
    ("gpt2", "transformer.h.1.mlp.c_fc.weight"): (128, 32),
}


@pytest.mark.parametrize("precision", ["reference", "float32"])
@pytest.mark.parametrize(("kind", "name"), MISFITS)
def test_a_weight_of_another_size_is_named(kind: str, name: str, precision: str) -> None:
    weights = weights_of(kind)
    size, right = MISFITS[kind, name], tuple(weights[name].shape)
    weights[name] = torch.zeros(size)
    held, stated = (" x ".join(map(str, shape)) for shape in (size, right))
    with pytest.raises(ValueError, match=f"{re.escape(name)} is {held}, but {stated} by the conf"):
        build(config_of(kind), weights, precision)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"num_key_value_heads": 3}, "4 attention heads can't share 3 heads of keys"),
        ({"head_dim": 7}, "heads of width 7 have no pairs"),
        ({"vocab_size": 0}, "says vocab_size = 0"),
        ({"num_hidden_layers": 0}, "says num_hidden_layers = 0"),
        ({"model_type": "mistral", "sliding_window": 0}, "says window = 0"),
        ({"intermediate_size": -1}, "says intermediate_size = -1"),
    ],
)
def test_sizes_that_no_network_has_are_refused(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        build(config_of("llama", **changes), weights_of("llama"))


def test_a_size_that_is_not_said_is_named() -> None:
    config = config_of("llama")
    del config["hidden_size"]
    with pytest.raises(ValueError, match="does not say 'hidden_size'"):
        sizes_of(config)


def test_sizes_have_the_defaults_of_their_kind() -> None:
    few = {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64, "vocab_size": 300}
    sizes = sizes_of({"model_type": "gpt2", "layer_norm_epsilon": 1e-5, **few})
    assert (sizes.middle, sizes.tied, sizes.shape.head_width) == (128, True, 8)
    assert sizes_of(config_of("qwen3", head_dim=None)).shape.head_width == 128
    config = config_of("llama", num_key_value_heads=None)
    del config["tie_word_embeddings"]
    assert (sizes_of(config).tied, sizes_of(config).shape.key_heads) == (False, 4)


# ---- heads ----


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_a_head_that_is_not_tied_must_be_there(kind: str) -> None:
    weights = weights_of(kind)
    del weights["lm_head.weight"]
    with pytest.raises(ValueError, match=r"lacks lm_head\.weight"):
        build(config_of(kind, tie_word_embeddings=False), weights, "reference")
    tied = said(build(config_of(kind, tie_word_embeddings=True), weights, "reference"))
    embedding = "model.embed_tokens.weight" if kind == "llama" else "transformer.wte.weight"
    weights["lm_head.weight"] = weights[embedding]
    assert torch.equal(
        said(build(config_of(kind, tie_word_embeddings=False), weights, "reference")), tied
    )


def test_a_head_of_its_own_counts_though_the_config_ties_it() -> None:
    """As in `transformers`, which warns and does not tie what differs."""
    weights = weights_of("llama")
    apart, tied = (
        said(build(config_of("llama", tie_word_embeddings=tie), weights, "reference"))
        for tie in (False, True)
    )
    assert torch.equal(apart, tied)


def test_gpt2_may_be_named_without_a_prefix() -> None:
    weights = weights_of("gpt2")
    bare = {name.removeprefix("transformer."): weight for name, weight in weights.items()}
    with_prefix, without = (
        said(build(config_of("gpt2"), named, "reference")) for named in (weights, bare)
    )
    assert torch.equal(with_prefix, without)


# ---- which shapes ----


def test_scores_without_their_scale_are_not_native() -> None:
    assert supports(config_of("gpt2"))
    assert not supports(config_of("gpt2", scale_attn_weights=False))


SLIDING = {"use_sliding_window": True, "sliding_window": 4}


@pytest.mark.parametrize("kind", ["qwen2", "qwen3"])
@pytest.mark.parametrize(
    ("changes", "window"),
    [
        (SLIDING | {"use_sliding_window": False}, None),
        (SLIDING | {"max_window_layers": 2}, None),
        (SLIDING | {"max_window_layers": 0}, 4),
        (SLIDING | {"layer_types": ["sliding_attention"] * 2}, 4),
        (SLIDING | {"layer_types": ["full_attention"] * 2}, None),
    ],
)
def test_the_windows_of_qwen_are_those_of_transformers(
    kind: str, changes: dict[str, Any], window: int | None
) -> None:
    network = made.network(kind, **changes)
    config = network.config.to_dict()
    raw = {name: value for name, value in config.items() if name != "layer_types"} | changes
    for known in (config, raw):
        assert supports(known)
        assert sizes_of(known).shape.window == window
    with torch.no_grad():
        expected = network(TEXT_1T).logits
    ours = said(build(config, network.state_dict(), "reference"))
    torch.testing.assert_close(ours, expected, rtol=0, atol=1e-4)


def test_layers_with_and_without_a_window_are_not_native() -> None:
    assert not supports(config_of("qwen2", **SLIDING, layer_types=None, max_window_layers=1))
    kinds = ["full_attention", "sliding_attention"]
    assert not supports(config_of("qwen2", **SLIDING, layer_types=kinds))


def test_a_llama_has_no_window_whatever_its_config_says() -> None:
    config = config_of("llama", sliding_window=2)
    assert sizes_of(config).shape.window is None
    assert sizes_of(config_of("mistral")).shape.window == 4
