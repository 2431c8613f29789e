"""A compiled `HeadedSeq2Seq`: its features stand beside its logits, and its heads read them.

    lm = CompiledHeaded(net, "float32").read([[4, 5, 6], [7]])

Shapes: B rows, T new cells, S scored cells, H heads beside the first, V target vocabulary, C
channels.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from anyorder.masks import Tree
from anyorder.models.compiled.encoder import close, trial
from anyorder.models.compiled.seq2seq import CompiledCache, CompiledSeq2Seq, CompiledSourceLM
from anyorder.models.headed import HeadedSeq2Seq
from anyorder.models.sources import padded
from anyorder.nets.linear import Plain


class CompiledHeaded(CompiledSeq2Seq):
    """See `HeadedSeq2Seq`; the heads themselves are torch's operators, for one cell of a row."""

    def __init__(self, net: HeadedSeq2Seq, precision: str) -> None:
        super().__init__(net, precision, Plain(torch.eye(net.sizes.width.channels)))
        self.headed = net

    def is_right(self) -> bool:
        """Whether its features are those of the network, too."""
        found = []
        for each in (self, self.headed):
            lm: Any = each.read(trial(self.headed))
            _, features_BSC = lm.extend_with_features(
                torch.tensor([[1, 2], [2, 1]]), lm.new_cache(2, 2)
            )
            found.append(features_BSC)
        close_by = close(found[0], found[1], torch.tensor([2, 2]), self.precision)
        return close_by and super().is_right()

    def read(self, sources: Sequence[Sequence[int]]) -> "CompiledHeadedLM":
        padded(sources)
        return CompiledHeadedLM(self, sources)


@dataclass(frozen=True, eq=False)
class CompiledHeadedLM(CompiledSourceLM):
    """Satisfies `HeadedLM`."""

    by: CompiledHeaded

    @property
    def heads(self) -> int:
        return self.by.headed.sizes.heads

    @torch.inference_mode(False)
    @torch.no_grad()
    def extend_with_features(
        self,
        tokens_BT: Int[Tensor, "B T"],
        cache: CompiledCache,
        *,
        tree: Tree | None = None,
        score_BS: Int[Tensor, "B S"] | None = None,
    ) -> tuple[Float[Tensor, "B S V"], Float[Tensor, "B S C"]]:
        """See `HeadedLM.extend_with_features`. Raises ValueError without room."""
        told_BSX = self._told(tokens_BT, cache, tree, score_BS)
        return told_BSX[..., : self.vocab_size], told_BSX[..., self.vocab_size :]

    def ahead(self, features_BC: Float[Tensor, "B C"]) -> Float[Tensor, "B H V"]:
        """See `HeadedLM.ahead`."""
        return self.by.headed.ahead(features_BC)
