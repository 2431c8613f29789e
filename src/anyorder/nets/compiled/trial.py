"""Whether compiled code works here: two small random networks, beside their plain twins.

    is_right("int8", torch.float32)

A processor on which nobody has tried the inner loops may compile them wrongly, or not at all.
The one network is like Qwen 3: a Llama whose queries and keys have norms. The other is like GPT-2,
with heads so wide and so many in a group, and texts so long, that the loops for many run too; a
tree hangs below rows of different lengths.
Shapes: B rows, T cells, V vocabulary, C channels.
"""

from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from anyorder.masks import Tree
from anyorder.nets.compiled.network import Compiled
from anyorder.nets.linear import Plain
from anyorder.nets.network import Network
from anyorder.nets.transformer import Block, Shape, Transformer

TOLERANCE = {"float32": 1e-4, "bfloat16": 0.1, "int8": 0.1}  # logits are about 1
QWEN3 = Shape(
    vocab_size=40, max_length=8, channels=72, heads=4, key_heads=2, head_width=24, norm_eps=1e-5
)
GPT2 = replace(QWEN3, max_length=96, heads=4, key_heads=1, head_width=64, centred=True)


def is_right(precision: str, dtype: torch.dtype) -> bool:
    """Compile if need be; False for wrong numbers, and for whatever numba or LLVM raise."""
    try:
        with torch.device("cpu"):
            apart = [_distance(shape, precision, dtype) for shape in SAID]
        return max(apart) < TOLERANCE[precision]
    except Exception:  # whatever is wrong with it, torch's operators serve
        return False


def _distance(shape: Shape, precision: str, dtype: torch.dtype) -> float:
    rng = torch.Generator().manual_seed(0)

    def normal(*size: int) -> Tensor:
        return torch.randn(size, generator=rng, dtype=torch.float32)

    def plain(outputs: int, inputs: int) -> Plain:
        bias_O = normal(outputs) if shape.centred else None
        return Plain(normal(outputs, inputs) / inputs**0.5, bias_O)

    C, gated, rotary = shape.channels, not shape.centred, shape.head_width // 2
    H, K = (heads * shape.head_width for heads in (shape.heads, shape.key_heads))
    block = Block(
        plain(H + 2 * K, C), plain(C, H), plain(208, C), plain(C, 104 if gated else 208), gated
    )
    if gated:
        block = replace(block, head_norms=normal(shape.heads + shape.key_heads, shape.head_width))
    positions_RC, angle_RD = normal(shape.max_length, C), normal(shape.max_length, rotary)
    parts = {
        "embedding_VC": normal(shape.vocab_size, C),
        "blocks": (block,),
        "head": plain(shape.vocab_size, C),
        "turns_RD": torch.polar(torch.ones_like(angle_RD), angle_RD) if gated else None,
        "positions_RC": None if gated else positions_RC,
    }
    net = Compiled(precision, shape=replace(shape, dtype=dtype), **parts)
    apart = SAID[shape](net) - SAID[shape](Transformer(shape, **parts))
    return float(apart.abs().max()) if bool(apart.isfinite().all()) else float("inf")


def _at_once(net: Network) -> Float[Tensor, "B T V"]:
    tokens_BT = torch.arange(12).reshape(2, 6)
    return net.extend(tokens_BT, net.new_cache(2, 8))


def _below(net: Network) -> Float[Tensor, "B T V"]:
    """A tree below 66 cells of one row and 20 of the other."""
    cache, at_T = net.new_cache(2, 80), torch.arange(66)
    net.extend(torch.stack([at_T % 40, at_T * 7 % 40]), cache)
    cache.keep(at_T.expand(2, 66), torch.tensor([66, 20]))
    tree = Tree(torch.tensor([[-1, 0, 0, 1, -1]]))
    return net.extend(torch.arange(10).reshape(2, 5), cache, tree=tree)


SAID = {QWEN3: _at_once, GPT2: _below}
