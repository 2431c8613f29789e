"""A compiled `SetBlockSeq2Seq`: a `CompiledSeq2Seq` that reads blocks from both sides, too.

lm = CompiledSetBlock(net, "float32").read([[4, 5, 6], [7]])
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from anyorder.masks import Tree
from anyorder.models.compiled.encoder import close, trial
from anyorder.models.compiled.seq2seq import CompiledSeq2Seq, CompiledSourceLM
from anyorder.models.left_to_right.set_block import SetBlockSeq2Seq
from anyorder.models.sources import padded


class CompiledSetBlock(CompiledSeq2Seq):
    """See `SetBlockSeq2Seq`."""

    net: SetBlockSeq2Seq

    def read(self, sources: Sequence[Sequence[int]]) -> "CompiledSetBlockLM":
        padded(sources)
        return CompiledSetBlockLM(self, sources)

    def is_right(self) -> bool:
        """Whether it says what the network says, in blocks, too, of which one has padding."""
        tree = Tree(torch.tensor([[-1, 0, 1], [-1, 0, -2]]), mutual=2)
        tokens_BT = torch.tensor([[1, 2, 3], [2, 1, 0]])
        found = []
        for each in (self, self.net):
            lm: Any = each.read(trial(self.net))
            found.append(lm.extend(tokens_BT, lm.new_cache(2, 3), tree=tree))
        fits = close(found[0], found[1], torch.tensor([3, 2]), self.precision)
        return fits and super().is_right()


@dataclass(frozen=True, eq=False)
class CompiledSetBlockLM(CompiledSourceLM):
    """Satisfies `SetBlockLM`."""

    by: CompiledSetBlock

    @property
    def hole(self) -> int:
        """See `SetBlockLM.hole`."""
        return self.by.net.mask

    @property
    def longest_block(self) -> int:
        """See `SetBlockLM.longest_block`."""
        return self.by.net.sizes.longest_block
