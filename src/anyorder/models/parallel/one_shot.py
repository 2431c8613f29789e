"""Transformers that write all cells of a target at once.

    ctc = CTCTransformer(ParallelSizes(source_vocab=30, target_vocab=43, blank=3))
    lattice = ctc.read([[4, 5, 6], [7]]).ctc()
    h = ctc.features(ctc.begin(source_BS, source_B))       # training, in parts

Cells of the decoder are made of the source: state splitting turns every source state into `spread`
cells (Libovický & Helcl 2018, arXiv:1811.04719, section 3). A cell may be given a token instead
(glancing, Qian et al. 2021, arXiv:2008.07905).
Shapes: B rows, S source cells, M decoder cells, V target vocabulary, C channels.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from anyorder.align.lattice import CTCLattice, DAGLattice
from anyorder.models.sources import OfSources, padded
from anyorder.nets.early_exit import Climbed, Leave, climb, ramps
from anyorder.nets.layers import EncoderDecoder, Memory, Width, sees_of
from anyorder.units.special import BLANK, EOS


@dataclass(frozen=True, kw_only=True)
class ParallelSizes:
    """Sizes of the network; `spread`: decoder cells for each source cell; `blank`: see CTC;
    `eos` ends the targets of a graph; `window`: see `nets.local_attention` (None: plain)."""

    source_vocab: int
    target_vocab: int
    blank: int = BLANK
    eos: int = EOS
    encoder_layers: int = 6
    decoder_layers: int = 6
    spread: int = 3
    window: int | None = None
    width: Width = field(default_factory=Width)
    max_length: int = 1024

    def __post_init__(self) -> None:
        if self.spread < 1:
            raise ValueError(f"a source cell becomes 1 decoder cell or more, not {self.spread}")


@dataclass(frozen=True, kw_only=True)
class LengthSizes:
    """Sizes of a network that predicts how long its targets are: up to `longest` cells, the one
    that begins them included; `window`: see `nets.local_attention` (None: plain).
    """

    source_vocab: int
    target_vocab: int
    bos: int
    encoder_layers: int = 6
    decoder_layers: int = 6
    longest: int = 256
    window: int | None = None
    width: Width = field(default_factory=Width)
    max_length: int = 1024


@dataclass(frozen=True, kw_only=True)
class FertilitySizes:
    """Sizes of a network that predicts how many cells, up to `most`, each source token becomes."""

    source_vocab: int
    target_vocab: int
    encoder_layers: int = 6
    decoder_layers: int = 6
    most: int = 50
    width: Width = field(default_factory=Width)
    max_length: int = 1024

    def __post_init__(self) -> None:
        if self.most < 1:
            raise ValueError(f"a source token becomes up to 1 cell or more, not {self.most}")


@dataclass(frozen=True)
class Begun:
    """What the decoder starts from: its cells before the first layer, and the source."""

    x_BMC: Float[Tensor, "B M C"]
    count_B: Int[Tensor, " B"]
    memory: Memory


class CellTransformer(EncoderDecoder):
    """Encoder, decoder in which every cell sees all, and a head that is the target's embedding.

    What stands in the cells before the first layer is each subclass's own.
    """

    def glanced(
        self, begun: Begun, tokens_BM: Int[Tensor, "B M"], shown_BM: Bool[Tensor, "B M"]
    ) -> Begun:
        """The same beginning, with the tokens where `shown_BM` in the place of what was there."""
        given_BMC = self.target.vectors(tokens_BM).to(begun.x_BMC.dtype)
        return replace(begun, x_BMC=torch.where(shown_BM[..., None], given_BMC, begun.x_BMC))

    def features(self, begun: Begun) -> Float[Tensor, "B M C"]:
        """All cells after the last layer, in one pass."""
        sees_B1M = sees_of(begun.count_B, begun.x_BMC.shape[1])
        return self.decoder(self.target.placed(begun.x_BMC), sees_B1M, begun.memory)

    def climbed(self, begun: Begun, leave: Leave) -> Climbed:
        """The same, but each cell of the layer at which it leaves (see `nets.early_exit`)."""
        sees_B1M = sees_of(begun.count_B, begun.x_BMC.shape[1])
        return climb(self.decoder, self.target.placed(begun.x_BMC), sees_B1M, begun.memory, leave)

    def ramps(self, begun: Begun) -> list[Float[Tensor, "B M C"]]:
        """All cells after each layer; the last are the features."""
        sees_B1M = sees_of(begun.count_B, begun.x_BMC.shape[1])
        return ramps(self.decoder, self.target.placed(begun.x_BMC), sees_B1M, begun.memory)

    def logps(self, features: Float[Tensor, "*cells C"]) -> Float[Tensor, "*cells V"]:
        """Features as log-probabilities, in float32 at the least."""
        logits = F.linear(features, self.target.table.weight)
        return (logits if logits.dtype == torch.float64 else logits.float()).log_softmax(-1)


class SplitTransformer(CellTransformer):
    """The cells are the states of the source, each split into `spread`."""

    def __init__(self, sizes: ParallelSizes) -> None:
        super().__init__(sizes, window=sizes.window)
        self.sizes = sizes
        self.split = nn.Linear(sizes.width.channels, sizes.spread * sizes.width.channels)

    def begin(self, source_BS: Int[Tensor, "B S"], source_B: Int[Tensor, " B"]) -> Begun:
        """Read the source and split its states into cells."""
        memory = self.encode(source_BS, source_B)
        split_BSX = self.split(memory.states_BSC)
        cells_BMC = split_BSX.unflatten(-1, (self.sizes.spread, -1)).flatten(1, 2)
        return Begun(cells_BMC, source_B * self.sizes.spread, memory)


class CTCTransformer(SplitTransformer):
    """The cells spell a target with blanks and repeats."""

    def lattice(self, begun: Begun) -> CTCLattice:
        """What each cell may hold."""
        return CTCLattice(self.logps(self.features(begun)), begun.count_B, self.sizes.blank)

    def read(self, sources: Sequence[Sequence[int]]) -> "SourceCTC":
        """A model of what these sources become. Raises ValueError for an empty source."""
        return SourceCTC(self, *padded(sources))


class SourceCTC(OfSources[CTCTransformer]):
    """Satisfies `CTCModel`, one row for each source."""

    def ctc(self) -> CTCLattice:
        """One call: all cells of all rows."""
        return self.net.lattice(self.net.begin(self.source_BS, self.source_B))


class DAGTransformer(SplitTransformer):
    """The cells are vertices of a graph; a target is a path from the first to the last.

    Links: softmax over the vertices to the right of q_i k_j / sqrt(D), in `heads` mixed
    distributions. Source: Huang et al. 2022 (arXiv:2205.07459), section 3.1.
    """

    def __init__(self, sizes: ParallelSizes) -> None:
        super().__init__(sizes)
        C, H = sizes.width.channels, sizes.width.heads
        self.query, self.key = nn.Linear(C, C), nn.Linear(C, C)
        self.gate = nn.Linear(C, H)

    def lattice(self, begun: Begun) -> DAGLattice:
        """What each vertex may hold, and where a path may go from it."""
        x_BMC = self.features(begun)
        return DAGLattice(self.logps(x_BMC), self.links(x_BMC, begun.count_B), begun.count_B)

    def links(
        self,
        x_BMC: Float[Tensor, "B M C"],
        count_B: Int[Tensor, " B"],
        *,
        bound_BM: Int[Tensor, "B M"] | None = None,
    ) -> Float[Tensor, "B M M"]:
        """Log-probabilities of going from one vertex to another; -inf to the left and beyond the
        end. The last vertex goes nowhere. `bound_BM`: the last one that may be reached from each.
        """
        with torch.autocast(x_BMC.device.type, enabled=False):
            x_BMC = x_BMC.float() if x_BMC.dtype == torch.bfloat16 else x_BMC
            query, key, gate = self.query(x_BMC), self.key(x_BMC), self.gate(x_BMC)
        return self.links_of(query, key, gate, count_B, bound_BM=bound_BM)

    def links_of(
        self,
        query_BMC: Float[Tensor, "B M C"],
        key_BMC: Float[Tensor, "B M C"],
        gate_BMH: Float[Tensor, "B M H"],
        count_B: Int[Tensor, " B"],
        *,
        bound_BM: Int[Tensor, "B M"] | None = None,
    ) -> Float[Tensor, "B M M"]:
        """The same, of queries, keys and gates."""
        M, device = query_BMC.shape[1], query_BMC.device
        open_BMM = torch.ones(M, M, dtype=torch.bool, device=device).triu(1) & sees_of(count_B, M)
        if bound_BM is not None:
            open_BMM &= torch.arange(M, device=device) <= bound_BM[..., None]
        with torch.autocast(device.type, enabled=False):  # rows must sum to 1
            return self._mixed(query_BMC, key_BMC, gate_BMH, open_BMM)

    def _mixed(
        self, query_BMC: Tensor, key_BMC: Tensor, gate_BMH: Tensor, open_BMM: Tensor
    ) -> Tensor:
        H = self.sizes.width.heads
        query, key = (
            each.unflatten(-1, (H, -1)).transpose(1, 2).float() for each in (query_BMC, key_BMC)
        )
        score_BHMM = query @ key.transpose(-1, -2) / query.shape[-1] ** 0.5
        none_BM1 = ~open_BMM.any(-1, keepdim=True)
        # not -inf: the gradient of a sum over heads that are all -inf is no number
        score_BHMM = score_BHMM.masked_fill(~(open_BMM | none_BM1)[:, None], -1e30)
        gate_BHM1 = gate_BMH.float().log_softmax(-1).transpose(1, 2)[..., None]
        mixed_BMM = (score_BHMM.log_softmax(-1) + gate_BHM1).logsumexp(1)
        return mixed_BMM.masked_fill(none_BM1 | ~open_BMM, -torch.inf)

    def read(self, sources: Sequence[Sequence[int]]) -> "SourceDAG":
        """A model of what these sources become. Raises ValueError for an empty source."""
        return SourceDAG(self, *padded(sources))


class SourceDAG(OfSources[DAGTransformer]):
    """Satisfies `DAGModel`, one row for each source."""

    def dag(self) -> DAGLattice:
        """One call: all vertices of all rows."""
        return self.net.lattice(self.net.begin(self.source_BS, self.source_B))
