"""A DAG transformer that fills the gaps of its sources: a graph for each gap, all at once.

    fragments = Fragments(net)                    # net: DAGTransformer
    begun = fragments.begin(source_BS, source_B)  # a run of `blank` tokens is a gap
    lattice = fragments.lattice(begun)

The vertices are those of the gaps alone, `spread` for each of their cells. They all see each other
and the source, but links stay in a gap. The last vertex of a gap holds `eos` for certain and leads
to the first one of the next: the graphs are links of a chain, and a path writes one fragment after
the other, each with an `eos` behind it. So the likelihood of the chain is the product of those of
the fragments: each path passes all last vertices, and no fragment has another `eos`.
Source: Huang et al. 2023 (arXiv:2304.11791), section 4.1.
Shapes: B rows, S source cells, M vertices of gaps, C channels.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Int
from torch import Tensor

from anyorder.align.lattice import DAGLattice, held
from anyorder.models.parallel.one_shot import Begun, DAGTransformer


@dataclass(frozen=True)
class Chained(Begun):
    """What the decoder starts from, and which vertices are the last ones of their gaps."""

    last_BM: Bool[Tensor, "B M"]


class Fragments:
    """The view of a network in which targets are fragments; has what an objective asks for."""

    def __init__(self, net: DAGTransformer) -> None:
        self.net = net

    def begin(self, source_BS: Int[Tensor, "B S"], source_B: Int[Tensor, " B"]) -> Chained:
        """Read sources with gaps; each row must have one."""
        sizes, cells = self.net.sizes, torch.arange(source_BS.shape[1])
        gap_BS = (source_BS == sizes.blank) & (cells < source_B[:, None])
        assert bool(gap_BS.any(1).all()), "a source without a gap has nothing to be filled in"
        whole = self.net.begin(source_BS, source_B)
        ends_BS = gap_BS & ~F.pad(gap_BS[:, 1:], (0, 1))
        gap_BX, ends_BX = (each.repeat_interleave(sizes.spread, 1) for each in (gap_BS, ends_BS))
        ends_BX &= torch.arange(ends_BX.shape[1]) % sizes.spread == sizes.spread - 1
        count_B = gap_BX.sum(1)
        at_BM = (~gap_BX).long().argsort(dim=1, stable=True)[:, : int(count_B.max())]
        x_BMC = whole.x_BMC.gather(1, at_BM[..., None].expand(-1, -1, whole.x_BMC.shape[-1]))
        return Chained(x_BMC, count_B, whole.memory, ends_BX.gather(1, at_BM))

    def glanced(
        self, begun: Chained, tokens_BM: Int[Tensor, "B M"], shown_BM: Bool[Tensor, "B M"]
    ) -> Chained:
        """See `CellTransformer.glanced`."""
        shown = self.net.glanced(begun, tokens_BM, shown_BM)
        assert isinstance(shown, Chained), "it is the same beginning, with other cells"
        return shown

    def lattice(self, begun: Chained) -> DAGLattice:
        """The graphs of all gaps of a row as one."""
        x_BMC, last_BM = self.net.features(begun), begun.last_BM
        links_BMM = self.net.links(x_BMC, begun.count_B, bound_BM=bounds(last_BM))
        next_BM = F.pad(last_BM[:, :-1], (1, 0)) & _real(begun.count_B, last_BM.shape[1])
        # next_BM: the first vertices of gaps, but for the first gap; from the one before, for sure
        certain_BMM = torch.diag_embed(next_BM[:, 1:], offset=1)
        lattice = DAGLattice(
            self.net.logps(x_BMC), links_BMM.masked_fill(certain_BMM, 0.0), begun.count_B
        )
        return held(
            lattice, torch.full_like(last_BM, self.net.sizes.eos, dtype=torch.long), last_BM
        )


def bounds(last_BM: Bool[Tensor, "B M"]) -> Int[Tensor, "B M"]:
    """How far right a link may lead: to the last vertex of the gap.

    >>> bounds(torch.tensor([[False, True, False, True]])).tolist()
    [[1, 1, 3, 3]]
    """
    M = last_BM.shape[1]
    place_BM = torch.arange(M).expand(last_BM.shape).where(last_BM, M)
    return place_BM.flip(1).cummin(1).values.flip(1)


def _real(count_B: Tensor, M: int) -> Bool[Tensor, "B M"]:
    return torch.arange(M) < count_B[:, None]
