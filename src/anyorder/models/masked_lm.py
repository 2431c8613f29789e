"""A masked language model: one stack of layers that fills the holes of a text, from both sides.

    lm = MaskedLM(MaskedLMSizes(source_vocab=4000, target_vocab=4000))
    logp_BNV = lm.fill(canvas)                    # open cells are holes, all others are known
    lm.lend(net, net.sizes)                       # an encoder-decoder begins with its layers

It reads texts of both sides of a task, which have one vocabulary. A hole is a vector of its own and
no token: a text may hold any token.
Source: Devlin et al. 2019 (arXiv:1810.04805), section 3.1; that it lends its layers to a parallel
model, Yoshida 2023, "Making the Most of your Model".
Shapes: B rows, N cells, C channels, V vocabulary.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NoReturn

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from anyorder.canvas import OPEN, Canvas
from anyorder.nets.layers import Embedding, EncoderDecoder, Sizes, Stack, Width, sees_of


@dataclass(frozen=True, kw_only=True)
class MaskedLMSizes:
    """Sizes of the network. Raises ValueError where the two sides have different vocabularies."""

    source_vocab: int
    target_vocab: int
    encoder_layers: int = 6
    width: Width = field(default_factory=Width)
    max_length: int = 1024

    def __post_init__(self) -> None:
        if self.source_vocab != self.target_vocab:
            raise ValueError(
                "a masked language model reads the texts of both sides with one vocabulary, not "
                f"with {self.source_vocab} and {self.target_vocab} tokens"
            )


class MaskedLM(nn.Module):
    """Satisfies `Denoiser`. The head is the embedding."""

    def __init__(self, sizes: MaskedLMSizes) -> None:
        super().__init__()
        self.sizes = sizes
        self.words = Embedding(sizes.source_vocab, sizes.width)
        self.hole = nn.Parameter(torch.randn(sizes.width.channels))
        self.encoder = Stack(sizes.width, layers=sizes.encoder_layers)

    def states(
        self,
        tokens_BN: Int[Tensor, "B N"],
        count_B: Int[Tensor, " B"],
        holes_BN: Bool[Tensor, "B N"],
    ) -> Float[Tensor, "B N C"]:
        """All cells after the last layer; what stands in a hole is not read."""
        x_BNC = torch.where(holes_BN[..., None], self.hole, self.words.vectors(tokens_BN))
        return self.encoder(self.words.placed(x_BNC), sees_of(count_B, tokens_BN.shape[1]))

    def features(self, states: Float[Tensor, "*cells C"]) -> Float[Tensor, "*cells C"]:
        """What the head multiplies, of cells as the last layer leaves them."""
        return self.encoder.norm(states)

    def logits(self, features: Float[Tensor, "*cells C"]) -> Float[Tensor, "*cells V"]:
        """The head."""
        return F.linear(features, self.words.table.weight)

    def logps(self, features: Float[Tensor, "*cells C"]) -> Float[Tensor, "*cells V"]:
        """Log-probabilities, in float32 at the least."""
        logits = self.logits(features)
        return (logits if logits.dtype == torch.float64 else logits.float()).log_softmax(-1)

    def fill(self, canvas: Canvas) -> Float[Tensor, "B N V"]:
        """Log-probabilities of every cell, given those that are not open."""
        count_B, holes_BN = canvas.length_B.clamp_min(1), canvas.status_BN == OPEN
        return self.logps(self.states(canvas.tokens_BN, count_B, holes_BN))

    def lend(self, net: EncoderDecoder, sizes: Sizes) -> None:
        """Give a network its embedding, for both sides, and its layers, for encoder and decoder.

        Attention to the source, and what is special in the network, stay as they are: here is
        nothing like them. Stacks with fewer layers get the lower ones. Raises ValueError for
        other vocabularies or widths, and for more layers.
        """
        own = self.sizes
        if (sizes.source_vocab, sizes.target_vocab) != (own.source_vocab, own.source_vocab):
            raise ValueError(
                f"the masked language model has one vocabulary of {own.source_vocab} tokens; the "
                f"network needs it on both sides and has {sizes.source_vocab} and "
                f"{sizes.target_vocab}"
            )
        if _shape(sizes.width) != _shape(own.width):
            raise ValueError(f"the masked language model has {own.width}, not {sizes.width}")
        deepest = max(sizes.encoder_layers, sizes.decoder_layers)
        if deepest > own.encoder_layers:
            raise ValueError(
                f"the masked language model has {own.encoder_layers} layers to lend, not {deepest}"
            )
        for words in (net.source, net.target):
            words.load_state_dict(self.words.state_dict())
        for stack in (net.encoder, net.decoder):
            stack.norm.load_state_dict(self.encoder.norm.state_dict())
            for layer, lent in zip(stack.each, self.encoder.each, strict=False):
                found = layer.load_state_dict(lent.state_dict(), strict=False)
                assert not found.unexpected_keys, "a decoder's layer has all parts of an encoder's"

    def read(self, sources: Sequence[Sequence[int]]) -> NoReturn:
        """Raises ValueError: it knows no targets."""
        raise ValueError(
            "a masked language model fills holes in a text and translates nothing; train a "
            "parallel model that begins with it (anyorder train ... --begin-from)"
        )


def _shape(width: Width) -> tuple[int, int, int]:
    """What weights depend on."""
    return width.channels, width.heads, width.middle
