"""A transformer that predicts the length of a target, then all its cells at once.

    model = LengthTransformer(LengthSizes(source_vocab=30, target_vocab=43, bos=1))
    lm = model.read([[4, 5, 6], [7]])
    lm.lengths(), lm.fill(canvas)

An unknown cell begins as the source token that stands at its place, were both texts equally long
(uniform copy); a known one as its token. A target's first cell is `bos`, always known.
Source: Gu et al. 2018 (arXiv:1711.02281), section 3; Qian et al. 2021 (arXiv:2008.07905).
Shapes: B rows, S source cells, N canvas cells, M decoder cells, X cells of all rows,
L lengths, V target vocabulary, C channels.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from anyorder.canvas import Canvas
from anyorder.models.parallel.one_shot import Begun, CellTransformer, LengthSizes
from anyorder.models.sources import OfSources, padded
from anyorder.nets.early_exit import Climbed
from anyorder.nets.layers import Memory


class LengthTransformer(CellTransformer):
    """Vanilla parallel translation: length from the mean of the source's states."""

    def __init__(self, sizes: LengthSizes) -> None:
        super().__init__(sizes, window=sizes.window)
        self.sizes = sizes
        self.length = nn.Linear(sizes.width.channels, sizes.longest)

    def begin(
        self,
        source_BS: Int[Tensor, "B S"],
        source_B: Int[Tensor, " B"],
        memory: Memory,
        count_B: Int[Tensor, " B"],
    ) -> Begun:
        """Cells of targets of `count_B` cells, each the source token at its place."""
        N = int(count_B.max())
        place_BN = torch.arange(N) * (source_B - 1)[:, None] / (count_B - 1).clamp_min(1)[:, None]
        place_BN = place_BN.round().long().minimum((source_B - 1)[:, None])
        copied_BNC = self.source.vectors(source_BS.gather(1, place_BN))
        return Begun(copied_BNC, count_B, memory)

    def length_logps(self, memory: Memory) -> Float[Tensor, "B L"]:
        """Log-probabilities of a target having 1, 2, ... cells, the first one included."""
        return length_logps(self.length, memory)

    def read(self, sources: Sequence[Sequence[int]]) -> "SourceLengths":
        """A model of what these sources become. Raises ValueError for an empty source."""
        return SourceLengths(self, *padded(sources))


class SourceLengths(OfSources[LengthTransformer]):
    """Satisfies `ParallelModel`, one row for each source."""

    @property
    def bos(self) -> int:
        return self.net.sizes.bos

    @cached_property
    def memory(self) -> Memory:
        """The source is read once."""
        return self.net.encode(self.source_BS, self.source_B)

    def lengths(self) -> Float[Tensor, "B L"]:
        """Log-probabilities of the number of cells: 1, 2, ..."""
        return self.net.length_logps(self.memory)

    def fill(self, canvas: Canvas) -> Float[Tensor, "B N V"]:
        """Log-probabilities of every cell, given those that hold a token."""
        return self.told(self.net.features(self.begun(canvas)), canvas)

    def begun(self, canvas: Canvas) -> Begun:
        """What the decoder starts from: copies of the source, and the tokens that are known."""
        count_B = canvas.length_B.clamp_min(1)
        begun = self.net.begin(self.source_BS, self.source_B, self.memory, count_B)
        W = begun.x_BMC.shape[1]
        return self.net.glanced(begun, canvas.tokens_BN[:, :W], canvas.held_BN[:, :W])

    def told(self, features_BMC: Float[Tensor, "B M C"], canvas: Canvas) -> Float[Tensor, "B N V"]:
        """Features as log-probabilities of the canvas's cells, which may be more."""
        missing = canvas.tokens_BN.shape[1] - features_BMC.shape[1]
        return torch.nn.functional.pad(self.net.logps(features_BMC), (0, 0, 0, missing))

    def exiting(self, entropy: float) -> "SourceExits":
        """The same model, whose cells leave the decoder when they have less `entropy` (nats)."""
        return SourceExits(self, entropy)

    def select(self, rows_R: Int[Tensor, " R"]) -> "SourceLengths":
        """These rows, in this order; a row may be named twice."""
        chosen = SourceLengths(self.net, self.source_BS[rows_R], self.source_B[rows_R])
        memory = Memory(self.memory.states_BSC[rows_R], self.memory.sees_B1S[rows_R])
        chosen.__dict__["memory"] = memory  # what a cached property would compute
        return chosen


@dataclass(frozen=True, eq=False)
class SourceExits:
    """Satisfies `ParallelModel`: a model whose cells leave the decoder at the first layer that is
    sure enough. To know that, the head tells the tokens of every climbing cell at every layer but
    the last; with a large vocabulary that costs more than the layers.
    Source: Li et al. 2022 (arXiv:2210.13304), section 3.3, hard exits.
    """

    plain: SourceLengths
    entropy: float

    @property
    def bos(self) -> int:
        return self.plain.bos

    def lengths(self) -> Float[Tensor, "B L"]:
        """As the plain model has them."""
        return self.plain.lengths()

    def fill(self, canvas: Canvas) -> Float[Tensor, "B N V"]:
        """Log-probabilities of every cell, of the layer at which it leaves."""
        return self.plain.told(self._climbed(canvas).states_BMC, canvas)

    def layers(self, canvas: Canvas) -> Int[Tensor, "B M"]:
        """The layer at which each cell leaves; 0 for padding, the last of which is left out. Above
        it, keys and values of the cell are still computed (see `nets.early_exit`).
        """
        return self._climbed(canvas).layer_BM

    def select(self, rows_R: Int[Tensor, " R"]) -> "SourceExits":
        """These rows, in this order; a row may be named twice."""
        return SourceExits(self.plain.select(rows_R), self.entropy)

    def _climbed(self, canvas: Canvas) -> Climbed:
        net = self.plain.net

        def leave(_number: int, normed_XC: Tensor, _row_X: Tensor, _cell_X: Tensor) -> Tensor:
            return torch.special.entr(net.logps(normed_XC).exp()).sum(-1) < self.entropy

        return net.climbed(self.plain.begun(canvas), leave)


def length_logps(head: nn.Linear, memory: Memory) -> Float[Tensor, "B L"]:
    """Log-probabilities of lengths 1, 2, ..., read from the mean of the source's states."""
    sees_BS1 = memory.sees_B1S.transpose(1, 2)
    mean_BC = (memory.states_BSC * sees_BS1).sum(1) / sees_BS1.sum(1)
    return head(mean_BC).float().log_softmax(-1)
