"""Whether compiled code works here: a small random network, beside its plain twin.

    is_right("int8", torch.float32)

A processor on which nobody has tried the inner loops may compile them wrongly, or not at all.
Shapes: B rows, T cells, V vocabulary, C channels.
"""

import torch
from torch import Tensor

from anyorder.nets.compiled.network import Compiled
from anyorder.nets.linear import Plain
from anyorder.nets.transformer import Block, Shape, Transformer

TOLERANCE = {"float32": 1e-4, "bfloat16": 0.1, "int8": 0.1}  # logits are about 1


def is_right(precision: str, dtype: torch.dtype) -> bool:
    """Compile if need be; False for wrong numbers, and for whatever numba or LLVM raise."""
    shape = Shape(
        vocab_size=40, max_length=8, channels=72, heads=4, key_heads=2, head_width=24, norm_eps=1e-5
    )
    rng = torch.Generator().manual_seed(0)

    def plain(outputs: int, inputs: int) -> Plain:
        return Plain(torch.randn(outputs, inputs, generator=rng) / inputs**0.5)

    block = Block(plain(192, 72), plain(72, 96), plain(208, 72), plain(72, 104), gated=True)
    embedding_VC, head = torch.randn(40, 72, generator=rng), plain(40, 72)
    angle_RD = torch.arange(8.0)[:, None] * torch.rand(12, generator=rng)
    turns_RD = torch.polar(torch.ones_like(angle_RD), angle_RD)
    twin = Transformer(shape, embedding_VC, (block,), head, turns_RD, None)
    try:
        net = Compiled(
            precision,
            shape=Shape(**{**vars(shape), "dtype": dtype}),
            embedding_VC=embedding_VC,
            blocks=(block,),
            head=head,
            turns_RD=turns_RD,
            positions_RC=None,
        )
        return _distance(net, twin) < TOLERANCE[precision]
    except Exception:  # whatever is wrong with it, torch's operators serve
        return False


def _distance(net: Compiled, twin: Transformer) -> float:
    tokens_BT = torch.arange(12).reshape(2, 6)
    mine, theirs = (n.extend(tokens_BT, n.new_cache(2, 8)) for n in (net, twin))
    return _finite((mine - theirs).abs().max())


def _finite(x: Tensor) -> float:
    return float(x) if bool(x.isfinite()) else float("inf")
