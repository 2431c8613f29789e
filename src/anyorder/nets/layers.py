"""Layers that are trained here: pre-norm attention and feed-forward, for encoders and decoders.

    encoder = Stack(Width(channels=256, heads=4, middle=1024), layers=6)
    states_BSC = encoder(x_BSC, sees_BTS)
    decoder = Stack(width, layers=1, cross=True)
    x_BTC = decoder(x_BTC, sees_BTT, Memory(states_BSC, sees_BTS))

A mask says which keys a query sees: [B or 1, T or 1, keys], None for all; numbers that are added to
scores may be others for each head: [B or 1, H, T, keys]. One module serves training and cached
decoding, so that the two can't disagree.
Source: Vaswani et al. 2017 (arXiv:1706.03762), section 3; norm before each part, as in Xiong et al.
2020 (arXiv:2002.04745).
Shapes: B rows, T cells, S source cells, E keys, C channels, H heads, D head width.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, cast, runtime_checkable

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from anyorder.nets.dropout import Dropout
from anyorder.nets.local_attention import AroundPeak, scores_of

KeysValues = tuple[Float[Tensor, "B H E D"], Float[Tensor, "B H E D"]]


@dataclass(frozen=True, kw_only=True)
class Width:
    """How wide the layers are; `dropout` acts while training, on what each part adds."""

    channels: int = 256
    heads: int = 4
    middle: int = 1024
    dropout: float = 0.1

    def __post_init__(self) -> None:
        if min(self.channels, self.heads, self.middle) < 1 or not 0 <= self.dropout < 1:
            raise ValueError(f"widths are 1 or more, and dropout is from 0 to below 1: {self}")
        if self.channels % (2 * self.heads):
            raise ValueError(f"{self.channels} channels can't be cut into {self.heads} even heads")


@dataclass(frozen=True)
class Memory:
    """What a decoder knows of the source: its states, and which of them are no padding."""

    states_BSC: Float[Tensor, "B S C"]
    sees_B1S: Bool[Tensor, "B 1 S"]


class Attention(nn.Module):
    """Multi-head attention over keys and values that the caller may keep.

    `window`: how many keys on each side of the best one are looked at once more, see `AroundPeak`.
    """

    def __init__(self, width: Width, *, window: int | None = None) -> None:
        super().__init__()
        self.heads = width.heads
        self.query = nn.Linear(width.channels, width.channels)
        self.key_value = nn.Linear(width.channels, 2 * width.channels)
        self.out = nn.Linear(width.channels, width.channels)
        self.near = None if window is None else AroundPeak(width.channels // width.heads, window)

    def keys_values(self, x_BSC: Float[Tensor, "B S C"]) -> KeysValues:
        """Keys and values of what can be seen."""
        both = self.key_value(x_BSC).unflatten(-1, (2, self.heads, -1))
        keys_BSHD, values_BSHD = both.unbind(2)
        return keys_BSHD.transpose(1, 2), values_BSHD.transpose(1, 2)

    def forward(
        self, x_BTC: Float[Tensor, "B T C"], keys_values: KeysValues, sees: Tensor | None
    ) -> Float[Tensor, "B T C"]:
        """What each cell finds: softmax(q k / sqrt(D)) v over the keys that it sees."""
        query_BHTD, sees = self._queries(x_BTC), _of_heads(sees)
        if self.near is None:
            found_BHTD = F.scaled_dot_product_attention(query_BHTD, *keys_values, attn_mask=sees)
        else:
            found_BHTD = self.near(query_BHTD, *keys_values, sees)
        return self.out(found_BHTD.transpose(1, 2).flatten(2))

    def weights(
        self, x_BTC: Float[Tensor, "B T C"], keys_values: KeysValues, sees: Tensor | None
    ) -> Float[Tensor, "B H T E"]:
        """How much each cell takes of each key, for those who want to look inside."""
        query_BHTD, sees = self._queries(x_BTC), _of_heads(sees)
        if self.near is not None:
            return self.near.weights(query_BHTD, keys_values[0], sees)
        return scores_of(query_BHTD, keys_values[0], sees).softmax(-1)

    def _queries(self, x_BTC: Tensor) -> Tensor:
        return self.query(x_BTC).unflatten(-1, (self.heads, -1)).transpose(1, 2)


class Layer(nn.Module):
    """Attention to its own cells, to the source if `cross`, then the feed-forward part."""

    def __init__(self, width: Width, *, cross: bool, window: int | None = None) -> None:
        super().__init__()
        C = width.channels
        self.own_norm, self.own = nn.LayerNorm(C), Attention(width)
        self.cross_norm = nn.LayerNorm(C) if cross else None
        self.cross = Attention(width, window=window) if cross else None
        self.middle_norm = nn.LayerNorm(C)
        self.middle = nn.Sequential(
            nn.Linear(C, width.middle), nn.ReLU(), nn.Linear(width.middle, C)
        )
        self.drop = Dropout(width.dropout)

    def forward(
        self,
        x_BTC: Float[Tensor, "B T C"],
        own: Callable[[Tensor], tuple[KeysValues, Tensor | None]],
        source: tuple[KeysValues, Tensor] | None,
    ) -> Float[Tensor, "B T C"]:
        """`own` gives the keys, values and mask for normed cells; `source` those of the source."""
        return self.beyond(self.among(x_BTC, own), source)

    def among(
        self,
        x_BTC: Float[Tensor, "B T C"],
        own: Callable[[Tensor], tuple[KeysValues, Tensor | None]],
    ) -> Float[Tensor, "B T C"]:
        """The first part: attention to its own cells."""
        normed = self.own_norm(x_BTC)
        return x_BTC + self.drop(self.own(normed, *own(normed)))

    def beyond(
        self, x_BTC: Float[Tensor, "B T C"], source: tuple[KeysValues, Tensor] | None
    ) -> Float[Tensor, "B T C"]:
        """The other parts: attention to the source, and the feed-forward part."""
        if self.cross is not None and self.cross_norm is not None:
            assert source is not None, "a decoder layer looks at a source"
            x_BTC = x_BTC + self.drop(self.cross(self.cross_norm(x_BTC), *source))
        return x_BTC + self.drop(self.middle(self.middle_norm(x_BTC)))


class Stack(nn.Module):
    """Layers one above the other, and a norm at the end; `window` of the look at the source."""

    def __init__(
        self, width: Width, *, layers: int, cross: bool = False, window: int | None = None
    ) -> None:
        super().__init__()
        if layers < 1:
            raise ValueError(f"a stack has 1 layer or more, not {layers}")
        made = (Layer(width, cross=cross, window=window) for _ in range(layers))
        self.layers = nn.ModuleList(made)
        self.norm = nn.LayerNorm(width.channels)

    def forward(
        self, x_BTC: Float[Tensor, "B T C"], sees: Tensor | None, memory: Memory | None = None
    ) -> Float[Tensor, "B T C"]:
        """All cells at once, each seeing what `sees` lets it see."""
        sources = self.sources(memory) if memory else [None] * len(self.layers)
        for layer, source in zip(self.each, sources, strict=True):
            x_BTC = layer(x_BTC, lambda x, at=layer: (at.own.keys_values(x), sees), source)
        return self.norm(x_BTC)

    @property
    def each(self) -> list[Layer]:
        """The layers, from below."""
        return cast(list[Layer], list(self.layers))

    def sources(self, memory: Memory) -> list[tuple[KeysValues, Tensor]]:
        """For each layer, the keys and values of the source: computed once for a whole text."""
        crosses = [layer.cross for layer in self.each if layer.cross is not None]
        return [(cross.keys_values(memory.states_BSC), memory.sees_B1S) for cross in crosses]


class Embedding(nn.Module):
    """Tokens as vectors, times sqrt(C), plus the sine waves of their places."""

    def __init__(self, vocab_size: int, width: Width) -> None:
        super().__init__()
        self.table = nn.Embedding(vocab_size, width.channels)
        self.waves_RC: Tensor
        nn.init.normal_(self.table.weight, std=width.channels**-0.5)
        self.drop = Dropout(width.dropout)
        self.register_buffer("waves_RC", torch.zeros(0, width.channels), persistent=False)

    def forward(self, tokens_BT: Int[Tensor, "B T"]) -> Float[Tensor, "B T C"]:
        """Tokens that stand one after the other, from place 0 on."""
        return self.placed(self.vectors(tokens_BT))

    def vectors(self, tokens_BT: Int[Tensor, "B T"]) -> Float[Tensor, "B T C"]:
        """The tokens' vectors alone."""
        return self.table(tokens_BT) * math.sqrt(self.table.embedding_dim)

    def placed(
        self,
        x_BTC: Float[Tensor, "B T C"],
        place_BT: Int[Tensor, "B T"] | None = None,
        end: int | None = None,
    ) -> Float[Tensor, "B T C"]:
        """Vectors with their places, all of which lie before `end`; None: one after the other."""
        if place_BT is None:
            return self.drop(x_BTC + self.waves(x_BTC.shape[1])[: x_BTC.shape[1]].to(x_BTC.dtype))
        assert end is not None, "places have an end"
        return self.drop(x_BTC + self.waves(end)[place_BT].to(x_BTC.dtype))

    @torch.inference_mode(False)  # a tensor made in it could never be trained with
    def waves(self, end: int) -> Float[Tensor, "R C"]:
        """The waves of places 0 to `end` and more, computed once."""
        if len(self.waves_RC) < end:
            places_1R = torch.arange(2 * end, device=self.waves_RC.device)[None]
            self.waves_RC = waves(places_1R, self.waves_RC.shape[1])[0].to(self.waves_RC.dtype)
        return self.waves_RC


@runtime_checkable
class Sizes(Protocol):
    """What every encoder-decoder must know of its size."""

    @property
    def source_vocab(self) -> int: ...
    @property
    def target_vocab(self) -> int: ...
    @property
    def encoder_layers(self) -> int: ...
    @property
    def decoder_layers(self) -> int: ...
    @property
    def width(self) -> Width: ...


class EncoderDecoder(nn.Module):
    """Embeddings, encoder and decoder; what the decoder's cells are, each subclass says.

    `window`: see `Attention`; the decoder's, of the source.
    """

    def __init__(self, sizes: Sizes, *, window: int | None = None) -> None:
        super().__init__()
        self.source = Embedding(sizes.source_vocab, sizes.width)
        self.target = Embedding(sizes.target_vocab, sizes.width)
        self.encoder = Stack(sizes.width, layers=sizes.encoder_layers)
        self.decoder = Stack(sizes.width, layers=sizes.decoder_layers, cross=True, window=window)

    def encode(self, source_BS: Int[Tensor, "B S"], source_B: Int[Tensor, " B"]) -> Memory:
        """The states of the source."""
        sees_B1S = sees_of(source_B, source_BS.shape[1])
        return Memory(self.encoder(self.source(source_BS), sees_B1S), sees_B1S)


def _of_heads(sees: Tensor | None) -> Tensor | None:
    """A mask with a place for heads."""
    return sees if sees is None or sees.dim() == 4 else sees[:, None]


def waves(place_BT: Int[Tensor, "B T"], channels: int) -> Float[Tensor, "B T C"]:
    """Sines and cosines of places, from period 2 pi to 10,000 times that (arXiv:1706.03762, 3.5).

    >>> waves(torch.tensor([[0, 1]]), 2).round(decimals=2).tolist()
    [[[0.0, 1.0], [0.8399999737739563, 0.5400000214576721]]]
    """
    half = torch.arange(channels // 2, device=place_BT.device)
    angle = place_BT[..., None] * torch.exp(half * (-math.log(10_000.0) / max(channels // 2, 1)))
    return torch.cat([angle.sin(), angle.cos()], -1)


def sees_of(count_B: Int[Tensor, " B"], cells: int) -> Bool[Tensor, "B 1 cells"]:
    """Every query sees the first `count_B` keys of its row.

    >>> sees_of(torch.tensor([2]), 3).tolist()
    [[[True, True, False]]]
    """
    return (torch.arange(cells, device=count_B.device) < count_B[:, None])[:, None]
