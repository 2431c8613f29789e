"""A translator that foretells tokens within its layers: each cell read gets pseudo cells.

    model = TransferSeq2Seq(TransferSizes(source_vocab=30, target_vocab=43, bos=1, eos=2))
    lm = model.read([[4, 5, 6], [7]])             # a `CausalLM`, and a `HeadedLM`

The features of a cell are those of its pseudo cells, side by side. The model that they stand on
learns nothing, and says what it said before. See `nets.transfer`.
Source: Wu et al. 2024 (arXiv:2404.12022).
Shapes: B rows, T new cells, S scored cells, N target cells, E cells of the cache, K transferred
tokens, V target vocabulary, C channels.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from anyorder.masks import Tree, causal
from anyorder.models.foretold import Foretold
from anyorder.models.left_to_right.seq2seq import Seq2Seq, Seq2SeqSizes, SourceLM, sees_of_new
from anyorder.models.sources import padded
from anyorder.models.undropped import undropped
from anyorder.nets.source_cache import SourceCache
from anyorder.nets.transfer import Cells, Pass, Transfers


@dataclass(frozen=True, kw_only=True)
class TransferSizes(Seq2SeqSizes):
    """Sizes of the network. `transfers`: tokens behind the next one that are foretold; `passes`:
    how many layers the first of them passes, at the end (all where there are fewer); each further
    one begins `apart` layers higher, but never behind the last.
    """

    transfers: int = 3
    passes: int = 3
    apart: int = 0

    @property
    def levels(self) -> tuple[int, ...]:
        """Below how many layers each token's transfer stands."""
        first = max(self.decoder_layers - self.passes, 0)
        last = self.decoder_layers - 1
        return tuple(min(first + self.apart * k, last) for k in range(self.transfers))


class TransferSeq2Seq(Seq2Seq):
    """See the module. Raises ValueError for no token, and where no layer is passed."""

    def __init__(self, sizes: TransferSizes) -> None:
        super().__init__(sizes)
        if sizes.passes < 1 or sizes.apart < 0:
            raise ValueError(f"pseudo cells pass 1 layer or more, from below: {sizes}")
        self.sizes: TransferSizes = sizes
        self.requires_grad_(False)
        self.transfers = Transfers(sizes.width.channels, sizes.levels)

    def moves(self, place_BS: Int[Tensor, "B S"], end: int) -> Float[Tensor, "B S K C"]:
        """The waves of the K places behind each cell, less that of its own; all lie before `end`,
        or right behind it.
        """
        K = len(self.transfers)
        waves_RC = self.target.waves(end + K)
        behind_BSK = place_BS[..., None] + torch.arange(1, K + 1)
        return waves_RC[behind_BSK] - waves_RC[place_BS][:, :, None]

    def foretold(
        self,
        source_BS: Int[Tensor, "B S"],
        source_B: Int[Tensor, " B"],
        target_BN: Int[Tensor, "B N"],
    ) -> Foretold:
        """See `Foretells.foretold`."""
        B, N = target_BN.shape
        with undropped(self):
            with torch.no_grad():
                memory = self.encode(source_BS, source_B)
                sources = self.decoder.sources(memory)
                sees_BNN = causal().render(N, N).expand(B, N, N)
                x_BNC = self.target(target_BN)
                passes = [Pass(x_BNC, None)]
                for layer, source in zip(self.decoder.each, sources, strict=True):
                    real = layer.own.keys_values(layer.own_norm(x_BNC))
                    x_BNC = layer(x_BNC, lambda _, kept=real: (kept, sees_BNN), source)
                    passes.append(Pass(x_BNC, real))
                moves_BNKC = self.moves(torch.arange(N).expand(B, N), N)
            cells = Cells(sees_BNN, moves_BNKC, sources)
            foretold_BNKC = self.transfers(self.decoder, passes, cells)
        return Foretold(self.decoder.norm(x_BNC), foretold_BNKC, self.target.table.weight)

    def read(self, sources: Sequence[Sequence[int]]) -> "TransferSourceLM":
        """A causal model of what these sources become. Raises ValueError for an empty source."""
        return TransferSourceLM(self, *padded(sources))


class TransferSourceLM(SourceLM):
    """Satisfies `HeadedLM`; `extend` alone makes no pseudo cells."""

    net: TransferSeq2Seq

    @property
    def heads(self) -> int:
        return len(self.net.transfers)

    def extend(
        self,
        tokens_BT: Int[Tensor, "B T"],
        cache: SourceCache,
        *,
        tree: Tree | None = None,
        score_BS: Int[Tensor, "B S"] | None = None,
    ) -> Float[Tensor, "B S V"]:
        """See `CausalLM.extend`. Raises ValueError when the cache has no room."""
        plain = super().extend_with_features
        return plain(tokens_BT, cache, tree=tree, score_BS=score_BS)[0]

    def extend_with_features(
        self,
        tokens_BT: Int[Tensor, "B T"],
        cache: SourceCache,
        *,
        tree: Tree | None = None,
        score_BS: Int[Tensor, "B S"] | None = None,
    ) -> tuple[Float[Tensor, "B S V"], Float[Tensor, "B S KC"]]:
        """See `HeadedLM.extend_with_features`. Raises ValueError when the cache has no room."""
        (B, T), own, net = tokens_BT.shape, cache.own, self.net
        end, begin_B1 = own.reserve(T), own.length_B[:, None]
        every_BS = torch.arange(T).expand(B, T) if score_BS is None else score_BS
        rows_B1 = torch.arange(B)[:, None]
        depth_BT = torch.arange(T).expand(B, T) if tree is None else tree.depth_BT
        place_BS = begin_B1 + depth_BT.expand(B, T).gather(1, every_BS)
        sees_BTE = sees_of_new(begin_B1, T, end, tree)
        cells = Cells(sees_BTE[rows_B1, every_BS], net.moves(place_BS, end), cache.sources)
        passes = list(self._passes(tokens_BT, cache, tree, every_BS, end))
        foretold_BSKC = net.transfers(net.decoder, passes, cells)
        features_BSC = net.decoder.norm(passes[-1].x_BSC)
        return net.head(features_BSC).float(), foretold_BSKC.flatten(2)

    def ahead(
        self, features_BC: Float[Tensor, "B KC"], heads: int | None = None
    ) -> Float[Tensor, "B K V"]:
        """See `HeadedLM.ahead`."""
        return self.net.head(features_BC.unflatten(1, (self.heads, -1))[:, :heads]).float()

    def _passes(
        self,
        tokens_BT: Int[Tensor, "B T"],
        cache: SourceCache,
        tree: Tree | None,
        score_BS: Int[Tensor, "B S"],
        end: int,
    ) -> Iterator[Pass]:
        """The scored cells before the first layer and after each, with what it keeps."""
        rows_B1 = torch.arange(len(tokens_BT))[:, None]
        for level, x_BTC in enumerate(self.levels(tokens_BT, cache, tree=tree)):
            real = None
            if level:
                keys_BHRD, values_BHRD = cache.own.layers[level - 1]
                real = keys_BHRD[:, :, :end], values_BHRD[:, :, :end]
            yield Pass(x_BTC[rows_B1, score_BS], real)
