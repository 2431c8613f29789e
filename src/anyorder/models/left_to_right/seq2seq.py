"""A transformer that reads a source and writes a target, left to right, with a cache.

    model = Seq2Seq(Seq2SeqSizes(source_vocab=30, target_vocab=43, bos=1, eos=2))
    lm = model.read([[4, 5, 6], [7]])             # a causal model of the targets of these sources
    logits_BNV = model(source_BS, source_B, target_BN)

Once it has read its sources it is a `CausalLM`, and every decoder for language models serves it.
A text begins with `bos`, which is a given cell of the canvas. Deep encoders with shallow decoders:
Kasai et al. 2021 (arXiv:2006.10369).
Shapes: B rows, S source cells, N target cells, T new cells, V target vocabulary, C channels.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from anyorder.masks import Tree, causal
from anyorder.models.sources import OfSources, padded
from anyorder.nets.cache import KeyValues
from anyorder.nets.layers import EncoderDecoder, KeysValues, Layer, Memory, Width
from anyorder.nets.source_cache import SourceCache


@dataclass(frozen=True, kw_only=True)
class Seq2SeqSizes:
    """Sizes of the network. The target's vocabulary holds what begins and ends a text, too."""

    source_vocab: int
    target_vocab: int
    bos: int
    eos: int
    encoder_layers: int = 6
    decoder_layers: int = 6
    width: Width = field(default_factory=Width)
    max_length: int = 1024


class Seq2Seq(EncoderDecoder):
    """Encoder, causal decoder, and a head that is the embedding of the target."""

    def __init__(self, sizes: Seq2SeqSizes) -> None:
        super().__init__(sizes)
        self.sizes, self.bos, self.eos = sizes, sizes.bos, sizes.eos

    def forward(
        self,
        source_BS: Int[Tensor, "B S"],
        source_B: Int[Tensor, " B"],
        target_BN: Int[Tensor, "B N"],
    ) -> Float[Tensor, "B N V"]:
        """The logits after every cell of targets that are known (teacher forcing)."""
        return self.head(self.features(source_BS, source_B, target_BN))

    def features(
        self,
        source_BS: Int[Tensor, "B S"],
        source_B: Int[Tensor, " B"],
        target_BN: Int[Tensor, "B N"],
    ) -> Float[Tensor, "B N C"]:
        """What the head reads of every cell."""
        N = target_BN.shape[1]
        sees_1NN = causal().render(N, N)[None]
        memory = self.encode(source_BS, source_B)
        return self.decoder(self.target(target_BN), sees_1NN, memory)

    def head(self, features: Float[Tensor, "*cells C"]) -> Float[Tensor, "*cells V"]:
        """Features as logits."""
        return F.linear(features, self.target.table.weight)

    def read(self, sources: Sequence[Sequence[int]]) -> "SourceLM":
        """A causal model of what these sources become. Raises ValueError for an empty source."""
        return SourceLM(self, *padded(sources))


class SourceLM(OfSources[Seq2Seq]):
    """Satisfies `CausalLM`, one row for each source; the source is encoded with the cache."""

    @property
    def fingerprint(self) -> str:
        """What the cost of a call depends on, beside the machine."""
        s = self.net.sizes
        return f"seq2seq-{s.decoder_layers}x{s.width.channels}"

    @property
    def vocab_size(self) -> int:
        return self.net.sizes.target_vocab

    @property
    def max_length(self) -> int:
        return self.net.sizes.max_length

    def new_cache(self, batch: int, room: int) -> SourceCache:
        """Reads the sources. A batch of 1 beside several sources is that of the first alone."""
        s, B = self.net.sizes, len(self.source_BS)
        assert batch in (1, B), f"{batch} rows for {B} sources"
        memory = self._memory(batch)
        own = KeyValues(
            layers=s.decoder_layers,
            batch=batch,
            heads=s.width.heads,
            room=room,
            width=s.width.channels // s.width.heads,
            dtype=memory.states_BSC.dtype,
        )
        return SourceCache(own, self.net.decoder.sources(memory))

    def _memory(self, batch: int) -> Memory:
        """The states of the first sources."""
        return self.net.encode(self.source_BS[:batch], self.source_B[:batch])

    def runs(self, place_BT: Int[Tensor, "B T"]) -> Sequence[bool | Bool[Tensor, "B T"]]:
        """For each layer, whether cells at these places run through it: all, none, or which."""
        return [True] * len(self.net.decoder.each)

    def extend(
        self,
        tokens_BT: Int[Tensor, "B T"],
        cache: SourceCache,
        *,
        tree: Tree | None = None,
        score_BS: Int[Tensor, "B S"] | None = None,
    ) -> Float[Tensor, "B S V"]:
        """See `CausalLM.extend`. Raises ValueError when the cache has no room."""
        return self.extend_with_features(tokens_BT, cache, tree=tree, score_BS=score_BS)[0]

    def extend_with_features(
        self,
        tokens_BT: Int[Tensor, "B T"],
        cache: SourceCache,
        *,
        tree: Tree | None = None,
        score_BS: Int[Tensor, "B S"] | None = None,
    ) -> tuple[Float[Tensor, "B S V"], Float[Tensor, "B S C"]]:
        """See `FeaturedLM.extend_with_features`. Raises ValueError when the cache has no room."""
        (x_BTC,) = deque(self.levels(tokens_BT, cache, tree=tree), maxlen=1)
        if score_BS is not None:
            x_BTC = x_BTC[torch.arange(len(x_BTC))[:, None], score_BS]
        features_BSC = self.net.decoder.norm(x_BTC)
        return self.net.head(features_BSC).float(), features_BSC

    def levels(
        self, tokens_BT: Int[Tensor, "B T"], cache: SourceCache, *, tree: Tree | None = None
    ) -> Iterator[Float[Tensor, "B T C"]]:
        """The new cells before the first layer, and after each, which has put its keys and values
        into the cache by then, or left out. Raises ValueError when the cache has no room.
        """
        B, T = tokens_BT.shape
        own = cache.own
        end = own.reserve(T)
        begin_B1 = own.length_B[:, None]
        depth_BT = torch.arange(T).expand(B, T) if tree is None else tree.depth_BT
        place_BT = begin_B1 + depth_BT
        at_BT = None if own.level else begin_B1 + torch.arange(T)
        sees = None if T == 1 and own.level else sees_of_new(begin_B1, T, end, tree)
        target = self.net.target
        x_BTC = target.placed(target.vectors(tokens_BT), place_BT, end)
        yield x_BTC
        every = zip(self.net.decoder.each, cache.sources, self.runs(place_BT), strict=True)
        for number, (layer, source, runs) in enumerate(every):
            if runs is not False:
                made_BTC = layer(x_BTC, beyond(own, number, layer, at_BT, end, sees), source)
                x_BTC = made_BTC if runs is True else made_BTC.where(runs[..., None], x_BTC)
            yield x_BTC


def beyond(
    own: KeyValues, number: int, layer: Layer, at_BT: Tensor | None, end: int, sees: Tensor | None
) -> Callable[[Tensor], tuple[KeysValues, Tensor | None]]:
    """What the new cells of a layer see of its text: they are written beyond the committed ones."""

    def own_cells(normed: Tensor) -> tuple[KeysValues, Tensor | None]:
        keys, values = layer.own.keys_values(normed)
        keys, values = own.write(number, keys.transpose(1, 2), values.transpose(1, 2), at_BT)
        return (keys[:, :, :end], values[:, :, :end]), sees

    return own_cells


def sees_of_new(begin_B1: Tensor, T: int, end: int, tree: Tree | None) -> Tensor:
    """Which cells of the cache each new cell sees: what is committed, and its own branch."""
    ahead_BE = torch.arange(end) - begin_B1
    new_BTT = (Tree.chain(1, T) if tree is None else tree).sees_BTT.expand(len(begin_B1), T, T)
    inside_B1E = ((ahead_BE >= 0) & (ahead_BE < T))[:, None]
    new_BTE = new_BTT.gather(2, ahead_BE.clamp(0, T - 1)[:, None].expand(-1, T, -1))
    return (ahead_BE < 0)[:, None] | (new_BTE & inside_B1E)
