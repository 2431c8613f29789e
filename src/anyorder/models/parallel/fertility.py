"""A transformer that predicts how many cells each source token becomes, then all cells at once.

    model = FertilityTransformer(FertilitySizes(source_vocab=30, target_vocab=43))
    lm = model.read([[4, 5, 6], [7]])
    lm.fertilities(), lm.copies(torch.tensor([[1, 0, 2], [3, 0, 0]]))

A cell begins as a copy of its source token, in the order of the source: what is left to the decoder
is to translate the copies and to put them in order. The paper's positional attention is not here:
cells know their places from the sine waves that are added to them.
Source: Gu et al. 2018 (arXiv:1711.02281), section 3.
Shapes: B rows, S source cells, M decoder cells, F fertilities (0 to the most), V target vocabulary,
C channels.
"""

from collections.abc import Sequence
from functools import cached_property

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from anyorder.align.lattice import CellLattice
from anyorder.models.parallel.one_shot import Begun, CellTransformer, FertilitySizes
from anyorder.models.sources import OfSources, padded
from anyorder.nets.layers import Memory


class FertilityTransformer(CellTransformer):
    """Fertilities from the states of the source, cells from copies of its tokens."""

    def __init__(self, sizes: FertilitySizes) -> None:
        super().__init__(sizes)
        self.sizes = sizes
        self.fertility = nn.Linear(sizes.width.channels, sizes.most + 1)

    def begin(
        self,
        source_BS: Int[Tensor, "B S"],
        memory: Memory,
        fertility_BS: Int[Tensor, "B S"],
    ) -> Begun:
        """Copies of the source tokens, each as many times as its fertility says.

        A row of nothing but zeros has one cell that nobody reads: attention needs one.
        """
        end_BS = fertility_BS.cumsum(1)
        count_B = end_BS[:, -1].clamp_min(1)
        cell_BM = torch.arange(int(count_B.max())).expand(len(end_BS), -1).contiguous()
        place_BM = torch.searchsorted(end_BS, cell_BM, right=True)
        place_BM = place_BM.clamp_max(source_BS.shape[1] - 1)
        return Begun(self.source.vectors(source_BS.gather(1, place_BM)), count_B, memory)

    def fertility_logps(self, memory: Memory) -> Float[Tensor, "B S F"]:
        """Log-probabilities of becoming 0, 1, ... cells; padding becomes none for certain."""
        logp_BSF = self.fertility(memory.states_BSC).float().log_softmax(-1)
        none_F = torch.full_like(logp_BSF[0, 0], -torch.inf)
        none_F[0] = 0.0
        return torch.where(memory.sees_B1S.transpose(1, 2), logp_BSF, none_F)

    def read(self, sources: Sequence[Sequence[int]]) -> "SourceFertilities":
        """A model of what these sources become. Raises ValueError for an empty source."""
        return SourceFertilities(self, *padded(sources))


class SourceFertilities(OfSources[FertilityTransformer]):
    """Satisfies `FertilityModel`, one row for each source."""

    @cached_property
    def memory(self) -> Memory:
        """The source is read once."""
        return self.net.encode(self.source_BS, self.source_B)

    def fertilities(self) -> Float[Tensor, "B S F"]:
        """Log-probabilities of 0, 1, ... cells for each source token."""
        return self.net.fertility_logps(self.memory)

    def copies(self, fertility_BS: Int[Tensor, "B S"]) -> CellLattice:
        """One call: all cells of all rows; those beyond the model's longest are left out."""
        end_BS = fertility_BS.cumsum(1).clamp_max(self.net.sizes.max_length)
        fits_BS = end_BS.diff(dim=1, prepend=torch.zeros_like(end_BS[:, :1]))
        begun = self.net.begin(self.source_BS, self.memory, fits_BS)
        return CellLattice(self.net.logps(self.net.features(begun)), end_BS[:, -1])

    def select(self, rows_R: Int[Tensor, " R"]) -> "SourceFertilities":
        """These rows, in this order; a row may be named twice."""
        chosen = SourceFertilities(self.net, self.source_BS[rows_R], self.source_B[rows_R])
        memory = Memory(self.memory.states_BSC[rows_R], self.memory.sees_B1S[rows_R])
        chosen.__dict__["memory"] = memory  # what a cached property would compute
        return chosen
