"""A compiled `Seq2Seq` that shows its features: they stand beside its logits, for heads to read.

    lm = CompiledHeaded(net, "float32").read([[4, 5, 6], [7]])
    logits_BSV, features_BSC = lm.extend_with_features(tokens_BT, cache)

Shapes: B rows, T new cells, S scored cells, V target vocabulary, C channels.
"""

from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from anyorder.masks import Tree
from anyorder.models.compiled.encoder import close, trial
from anyorder.models.compiled.seq2seq import CompiledCache, CompiledSeq2Seq, CompiledSourceLM
from anyorder.models.left_to_right.seq2seq import Seq2Seq
from anyorder.nets.compiled.stack import Source
from anyorder.nets.linear import Plain


class CompiledFeatured(CompiledSeq2Seq):
    """What is compiled of a network with more heads; the heads themselves are torch's operators."""

    def __init__(self, net: Seq2Seq, precision: str, *before: nn.Linear) -> None:
        """`before`: what else is made of the states of the source."""
        features = Plain(torch.eye(net.sizes.width.channels))
        super().__init__(net, precision, features, before=before)

    def is_right(self) -> bool:
        """Whether its features are those of the network, too."""
        found = []
        for each in (self, self.net):
            lm: Any = each.read(trial(self.net))
            _, features_BSC = lm.extend_with_features(
                torch.tensor([[1, 2], [2, 1]]), lm.new_cache(2, 2)
            )
            found.append(features_BSC)
        close_by = close(found[0], found[1], torch.tensor([2, 2]), self.precision)
        return close_by and super().is_right()


@dataclass(frozen=True, eq=False)
class CompiledFeaturedLM(CompiledSourceLM):
    """Satisfies `FeaturedLM`."""

    by: CompiledFeatured
    made: dict[int, tuple[Source, Tensor]] = field(default_factory=dict, repr=False)

    def _encoded(self, batch: int) -> tuple[Source, Float[Tensor, "N X"]]:
        """Of the first sources, once for the decoder and for who stands beside it."""
        if batch not in self.made:
            self.made[batch] = super()._encoded(batch)
        return self.made[batch]

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
        """See `FeaturedLM.extend_with_features`. Raises ValueError without room."""
        told_BSX = self._told(tokens_BT, cache, tree, score_BS)
        return told_BSX[..., : self.vocab_size], told_BSX[..., self.vocab_size :]
