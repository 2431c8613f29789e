"""A masked language model of a Hugging Face folder: BERT, RoBERTa, XLM-RoBERTa, DistilBERT.

    found = opened_masked_lm(read("path/to/xlm-roberta"))
    logp_BNV = found.net.fill(canvas)             # of a canvas of the tokens of `found.units`

Its weights are those of a `Bert`: places begin after those that RoBERTa keeps for padding, and the
kind of text that BERT calls the first is a part of them. Whether the numbers are the same as in
`transformers` is tried when it is opened. Importing this module imports `transformers`.
Shapes: B rows, N cells, C channels.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import torch
from torch import Tensor
from transformers import AutoModelForMaskedLM, PreTrainedModel

from anyorder.models.bert import Bert, BertSizes
from anyorder.models.files.checkpoint import Checkpoint
from anyorder.models.files.tokenizer import kept_units_of
from anyorder.models.hugging.network import network_of
from anyorder.models.hugging.trial import alike
from anyorder.nets.layers import Width
from anyorder.units.text import TextUnits


@dataclass(frozen=True)
class Names:
    """What a kind of model calls its parts: where its layers are, the parts of one by our names,
    and the last small layer of the head. `shifted`: places begin behind that of padding.
    """

    layers: str
    query_key_value: tuple[str, str, str]
    layer: Mapping[str, str]
    last: str
    last_norm: str
    shifted: bool = False


_LAYER: Final = {
    "own.out": "attention.output.dense",
    "own_norm": "attention.output.LayerNorm",
    "middle.0": "intermediate.dense",
    "middle.2": "output.dense",
    "middle_norm": "output.LayerNorm",
}
_DISTILLED_LAYER: Final = {
    "own.out": "attention.out_lin",
    "own_norm": "sa_layer_norm",
    "middle.0": "ffn.lin1",
    "middle.2": "ffn.lin2",
    "middle_norm": "output_layer_norm",
}
_ATTENTION: Final = ("attention.self.query", "attention.self.key", "attention.self.value")
_DISTILLED_ATTENTION: Final = ("attention.q_lin", "attention.k_lin", "attention.v_lin")
_TRANSFORM: Final = "cls.predictions.transform"
_BERT: Final = Names(
    "encoder.layer", _ATTENTION, _LAYER, f"{_TRANSFORM}.dense", f"{_TRANSFORM}.LayerNorm"
)
_ROBERTA: Final = Names(
    "encoder.layer", _ATTENTION, _LAYER, "lm_head.dense", "lm_head.layer_norm", shifted=True
)
_DISTILBERT: Final = Names(
    "transformer.layer",
    _DISTILLED_ATTENTION,
    _DISTILLED_LAYER,
    "vocab_transform",
    "vocab_layer_norm",
)
SHAPES: Final[Mapping[str, Names]] = {
    "bert": _BERT,
    "roberta": _ROBERTA,
    "xlm-roberta": _ROBERTA,
    "camembert": _ROBERTA,
    "distilbert": _DISTILBERT,
}


@dataclass(frozen=True)
class PretrainedLM:
    """The network, the tokenizer, and the folder's name."""

    net: Bert = field(repr=False)
    units: TextUnits = field(repr=False)
    name: str


def opened_masked_lm(checkpoint: Checkpoint) -> PretrainedLM:
    """The masked language model of a folder, in float32. Tokens that its tokenizer does not know it
    loses.

    Raises ValueError, with one sentence, for another kind of model, a shape that is not here, and a
    tokenizer that has no token for holes or does not belong to the network.
    """
    kind = checkpoint.config.get("model_type")
    if kind not in SHAPES:
        raise ValueError(
            f"{checkpoint.name} is a {kind!r}, which is no masked language model of a shape that "
            f"is known here ({', '.join(SHAPES)})"
        )
    units = kept_units_of(checkpoint)
    hole = units.tokenizer.mask_token_id
    if not isinstance(hole, int):
        raise ValueError(
            f"{checkpoint.name} has a tokenizer without a mask token: it hides nothing"
        )
    model = network_of(checkpoint, "float32", AutoModelForMaskedLM, "masked language model").eval()
    vocab = int(model.config.vocab_size)
    if units.vocab_size > vocab:
        raise ValueError(
            f"{checkpoint.name} has a tokenizer of {units.vocab_size} tokens and a network of "
            f"{vocab}: they do not belong together"
        )
    net = _net(model, SHAPES[kind], vocab=units.vocab_size, hole=hole)
    if not _is_right(net, model):
        raise ValueError(
            f"{checkpoint.name} is a {kind!r} of a shape that is not known here: its numbers would "
            "be others than in transformers"
        )
    return PretrainedLM(net, units, checkpoint.name)


def _net(model: PreTrainedModel, names: Names, *, vocab: int, hole: int) -> Bert:
    """The weights in our order. Some stay in the memory of `model`."""
    body: Any = model.base_model
    weights, config = body.state_dict(), model.config
    head: Any = model.get_output_embeddings()
    first = config.pad_token_id + 1 if names.shifted else 0
    places_NC = weights["embeddings.position_embeddings.weight"][first:]
    if (kinds := weights.get("embeddings.token_type_embeddings.weight")) is not None:
        places_NC = places_NC + kinds[0]
    made = {
        "words.table.weight": weights["embeddings.word_embeddings.weight"][:vocab],
        "words.places.weight": places_NC,
        **_renamed("words.norm", "embeddings.LayerNorm", weights),
        **_renamed("last.0", names.last, model.state_dict()),
        **_renamed("last.2", names.last_norm, model.state_dict()),
        "bias": head.bias.detach()[:vocab],
    }
    for number in range(config.num_hidden_layers):
        made |= _layer(f"encoder.layers.{number}", f"{names.layers}.{number}", names, weights)
    sizes = BertSizes(
        vocab=vocab,
        hole=hole,
        encoder_layers=config.num_hidden_layers,
        places=len(places_NC),
        epsilon=body.embeddings.LayerNorm.eps,
        width=Width(
            channels=config.hidden_size,
            heads=config.num_attention_heads,
            middle=len(made["encoder.layers.0.middle.0.bias"]),
            dropout=body.embeddings.dropout.p,
        ),
    )
    with torch.device("meta"):  # no memory, no random weights
        net = Bert(sizes)
    net.load_state_dict(made, assign=True)
    return net.eval()


def _layer(own: str, other: str, names: Names, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights of a layer."""
    query, key, value = (f"{other}.{part}" for part in names.query_key_value)
    found = _renamed(f"{own}.own.query", query, weights)
    for what in ("weight", "bias"):
        both = torch.cat([weights[f"{key}.{what}"], weights[f"{value}.{what}"]])
        found[f"{own}.own.key_value.{what}"] = both
    for part, called in names.layer.items():
        found |= _renamed(f"{own}.{part}", f"{other}.{called}", weights)
    return found


def _renamed(own: str, other: str, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {f"{own}.{what}": weights[f"{other}.{what}"] for what in ("weight", "bias")}


@torch.no_grad()
def _is_right(net: Bert, model: PreTrainedModel) -> bool:
    """Whether both say the same of a short text."""
    sizes = net.sizes
    token_N = (torch.arange(min(12, sizes.places)) * 7919 + 13) % sizes.vocab
    # RoBERTa gives no place to what is called like padding
    token_N = token_N.masked_fill(token_N == model.config.pad_token_id, sizes.hole)
    states_1NC = net.encoder(net.words(token_N[None]), None)
    ours_NV = net.logits(net.features(states_1NC))[0]
    plain_NV = model(input_ids=token_N[None]).logits[0, :, : sizes.vocab]
    return alike(ours_NV, plain_NV, plain_NV.dtype)
