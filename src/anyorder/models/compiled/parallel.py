"""Compiled networks that write all cells of a target at once: CTC and graphs.

    lattice = CompiledCTC(net, "float32").read([[4, 5, 6], [7]]).ctc()

Shapes: B rows, N source cells without padding, M decoder cells, O outputs of the head.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, TypeVar

import torch
from jaxtyping import Float, Int
from torch import Tensor

from anyorder.align.lattice import CTCLattice, DAGLattice
from anyorder.models.compiled.encoder import CompiledEncoder, close, trial
from anyorder.models.parallel.one_shot import CTCTransformer, DAGTransformer, SplitTransformer
from anyorder.models.sources import padded
from anyorder.nets.compiled.stack import stacked
from anyorder.nets.linear import Plain

SplitNet = TypeVar("SplitNet", bound=SplitTransformer)


class _Split(CompiledEncoder[SplitNet]):
    """Decoder cells that are the states of the source, split."""

    def outputs(
        self, sources: Sequence[Sequence[int]]
    ) -> tuple[Float[Tensor, "B M O"], Int[Tensor, " B"]]:
        """What the head gives of all cells, zeros beyond a row's own; and how many these are."""
        source, split_NX = self.encoded(sources)
        spread = self.net.sizes.spread
        counts = [spread * count for count in source.counts]
        places_M = torch.cat([torch.arange(count) for count in counts])
        x_MC = split_NX.unflatten(1, (spread, -1)).flatten(0, 1)
        x_MC = x_MC + self.net.target.waves(max(counts))[places_M]
        out_MO = self.decoder.at_once(x_MC, counts, source)
        count_B = torch.tensor(counts)
        if len(counts) == 1:
            return out_MO[None], count_B
        out_BMO = out_MO.new_zeros(len(counts), max(counts), out_MO.shape[1])
        out_BMO[torch.arange(max(counts)) < count_B[:, None]] = out_MO
        return out_BMO, count_B


class CompiledCTC(_Split[CTCTransformer]):
    """See `CTCTransformer`."""

    def __init__(self, net: CTCTransformer, precision: str) -> None:
        super().__init__(net, precision, Plain(net.target.table.weight.detach()), net.split)

    def read(self, sources: Sequence[Sequence[int]]) -> "CompiledSourceCTC":
        padded(sources)  # says what is wrong with them
        return CompiledSourceCTC(self, sources)

    def is_right(self) -> bool:
        """Whether it says what the network says."""
        ours, theirs = (each.read(trial(self.net)).ctc() for each in (self, self.net))
        return close(ours.logp_BMV, theirs.logp_BMV, theirs.count_B, self.precision)


@dataclass(frozen=True, eq=False)
class CompiledSourceCTC:
    """Satisfies `CTCModel`, one row for each source."""

    by: CompiledCTC
    sources: Sequence[Sequence[int]]

    def ctc(self) -> CTCLattice:
        """One call: all cells of all rows."""
        logits_BMV, count_B = self.by.outputs(self.sources)
        return CTCLattice(logits_BMV.log_softmax(-1), count_B, self.by.net.sizes.blank)


class CompiledDAG(_Split[DAGTransformer]):
    """See `DAGTransformer`; queries, keys and gates of the links are made with the logits."""

    same_bits: ClassVar[bool] = False  # links are made by torch's operators

    def __init__(self, net: DAGTransformer, precision: str) -> None:
        table = Plain(net.target.table.weight.detach())
        head = stacked(table, net.query, net.key, net.gate)
        super().__init__(net, precision, head, net.split)

    def read(self, sources: Sequence[Sequence[int]]) -> "CompiledSourceDAG":
        padded(sources)
        return CompiledSourceDAG(self, sources)

    def is_right(self) -> bool:
        """Whether it says what the network says."""
        ours, theirs = (each.read(trial(self.net)).dag() for each in (self, self.net))
        links = (ours.links_BMM.exp(), theirs.links_BMM.exp())
        return all(
            close(*pair, theirs.count_B, self.precision)
            for pair in ((ours.logp_BMV, theirs.logp_BMV), links)
        )


@dataclass(frozen=True, eq=False)
class CompiledSourceDAG:
    """Satisfies `DAGModel`, one row for each source."""

    by: CompiledDAG
    sources: Sequence[Sequence[int]]

    def dag(self) -> DAGLattice:
        """One call: all vertices of all rows."""
        out_BMO, count_B = self.by.outputs(self.sources)
        sizes = self.by.net.sizes
        C, H = sizes.width.channels, sizes.width.heads
        logits_BMV, query, key, gate = out_BMO.split([sizes.target_vocab, C, C, H], -1)
        links_BMM = self.by.net.links_of(query, key, gate, count_B)
        return DAGLattice(logits_BMV.log_softmax(-1), links_BMM, count_B)
