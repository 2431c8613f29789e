"""What all compiled translators share: the encoder, and the trial of what the code says.

    source, more_NX = CompiledEncoder(net, "float32", head).encoded([[4, 5, 6], [7]])

Shapes: B rows, N cells without padding, C channels, X outputs.
"""

import math
from collections.abc import Sequence
from typing import ClassVar, Final, Generic, TypeVar

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from anyorder.nets.compiled.stack import CompiledStack, Source, keys_values, stacked
from anyorder.nets.layers import Embedding, EncoderDecoder, sees_of
from anyorder.nets.linear import Plain

Net = TypeVar("Net", bound=EncoderDecoder)


class CompiledEncoder(Generic[Net]):
    """What all of them share: the encoder, which gives keys and values for every decoder layer."""

    same_bits: ClassVar[bool] = True  # in any company, and however a text is cut into calls

    def __init__(self, net: Net, precision: str, head: Plain, *before: nn.Linear) -> None:
        """`head`: of the decoder; `before`: what else is made of the states of the source."""
        self.net, self.precision = net, precision
        self.decoder = CompiledStack(net.decoder, head, precision)
        self.width = self.decoder.plan.width
        after = keys_values(net.decoder, self.width)
        self.encoder = CompiledStack(net.encoder, stacked(*before, after), precision)

    def encoded(self, sources: Sequence[Sequence[int]]) -> tuple[Source, Float[Tensor, "N X"]]:
        """Keys and values of all rows, and what else is made of their states."""
        counts = [len(source) for source in sources]
        ids_N = torch.tensor([token for source in sources for token in source])
        places_N = torch.cat([torch.arange(count) for count in counts])
        out_NO = self.encoder.at_once(placed(self.net.source, ids_N, places_N), counts)
        layers, heads = self.decoder.plan.layers, self.decoder.shape.heads
        more = self.encoder.shape.vocab_size - layers * 2 * heads * self.width
        memory = self.decoder.memory(layers, len(counts), max(counts))
        rows_N = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
        found = out_NO[:, more:].unflatten(1, (layers, 2, heads, self.width))
        memory.permute(2, 4, 0, 1, 3, 5)[rows_N, places_N] = found
        return Source(memory, counts), out_NO[:, :more]


def placed(
    embedding: Embedding, ids_N: Int[Tensor, " N"], places_N: Tensor
) -> Float[Tensor, "N C"]:
    """Tokens as vectors, with their places."""
    table_VC, ids, places = (x.numpy() for x in (embedding.table.weight.detach(), ids_N, places_N))
    if ids.min(initial=0) < 0:
        raise IndexError("a token id is 0 or more")
    waves_RC = embedding.waves(int(places.max()) + 1).numpy()
    scale = np.float32(math.sqrt(embedding.table.embedding_dim))
    return torch.from_numpy(table_VC[ids] * scale + waves_RC[places])  # few cells


def with_padding(
    both_NX: Float[Tensor, "N X"], counts: Sequence[int]
) -> tuple[Float[Tensor, "B S X"], Bool[Tensor, "B 1 S"]]:
    """The cells of all rows as a block, zeros behind each row's own; and which of them are seen."""
    sees_B1S = sees_of(torch.tensor(counts), max(counts))
    both_BSX = both_NX.new_zeros(*sees_B1S[:, 0].shape, both_NX.shape[1])
    both_BSX[sees_B1S[:, 0]] = both_NX
    return both_BSX, sees_B1S


def trial(net: EncoderDecoder) -> list[list[int]]:
    """Two sources of different lengths."""
    vocab = net.source.table.num_embeddings
    return [[i * 7 % vocab for i in range(length)] for length in (5, 3)]


APART: Final = {"float32": 1e-4, "bfloat16": 0.05, "int8": 0.15}  # of the size of all numbers


def close(ours_BMX: Tensor, theirs_BMX: Tensor, count_B: Tensor, precision: str) -> bool:
    """Whether they agree where cells are a row's own, as nearly as the precision lets them."""
    return all(
        bool((ours[:n] - theirs[:n]).norm() <= APART[precision] * theirs[:n].norm())
        for ours, theirs, n in zip(ours_BMX, theirs_BMX, count_B.tolist(), strict=True)
    )
