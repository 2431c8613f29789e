"""The decoders of `transformers` that read a source, called layer by layer.

    stack = stack_of(model)
    logits_BTV = stack.head(stack.states(reading))

A whole decoder takes no positions: it counts its cells, one row like the other. So the embeddings
are made here, with positions that the caller states, and the layers are called as they are.
Positions are vectors that are added to the tokens' (BART, Marian, mBART, Pegasus, M2M100) or a bias
of the attention (T5, mT5). Importing this module imports `transformers`.
Shapes: B rows, T new cells, E cells of the cache in use, S source cells, L positions, H heads,
C channels, V vocabulary.
"""

import sys
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol, runtime_checkable

from jaxtyping import Float, Int
from torch import Tensor
from transformers import PreTrainedModel
from transformers.cache_utils import EncoderDecoderCache


@dataclass(frozen=True, eq=False)
class Reading:
    """What one call reads. `sees` and `reads` are added to attention scores; None: all is seen."""

    tokens_BT: Int[Tensor, "B T"]
    place_BT: Int[Tensor, "B T"]
    place_BE: Int[Tensor, "B E"]
    sees: Float[Tensor, "B 1 T E"] | None
    memory: EncoderDecoderCache
    states_BSC: Float[Tensor, "B S C"]
    reads: Float[Tensor, "B 1 1 S"] | None


@runtime_checkable
class DecoderStack(Protocol):
    """A decoder whose cells stand where they are told to."""

    @property
    def max_length(self) -> int:
        """Positions that there are."""
        ...

    def states(self, reading: Reading) -> Float[Tensor, "B T C"]:
        """The features of the new cells; their keys and values go to the memory."""
        ...

    def head(self, x_BTC: Float[Tensor, "B T C"]) -> Float[Tensor, "B T V"]:
        """Features as logits."""
        ...


@dataclass(frozen=True, eq=False)
class PlacedDecoder:
    """Adds a vector for each position: BART, Marian and their kin."""

    model: Any
    decoder: Any

    @cached_property
    def _table_LC(self) -> Float[Tensor, "L C"]:
        positions = self.decoder.embed_positions
        table = positions.weight if hasattr(positions, "weight") else positions.weights
        return table[getattr(positions, "offset", 0) :]

    @property
    def max_length(self) -> int:
        return len(self._table_LC)

    def states(self, reading: Reading) -> Float[Tensor, "B T C"]:
        decoder = self.decoder
        scale = getattr(decoder, "embed_scale", 1.0)  # some embeddings scale by themselves
        # junk beyond a row's end has places that the model may not know
        place_BT = reading.place_BT.clamp_max(self.max_length - 1)
        x_BTC = decoder.embed_tokens(reading.tokens_BT) * scale + self._table_LC[place_BT]
        if hasattr(decoder, "layernorm_embedding"):
            x_BTC = decoder.layernorm_embedding(x_BTC)
        for layer in decoder.layers:
            x_BTC = layer(
                x_BTC,
                reading.sees,
                reading.states_BSC,
                encoder_attention_mask=reading.reads,
                past_key_values=reading.memory,
                use_cache=True,
            )
        return decoder.layer_norm(x_BTC) if hasattr(decoder, "layer_norm") else x_BTC

    def head(self, x_BTC: Float[Tensor, "B T C"]) -> Float[Tensor, "B T V"]:
        bias = getattr(self.model, "final_logits_bias", 0.0)
        return self.model.get_output_embeddings()(x_BTC) + bias


@dataclass(frozen=True, eq=False)
class RelativeDecoder:
    """Attends with a bias for each distance: T5 and mT5.

    Source: Raffel et al. 2020 (arXiv:1910.10683), section 2.1.
    """

    model: Any
    decoder: Any

    @property
    def max_length(self) -> int:
        return sys.maxsize

    def states(self, reading: Reading) -> Float[Tensor, "B T C"]:
        x_BTC, no_bias = self.decoder.embed_tokens(reading.tokens_BT), None
        bias_BHTE = self._bias(reading)
        for block in self.decoder.block:
            x_BTC, _, no_bias = block(
                x_BTC,
                reading.sees,
                bias_BHTE,
                reading.states_BSC,
                reading.reads,
                no_bias,  # a source has none: made by the first block, and handed on
                past_key_values=reading.memory,
            )
        return self.decoder.final_layer_norm(x_BTC)

    def _bias(self, reading: Reading) -> Float[Tensor, "B H T E"]:
        """The first block's, which is that of all: by distance, and not by place in the cache."""
        attention = self.decoder.block[0].layer[0].SelfAttention
        bucket_BTE = attention._relative_position_bucket(
            reading.place_BE[:, None] - reading.place_BT[..., None],
            bidirectional=False,
            num_buckets=attention.relative_attention_num_buckets,
            max_distance=attention.relative_attention_max_distance,
        )
        return attention.relative_attention_bias(bucket_BTE).permute(0, 3, 1, 2)

    def head(self, x_BTC: Float[Tensor, "B T C"]) -> Float[Tensor, "B T V"]:
        config = self.model.config
        scaled = getattr(config, "scale_decoder_outputs", False)  # not in mT5, nor in T5 1.1
        return self.model.get_output_embeddings()(x_BTC * config.d_model**-0.5 if scaled else x_BTC)


def stack_of(model: PreTrainedModel) -> DecoderStack | None:
    """The decoder of a model; None where there is none, or one of another shape."""
    if not model.config.is_encoder_decoder or model.get_output_embeddings() is None:
        return None
    decoder: Any = model.get_decoder()
    if hasattr(decoder, "embed_positions") and hasattr(decoder, "layers"):
        return PlacedDecoder(model, decoder)
    return RelativeDecoder(model, decoder) if hasattr(decoder, "block") else None
