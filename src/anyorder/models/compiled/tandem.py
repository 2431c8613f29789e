"""A compiled `TandemSeq2Seq`: the large model, and what the small one sees of the source.

    lm = CompiledTandem(net, "float32").read([[4, 5, 6], [7]])
    lm.small                                      # torch's operators, for a cell or a few of a row

Shapes: B rows, S source cells, N source cells without padding, C channels, X numbers beside.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import torch
from torch import nn

from anyorder.models.compiled.encoder import close, trial, with_padding
from anyorder.models.compiled.featured import CompiledFeatured, CompiledFeaturedLM
from anyorder.models.left_to_right.small import SmallSourceLM
from anyorder.models.left_to_right.tandem import AloneSeq2Seq, TandemSeq2Seq
from anyorder.models.sources import padded
from anyorder.nets.source_cache import Source
from anyorder.nets.tandem import SmallDecoder


class CompiledTandem(CompiledFeatured):
    """See `TandemSeq2Seq`."""

    def __init__(self, net: TandemSeq2Seq, precision: str) -> None:
        super().__init__(net, precision, *of_source(net.small))
        self.tandem = net

    def is_right(self) -> bool:
        """Whether the small model says what that of the network says, too."""
        ours, theirs = (each.read(trial(self.tandem)) for each in (self, self.tandem))
        assert isinstance(ours, CompiledTandemLM), "as it was made"
        assert not isinstance(theirs, SmallSourceLM), "it stands beside the large one"
        return says_the_same(ours.small, theirs.small, self.precision) and super().is_right()

    def read(self, sources: Sequence[Sequence[int]]) -> "CompiledTandemLM":
        padded(sources)
        return CompiledTandemLM(self, sources)


class CompiledAlone(CompiledTandem):
    """See `AloneSeq2Seq`: the encoder is all that is compiled of it."""

    same_bits: ClassVar[bool] = False

    def __init__(self, net: AloneSeq2Seq, precision: str) -> None:
        super().__init__(net, precision)
        self.alone = net

    def is_right(self) -> bool:
        """Whether it says what the network says."""
        ours, theirs = (each.read(trial(self.alone)) for each in (self, self.alone))
        return says_the_same(ours, theirs, self.precision)

    def read(self, sources: Sequence[Sequence[int]]) -> SmallSourceLM:  # type: ignore[override]
        return super().read(sources).small


@dataclass(frozen=True, eq=False)
class CompiledTandemLM(CompiledFeaturedLM):
    """Satisfies `TandemLM`."""

    by: CompiledTandem

    @cached_property
    def small(self) -> SmallSourceLM:
        """See `TandemLM.small`."""
        return SmallSourceLM(
            self.by.tandem.small, self._sources, len(self.sources), self.max_length
        )

    @torch.inference_mode(False)
    @torch.no_grad()
    def _sources(self, batch: int) -> list[Source]:
        """Keys and values of the sources, with padding, for each layer of the small model."""
        source, both_NX = self._encoded(batch)
        both_BSX, sees_B1S = with_padding(both_NX, source.counts)
        layers = self.by.tandem.small.stack.each
        split = both_BSX.unflatten(2, (len(layers), 2, layers[0].own.heads, -1)).unbind(2)
        return [
            ((keys_BSHD.transpose(1, 2), values_BSHD.transpose(1, 2)), sees_B1S)
            for keys_BSHD, values_BSHD in (both.unbind(2) for both in split)
        ]


def of_source(small: SmallDecoder) -> list[nn.Linear]:
    """Of each layer of the small model one map from the states of the source, as the large model's
    encoder has them, to keys and values.
    """
    found: list[nn.Linear] = []
    for layer in small.stack.each:
        assert layer.cross is not None, "it looks at the source"
        after, before = layer.cross.key_value, small.source
        made = nn.Linear(before.in_features, after.out_features)
        with torch.no_grad():
            made.weight.copy_(after.weight @ before.weight)
            made.bias.copy_(after.weight @ before.bias + after.bias)
        found.append(made)
    return found


def says_the_same(ours: SmallSourceLM, theirs: SmallSourceLM, precision: str) -> bool:
    """Whether two small models of the same two sources say nearly the same."""
    tokens_BT = torch.tensor([[1, 2], [2, 1]])
    found = [lm.extend(tokens_BT, lm.new_cache(2, 2)) for lm in (ours, theirs)]
    return close(found[0], found[1], torch.tensor([2, 2]), precision)
