"""A compiled `SemiAutoregressiveSeq2Seq`: the code of a `CompiledSeq2Seq`, which knows its mask.

lm = CompiledSemiAutoregressive(net, "float32").read([[4, 5, 6], [7]])
"""

from collections.abc import Sequence
from dataclasses import dataclass

from anyorder.models.compiled.seq2seq import CompiledSeq2Seq, CompiledSourceLM
from anyorder.models.left_to_right.semi_autoregressive import SemiAutoregressiveSeq2Seq
from anyorder.models.sources import padded


class CompiledSemiAutoregressive(CompiledSeq2Seq):
    """See `SemiAutoregressiveSeq2Seq`."""

    net: SemiAutoregressiveSeq2Seq

    def read(self, sources: Sequence[Sequence[int]]) -> "CompiledSemiAutoregressiveLM":
        padded(sources)
        return CompiledSemiAutoregressiveLM(self, sources)


@dataclass(frozen=True, eq=False)
class CompiledSemiAutoregressiveLM(CompiledSourceLM):
    """Satisfies `SemiAutoregressiveLM`."""

    by: CompiledSemiAutoregressive

    @property
    def mask(self) -> int:
        """See `SemiAutoregressiveLM.mask`."""
        return self.by.net.mask
