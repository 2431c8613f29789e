"""Random networks of several shapes, and what they say one token at a time.

Shapes: T new cells, V vocabulary.
"""

from dataclasses import dataclass, replace

import pytest
import torch
from jaxtyping import Float
from torch import Tensor

from anyorder.nets.compiled.network import Compiled
from anyorder.nets.linear import Plain
from anyorder.nets.transformer import Block, Shape, Transformer

VOCAB, LONGEST = 37, 96
PRECISIONS = ("float32", "bfloat16", "int8")
LLAMA = Shape(
    vocab_size=VOCAB,
    max_length=LONGEST,
    channels=40,
    heads=6,
    key_heads=2,
    head_width=8,
    norm_eps=1e-5,
)
SHAPES = {
    "llama": LLAMA,
    "window": replace(LLAMA, window=7),
    "wide": replace(LLAMA, channels=192, heads=2, key_heads=1, head_width=80),
    "qwen3": replace(LLAMA, head_width=24),
    "qwen3, wide": replace(LLAMA, head_width=32),
    "gpt2": replace(LLAMA, centred=True, key_heads=6),
}
NORMED = SHAPES["qwen3"], SHAPES["qwen3, wide"]  # have norms of queries and keys
every_precision = pytest.mark.parametrize("precision", PRECISIONS)
every_shape = pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)


@dataclass(frozen=True)
class Parts:
    """A random network in the pieces from which both twins are made."""

    shape: Shape
    embedding_VC: Tensor
    blocks: tuple[Block, ...]
    head: Plain
    turns_RD: Tensor | None
    positions_RC: Tensor | None

    @staticmethod
    def of(shape: Shape, seed: int = 0, layers: int = 2) -> "Parts":
        """Rotary, gated and without bias, or as GPT-2 where the shape is centred."""
        rng = torch.Generator().manual_seed(seed)
        gated, C, normed = not shape.centred, shape.channels, shape in NORMED

        def plain(outputs: int, inputs: int) -> Plain:
            weight_OI = torch.randn(outputs, inputs, generator=rng) / inputs**0.5
            return Plain(weight_OI, None if gated else torch.randn(outputs, generator=rng))

        def block() -> Block:
            qkv = (shape.heads + 2 * shape.key_heads) * shape.head_width
            out = plain(C, shape.heads * shape.head_width)
            up, down = plain(104 if gated else 52, C), plain(C, 52)
            heads = shape.heads + shape.key_heads
            norms = torch.rand(heads, shape.head_width, generator=rng) + 0.5 if normed else None
            return Block(plain(qkv, C), out, up, down, gated, head_norms=norms)

        angle_RD = torch.arange(shape.max_length)[:, None] * torch.rand(
            shape.head_width // 2, generator=rng
        )
        return Parts(
            shape,
            torch.randn(VOCAB, C, generator=rng),
            tuple(block() for _ in range(layers)),
            plain(VOCAB, C),
            torch.polar(torch.ones_like(angle_RD), angle_RD) if gated else None,
            None if gated else torch.randn(shape.max_length, C, generator=rng),
        )

    def twin(self) -> Transformer:
        """The plain one."""
        return Transformer(**vars(self))

    def compiled(self, precision: str) -> Compiled:
        """The one under test."""
        shape = replace(self.shape, dtype=dtype_of(precision))
        return Compiled(precision, **{**vars(self), "shape": shape})


def dtype_of(precision: str) -> torch.dtype:
    """Of keys and values."""
    return torch.bfloat16 if precision == "bfloat16" else torch.float32


def made(shape: Shape, precision: str) -> Compiled:
    return Parts.of(shape).compiled(precision)


def one_by_one(net: Compiled | Transformer, text: list[int]) -> Float[Tensor, "T V"]:
    """What a network says after each token when it reads them in calls of one cell."""
    cache, said = net.new_cache(1, LONGEST), []
    for token in text:
        said.append(net.extend(torch.tensor([[token]]), cache)[0, 0])
        cache.keep(torch.tensor([[0]]), torch.tensor([1]))
    return torch.stack(said) if said else torch.zeros(0, VOCAB)
