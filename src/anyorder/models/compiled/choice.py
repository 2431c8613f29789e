"""Translators whose forward pass is compiled code: the same capabilities, sooner.

    reads = compiled(net)                         # None where there is no such code for it
    lattice = reads.read([[4, 5, 6], [7]]).ctc()

Weights are copied when it is made: what is trained afterwards is not seen. What a cell says is the
same to the last bit whatever rows are beside its own, and however a text is cut into calls (the
links of a graph are made of it by torch's operators, of which that is not true; so is what a small
model beside it says).
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol, runtime_checkable

import torch
from torch import nn

from anyorder.models.compiled.headed import CompiledHeaded, CompiledLeap
from anyorder.models.compiled.parallel import CompiledCTC, CompiledDAG
from anyorder.models.compiled.recursive import CompiledRecursive
from anyorder.models.compiled.semi_autoregressive import CompiledSemiAutoregressive
from anyorder.models.compiled.seq2seq import CompiledSeq2Seq
from anyorder.models.compiled.set_block import CompiledSetBlock
from anyorder.models.compiled.tandem import CompiledAlone, CompiledTandem
from anyorder.models.left_to_right.headed import HeadedSeq2Seq
from anyorder.models.left_to_right.leaping import LeapSeq2Seq
from anyorder.models.left_to_right.recursive import RecursiveSeq2Seq
from anyorder.models.left_to_right.semi_autoregressive import SemiAutoregressiveSeq2Seq
from anyorder.models.left_to_right.seq2seq import Seq2Seq
from anyorder.models.left_to_right.set_block import SetBlockSeq2Seq
from anyorder.models.left_to_right.tandem import AloneSeq2Seq, TandemSeq2Seq
from anyorder.models.left_to_right.token_order import TokenOrderSeq2Seq
from anyorder.models.parallel.one_shot import CTCTransformer, DAGTransformer

KINDS: Final[Mapping[type, Any]] = {
    Seq2Seq: CompiledSeq2Seq,
    HeadedSeq2Seq: CompiledHeaded,
    TokenOrderSeq2Seq: CompiledSeq2Seq,
    LeapSeq2Seq: CompiledLeap,
    RecursiveSeq2Seq: CompiledRecursive,
    SemiAutoregressiveSeq2Seq: CompiledSemiAutoregressive,
    SetBlockSeq2Seq: CompiledSetBlock,
    TandemSeq2Seq: CompiledTandem,
    AloneSeq2Seq: CompiledAlone,
    CTCTransformer: CompiledCTC,
    DAGTransformer: CompiledDAG,
}


@runtime_checkable
class Reads(Protocol):
    """A network that reads sources."""

    def read(self, sources: Sequence[Sequence[int]]) -> object:
        """A model of what these sources become. Raises ValueError for an empty source."""
        ...


def compiled(net: nn.Module, precision: str = "float32") -> Reads | None:
    """The network with a compiled forward pass in "float32", "bfloat16" or "int8"; None for a
    network, or on a machine, that has none.

    Raises nothing: what the code gives is held against the network itself first.
    """
    make, plain = KINDS.get(type(net)), (torch.device("cpu"), torch.float32)
    if make is None or torch.get_default_device().type != "cpu":
        return None
    if any((weight.device, weight.dtype) != plain for weight in net.parameters()):
        return None
    try:
        with torch.inference_mode(), torch.autocast("cpu", enabled=False):
            made = make(net.eval(), precision)
            return made if made.is_right() else None
    except Exception:  # whatever is wrong with it, torch's operators serve
        return None
