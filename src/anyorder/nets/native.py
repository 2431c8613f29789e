"""Weights in Hugging Face's names become a native network: Llama-like shapes and GPT-2.

    if supports(config):
        net = build(config, tensors, precision="float32")

`config` is the dict of a `config.json`. What is folded: query, key and value into one matrix; gate
and up into one; norm weights into the projection behind them, but where `Form.behind_norm` knows
better.
Shapes: V vocabulary, C channels, O outputs, I inputs, H heads, D head width, R positions.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from anyorder.nets.linear import Linear
from anyorder.nets.network import Network
from anyorder.nets.precision import Form, form_of
from anyorder.nets.sizes import Config, Sizes, rope_of, sizes_of, supports
from anyorder.nets.transformer import Block, Shape

Tensors = Mapping[str, Tensor]


def build(
    config: Config,
    tensors: Tensors,
    precision: str | Form = "float32",
    *,
    features: bool = False,
    device: torch.device | None = None,
    same_bits: bool = False,
) -> Network:
    """Build the network. With `features` those of a cell, as the head reads them (normed), stand
    behind its logits: V + C outputs, where else are V.

    Raises ValueError for an unknown precision, an unsupported shape, and weights that are missing
    or of other sizes than the config says.

    `precision`: "float32", "bfloat16", "int8" (see `anyorder.nets.precision`), "reference", the
    float32 twin whose weights are left as they are, or the very form of the weights. `device`: a
    graphics processor; `same_bits`: there, no drafting may change a bit of any logit.
    """
    if not supports(config):
        raise ValueError(f"a {config.get('model_type')!r} network of this shape is not native")
    sizes = sizes_of(config)
    form = _form(precision, sizes.shape.channels, device, same_bits)
    sizes = replace(sizes, shape=replace(sizes.shape, dtype=form.dtype))
    make = _gpt2 if config["model_type"] == "gpt2" else _llama
    with torch.device("cpu"):
        return make(config, tensors, sizes, form, features)


def _form(
    precision: str | Form, channels: int, device: torch.device | None, same_bits: bool
) -> Form:
    if isinstance(precision, Form):
        return precision
    if device is None:
        return form_of(precision, rows=3 * channels, columns=channels)
    from anyorder.nets.graphed.form import graphed_form

    return graphed_form(precision, device, same_bits=same_bits)


def _llama(config: Config, tensors: Tensors, sizes: Sizes, form: Form, features: bool) -> Network:
    get, shape = _Getter(tensors, "model."), sizes.shape
    C, M, D = shape.channels, sizes.middle, shape.head_width
    H, K = shape.heads * D, shape.key_heads * D

    def block(layer: int) -> Block:
        at = f"layers.{layer}."
        parts = [
            get.pair(f"{at}self_attn.{name}_proj", (outputs, C), outputs)
            for name, outputs in (("q", H), ("k", K), ("v", K))
        ]
        parts[:2] = [
            (_side_by_side(w, D), None if b is None else _side_by_side(b, D)) for w, b in parts[:2]
        ]
        before = get.tensor(f"{at}input_layernorm.weight", (C,))
        after = get.tensor(f"{at}post_attention_layernorm.weight", (C,))
        gate_up = [get.pair(f"{at}mlp.{name}_proj", (M, C), M) for name in ("gate", "up")]
        return Block(
            qkv=_stacked(parts, before, form),
            out=form.linear(*get.pair(f"{at}self_attn.o_proj", (C, H), C)),
            mlp_up=_stacked(gate_up, after, form),
            mlp_down=form.linear(*get.pair(f"{at}mlp.down_proj", (C, M), C)),
            gated=True,
            head_norms=_head_norms(get, at, shape) if sizes.head_norms else None,
        )

    embedding_VC = get.tensor("embed_tokens.weight", (shape.vocab_size, C))
    head_OC = _head(tensors, sizes, embedding_VC, features)
    return form.network(
        shape=replace(shape, vocab_size=len(head_OC)),
        embedding_VC=embedding_VC.to(form.dtype),
        blocks=map(block, range(sizes.layers)),  # one by one: each is packed
        head=form.behind_norm(head_OC, None, get.tensor("norm.weight", (C,))),
        turns_RD=turns_of(config, shape),
        positions_RC=None,
    )


def _gpt2(config: Config, tensors: Tensors, sizes: Sizes, form: Form, features: bool) -> Network:
    get = _Getter(tensors, "" if "wte.weight" in tensors else "transformer.")
    shape, C, M = sizes.shape, sizes.shape.channels, sizes.middle

    def dense(name: str, inputs: int, outputs: int, norm: str | None = None) -> Linear:
        # GPT-2 stores its matrices the other way round
        weight_IO, bias_O = get.pair(name, (inputs, outputs), outputs)
        before = get.pair(norm, (C,), C) if norm else (None, None)
        return _folded(weight_IO.t(), bias_O, *before, form)

    def block(layer: int) -> Block:
        at = f"h.{layer}."
        return Block(
            qkv=dense(f"{at}attn.c_attn", C, 3 * C, f"{at}ln_1"),
            out=dense(f"{at}attn.c_proj", C, C),
            mlp_up=dense(f"{at}mlp.c_fc", C, M, f"{at}ln_2"),
            mlp_down=dense(f"{at}mlp.c_proj", M, C),
            gated=False,
        )

    embedding_VC = get.tensor("wte.weight", (shape.vocab_size, C))
    head_OC = _head(tensors, sizes, embedding_VC, features)
    return form.network(
        shape=replace(shape, vocab_size=len(head_OC)),
        embedding_VC=embedding_VC.to(form.dtype),
        blocks=map(block, range(sizes.layers)),
        head=_folded(head_OC, None, *get.pair("ln_f", (C,), C), form),
        turns_RD=None,
        positions_RC=get.tensor("wpe.weight", (shape.max_length, C)).to(form.dtype),
    )


def _head(tensors: Tensors, sizes: Sizes, embedding_VC: Tensor, features: bool) -> Tensor:
    """A head that is there beside a tied embedding counts, as in `transformers`."""
    head_VC = embedding_VC
    if not sizes.tied or "lm_head.weight" in tensors:
        head_VC = _Getter(tensors, "").tensor("lm_head.weight", tuple(embedding_VC.shape))
    return torch.cat([head_VC, torch.eye(head_VC.shape[1])]) if features else head_VC


class _Getter:
    """Weights by their short names, as float32; ValueError names one that is missing or misfit."""

    def __init__(self, tensors: Tensors, prefix: str) -> None:
        self.tensors, self.prefix = tensors, prefix

    def tensor(self, name: str, size: tuple[int, ...]) -> Tensor:
        key = self.prefix + name
        if key not in self.tensors:
            raise ValueError(f"the checkpoint lacks {key}; it does not fit its config.json")
        found = self.tensors[key]
        if tuple(found.shape) != size:
            stated, held = (" x ".join(map(str, shape)) for shape in (size, found.shape))
            raise ValueError(f"{key} is {held}, but {stated} by the config.json of the checkpoint")
        return found.float()

    def pair(self, name: str, size: tuple[int, ...], outputs: int) -> tuple[Tensor, Tensor | None]:
        has_bias = f"{self.prefix}{name}.bias" in self.tensors
        bias_O = self.tensor(f"{name}.bias", (outputs,)) if has_bias else None
        return self.tensor(f"{name}.weight", size), bias_O


def _stacked(
    parts: list[tuple[Tensor, Tensor | None]],
    norm_I: Float[Tensor, " I"],
    form: Form,
) -> Linear:
    """One matrix of several that read the same normed input."""
    weight_OI = torch.cat([weight for weight, _ in parts])
    if all(bias is None for _, bias in parts):
        return form.behind_norm(weight_OI, None, norm_I)
    biases = [weight.new_zeros(len(weight)) if bias is None else bias for weight, bias in parts]
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


def _head_norms(get: _Getter, at: str, shape: Shape) -> Float[Tensor, "HK D"]:
    """Weights of the norms of a layer's queries and keys, head by head."""
    D = shape.head_width
    weights = [get.tensor(f"{at}self_attn.{name}_norm.weight", (D,)) for name in "qk"]
    heads = shape.heads, shape.key_heads
    both = zip(weights, heads, strict=True)
    return torch.cat([_side_by_side(weight, D).expand(count, D) for weight, count in both])


def turns_of(config: Config, shape: Shape) -> Tensor:
    """e^(i m theta_j) for every position m and pair j, computed in float64, some positions at a
    time: there may be hundreds of thousands.
    """
    rope, D = rope_of(config), shape.head_width
    speed_D = rope["rope_theta"] ** (-torch.arange(0, D, 2, dtype=torch.float64) / D)
    if rope["rope_type"] == "linear":
        speed_D = speed_D / rope["factor"]
    if rope["rope_type"] == "llama3":
        speed_D = _llama3(speed_D, rope)
    turns_RD = torch.empty(shape.max_length, len(speed_D), dtype=torch.complex64)
    places_R = torch.arange(shape.max_length, dtype=torch.float64)
    for place_R, part_RD in zip(places_R.split(4096), turns_RD.split(4096), strict=True):
        angle_RD = place_R[:, None] * speed_D.float()
        part_RD.copy_(torch.polar(torch.ones_like(angle_RD), angle_RD))
    return turns_RD


def _llama3(speed_D: Tensor, rope: Mapping[str, Any]) -> Tensor:
    """Llama 3.1's slowing of slow pairs (as `transformers` computes it)."""
    turns_D = rope["original_max_position_embeddings"] * speed_D / (2 * torch.pi)
    low, high = rope["low_freq_factor"], rope["high_freq_factor"]
    keep_D = ((turns_D - low) / (high - low)).clamp(0, 1)
    return speed_D * (keep_D + (1 - keep_D) / rope["factor"])
