"""A transformer that writes from the last few tokens alone, however few of them it is told.

    model = MarkovTransformer(MarkovSizes(source_vocab=30, target_vocab=43, bos=1, eos=2, order=2))
    lm = model.read([[4, 5, 6], [7]])
    lm.lengths(), lm.after(read_BNKT)
    logits_BNV = model(memory, read_BN, barriers_BN)                     # training

It is a causal decoder with barriers: a cell that has one holds `bos`, and no cell sees beyond the
last barrier before it. Trained with a barrier at every (order + 1)th cell, from a place that is
drawn, it learns what follows after 0, 1, ..., order tokens. Places are those in the whole text.
Source: Deng & Rush 2020 (arXiv:2006.01112), section 4. There a line is fitted to the lengths; here
the length is predicted from the source, as by `LengthTransformer`. There keys and values of what a
span begins with are kept from one order to the next; here they are computed again.
Shapes: B rows, S source cells, N target cells, K spans that begin at one cell, T tokens of a span
with `bos`, L lengths, V target vocabulary, C channels.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from anyorder.masks import causal
from anyorder.models.parallel.length_based import length_logps
from anyorder.models.sources import OfSources, padded
from anyorder.nets.layers import EncoderDecoder, KeysValues, Memory, Width


@dataclass(frozen=True, kw_only=True)
class MarkovSizes:
    """Sizes of the network; `order`: tokens of context at the most; it predicts lengths up to
    `longest` cells, the one that ends a target included.
    """

    source_vocab: int
    target_vocab: int
    bos: int
    eos: int
    encoder_layers: int = 6
    decoder_layers: int = 6
    order: int = 4
    longest: int = 256
    width: Width = field(default_factory=Width)
    max_length: int = 1024

    def __post_init__(self) -> None:
        if self.order < 0:
            raise ValueError(f"the context has 0 tokens or more, not {self.order}")


class MarkovTransformer(EncoderDecoder):
    """Encoder, causal decoder with barriers, a length, and a head that is the embedding."""

    def __init__(self, sizes: MarkovSizes) -> None:
        super().__init__(sizes)
        self.sizes = sizes
        self.length = nn.Linear(sizes.width.channels, sizes.longest)

    def forward(
        self, memory: Memory, read_BN: Int[Tensor, "B N"], barriers_BN: Bool[Tensor, "B N"]
    ) -> Float[Tensor, "B N V"]:
        """The logits after every cell of targets that are known, with these barriers."""
        N = read_BN.shape[1]
        read_BN = read_BN.masked_fill(barriers_BN, self.sizes.bos)
        block_BN = barriers_BN.cumsum(1)
        sees_BNN = causal().render(N, N) & (block_BN[:, :, None] == block_BN[:, None])
        return self.head(self.decoder(self.target(read_BN), sees_BNN, memory))

    def after(
        self,
        read_BNKT: Int[Tensor, "B N K T"],
        sources: Sequence[tuple[KeysValues, Tensor]],
    ) -> Float[Tensor, "B N K V"]:
        """The logits after the last token of each span; those of place n begin at cell n.

        A span sees itself alone, and all spans of a row see one source.
        """
        B, N, K, T = read_BNKT.shape
        sees_1TT = causal().render(T, T)[None]
        place_N1T = torch.arange(N)[:, None, None] + torch.arange(T)
        place_XT = place_N1T.expand(B, N, K, T).flatten(0, 2)
        read_XT = read_BNKT.flatten(0, 2)
        x_XTC = self.target.placed(self.target.vectors(read_XT), place_XT, N + T)
        layers, C = self.decoder.each, x_XTC.shape[-1]
        for layer, source in zip(layers, sources, strict=True):
            x_XTC = layer.among(x_XTC, lambda x, at=layer: (at.own.keys_values(x), sees_1TT))
            if layer is layers[-1]:
                x_XTC = x_XTC[:, -1:]  # nobody looks at the others any more
            x_BYC = layer.beyond(x_XTC.reshape(B, -1, C), source)
            x_XTC = x_BYC.reshape(B * N * K, -1, C)
        return self.head(self.decoder.norm(x_XTC).view(B, N, K, C))

    def head(self, x: Float[Tensor, "*cells C"]) -> Float[Tensor, "*cells V"]:
        """Features as logits."""
        return F.linear(x, self.target.table.weight)

    def length_logps(self, memory: Memory) -> Float[Tensor, "B L"]:
        """Log-probabilities of a target having 1, 2, ... cells, the one that ends it included."""
        return length_logps(self.length, memory)

    def read(self, sources: Sequence[Sequence[int]]) -> "SourceMarkov":
        """A model of what these sources become. Raises ValueError for an empty source."""
        return SourceMarkov(self, *padded(sources))


class SourceMarkov(OfSources[MarkovTransformer]):
    """Satisfies `MarkovModel`, one row for each source."""

    @property
    def bos(self) -> int:
        return self.net.sizes.bos

    @property
    def eos(self) -> int:
        return self.net.sizes.eos

    @property
    def order(self) -> int:
        return self.net.sizes.order

    @cached_property
    def memory(self) -> Memory:
        """The source is read once."""
        return self.net.encode(self.source_BS, self.source_B)

    @cached_property
    def keys_values(self) -> Sequence[tuple[KeysValues, Tensor]]:
        """What each layer sees of the source."""
        return self.net.decoder.sources(self.memory)

    def lengths(self) -> Float[Tensor, "B L"]:
        """Log-probabilities of the number of cells: 1, 2, ..."""
        return self.net.length_logps(self.memory)

    def after(self, read_BNKT: Int[Tensor, "B N K T"]) -> Float[Tensor, "B N K V"]:
        """Log-probabilities of what follows after each span."""
        logits = self.net.after(read_BNKT, self.keys_values)
        return (logits if logits.dtype == torch.float64 else logits.float()).log_softmax(-1)
