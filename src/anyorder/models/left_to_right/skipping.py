"""A transformer that writes left to right, and runs through fewer layers the further it comes.

    sizes = SkippingSizes(source_vocab=30, target_vocab=43, bos=1, eos=2, most=5, least=3, until=24)
    lm = SkippingSeq2Seq(sizes).read([[4, 5, 6], [7]])        # a `CausalLM`

How many layers a cell has follows from its place alone (`nets.depths`; `bos` stands at 0), in
training as when it writes, for every row of a batch, for drafts and the branches of a tree. So
every decoder for language models serves it, with a cache as ever. A layer that no cell of a call
needs is not run; one that some need is run for all cells of the call, and the others keep what they
had. With `most` = `least` it is uniform: `warmup` = `least` then cuts off the layers on top.
Source: Del Corro et al. 2023 (arXiv:2307.02628). Their prompts are here sources, which are encoded
by all layers of an encoder; a given cell of the target has the depth of its place.
Shapes: B rows, S source cells, N target cells, M of them that run through a layer, T new cells,
C channels.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from anyorder.masks import causal
from anyorder.models.left_to_right.seq2seq import Seq2Seq, Seq2SeqSizes, SourceLM
from anyorder.models.sources import padded
from anyorder.nets.depths import Depths


@dataclass(frozen=True, kw_only=True)
class SkippingSizes(Seq2SeqSizes):
    """Sizes of the network, and how many layers of the decoder cells have: see `Depths.falling`."""

    most: int = 6
    least: int = 2
    until: int = 24
    warmup: int = 1

    @property
    def depths(self) -> Depths:
        """Raises ValueError for depths that can't be."""
        return Depths.falling(
            layers=self.decoder_layers,
            most=self.most,
            least=self.least,
            until=self.until,
            warmup=self.warmup,
        )


class SkippingSeq2Seq(Seq2Seq):
    """See the module."""

    def __init__(self, sizes: SkippingSizes) -> None:
        super().__init__(sizes)
        self.sizes: SkippingSizes = sizes
        self.depths = sizes.depths

    def features(
        self,
        source_BS: Int[Tensor, "B S"],
        source_B: Int[Tensor, " B"],
        target_BN: Int[Tensor, "B N"],
    ) -> Float[Tensor, "B N C"]:
        """As those of `Seq2Seq`; a layer is run for the cells that need it, the first ones."""
        N = target_BN.shape[1]
        sees_1NN = causal().render(N, N)[None]
        memory = self.encode(source_BS, source_B)
        x_BNC, stack = self.target(target_BN), self.decoder
        for number, (layer, source) in enumerate(
            zip(stack.each, stack.sources(memory), strict=True)
        ):
            places = self.depths.places(number)
            M = N if places is None else min(places, N)
            if M:
                sees_1MM = sees_1NN[:, :M, :M]
                made_BMC = layer(
                    x_BNC[:, :M],
                    lambda x, at=layer, sees=sees_1MM: (at.own.keys_values(x), sees),
                    source,
                )
                x_BNC = torch.cat([made_BMC, x_BNC[:, M:]], 1) if M < N else made_BMC
        return stack.norm(x_BNC)

    def read(self, sources: Sequence[Sequence[int]]) -> "SkippingSourceLM":
        """A causal model of what these sources become. Raises ValueError for an empty source."""
        return SkippingSourceLM(self, *padded(sources))


class SkippingSourceLM(SourceLM):
    """Satisfies `CausalLM`."""

    net: SkippingSeq2Seq

    @property
    def fingerprint(self) -> str:
        """What the cost of a call depends on, beside the machine."""
        s = self.net.sizes
        return f"{super().fingerprint}-skipping-{s.most}-{s.least}-{s.until}-{s.warmup}"

    def runs(self, place_BT: Int[Tensor, "B T"]) -> Sequence[bool | Bool[Tensor, "B T"]]:
        """By the depths of the network."""
        return self.net.depths.runs(place_BT)
