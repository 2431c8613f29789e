"""A transformer that writes left to right, and fills blocks whose cells see one another.

    sizes = SetBlockSizes(source_vocab=30, target_vocab=43, bos=1, eos=2, mask=3)
    lm = SetBlockSeq2Seq(sizes).read([[4, 5, 6], [7]])   # a `SetBlockLM`

The network is that of `Seq2Seq`; a mask is a token, and says what stands in its own place.
Source: Gat et al. 2025 (arXiv:2509.04185), figure 2a.
Shapes: B rows, S source cells, N text cells, M cells of blocks, Q = N + M, C channels.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from anyorder.models.left_to_right.seq2seq import Seq2Seq, Seq2SeqSizes, SourceLM
from anyorder.models.sources import padded
from anyorder.nets.layers import Memory


@dataclass(frozen=True, kw_only=True)
class SetBlockSizes(Seq2SeqSizes):
    """Sizes of the network; `mask`: a token that stands in no text."""

    mask: int
    longest_block: int = 16


class SetBlockSeq2Seq(Seq2Seq):
    """See the module."""

    def __init__(self, sizes: SetBlockSizes) -> None:
        super().__init__(sizes)
        self.sizes: SetBlockSizes = sizes

    @property
    def mask(self) -> int:
        """The token that is a mask."""
        return self.sizes.mask

    def beside(
        self,
        memory: Memory,
        text_BN: Int[Tensor, "B N"],
        blocks_BM: Int[Tensor, "B M"],
        begin_M: Int[Tensor, " M"],
    ) -> tuple[Float[Tensor, "B N C"], Float[Tensor, "B M C"]]:
        """What the head reads of a text, left to right, and of all its blocks, each after the text;
        `memory`: of the source.

        The blocks' cells stand in the places 1, 2, ...; `begin_M` is where the block of each one
        begins: it sees the text before that place, and its own block.
        """
        (B, N), M = text_BN.shape, blocks_BM.shape[1]
        place_M = 1 + torch.arange(M)
        known_BMC = self.target.vectors(blocks_BM)
        cells_BMC = self.target.placed(known_BMC, place_M.expand(B, M), M + 1)
        x_BQC = torch.cat([self.target(text_BN), cells_BMC], 1)
        cells_N = torch.arange(N)
        text_NQ = torch.cat([cells_N <= cells_N[:, None], torch.zeros(N, M, dtype=torch.bool)], 1)
        blocks_MQ = torch.cat([cells_N < begin_M[:, None], begin_M == begin_M[:, None]], 1)
        features_BQC = self.decoder(x_BQC, torch.cat([text_NQ, blocks_MQ])[None], memory)
        return features_BQC[:, :N], features_BQC[:, N:]

    def read(self, sources: Sequence[Sequence[int]]) -> "SetBlockSourceLM":
        """A causal model of what these sources become. Raises ValueError for an empty source."""
        return SetBlockSourceLM(self, *padded(sources))


class SetBlockSourceLM(SourceLM):
    """Satisfies `SetBlockLM`."""

    net: SetBlockSeq2Seq

    @property
    def hole(self) -> int:
        """See `SetBlockLM.hole`."""
        return self.net.mask

    @property
    def longest_block(self) -> int:
        """See `SetBlockLM.longest_block`."""
        return self.net.sizes.longest_block
