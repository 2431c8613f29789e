"""Whether kernels work on this device, for networks of this shape: beside torch's operators.

    agree(FUSED, PLAIN, torch.device("cuda"), shape)

Nobody has tried them on all devices: there may be too little memory near the cores for wide heads,
or nothing there that compiles them.
Shapes: N cells, X numbers of a matrix, C channels.
"""

from dataclasses import replace

import torch
from torch import Tensor

from anyorder.masks import Tree
from anyorder.nets.graphed.cells import cells_of
from anyorder.nets.graphed.operators import Operators
from anyorder.nets.transformer import Shape

TREE = Tree(torch.tensor([[-1, 0, 0], [-1, -1, 1]], device="cpu"))
APART = {torch.float32: 1e-3, torch.bfloat16: 0.05}  # of the size of all numbers


def agree(some: Operators, others: Operators, device: torch.device, shape: Shape) -> bool:
    """Compile if need be; False for other numbers, and for what a compiler or a driver raises."""
    try:
        with torch.inference_mode(False), torch.no_grad():
            for tree, normed in ((TREE, False), (None, not shape.centred)):
                told = (_told(each, device, shape, tree, normed) for each in (some, others))
                pairs = zip(*told, strict=True)
                if not all(_near(one, other, APART[shape.dtype]) for one, other in pairs):
                    return False
            return True
    except Exception:  # whatever is wrong with them, torch's operators serve
        return False


def _near(one: Tensor, other: Tensor, apart: float) -> bool:
    one, other = one.double(), other.double()
    return bool((one - other).norm() <= apart * other.norm())


def _told(
    operators: Operators, device: torch.device, shape: Shape, tree: Tree | None, normed: bool
) -> list[Tensor]:
    """All numbers of a few cells below rows of different lengths: of a tree, or of chains, which
    kernels read in another way; `normed`: with norms of each head, as some networks have them.
    """
    rng = torch.Generator().manual_seed(0)
    shape = replace(shape, max_length=512)

    def normal(*size: int, dtype: torch.dtype = shape.dtype) -> Tensor:
        return torch.randn(size, generator=rng, device="cpu").to(device, dtype)

    H, K, D, C = shape.heads, shape.key_heads, shape.head_width, shape.channels
    tokens_BT, length_B = (
        torch.zeros(size, dtype=torch.long, device="cpu") for size in ((2, 3), 2)
    )
    cells = cells_of(length_B + torch.tensor([300, 5], device="cpu"), tokens_BT, tree, shape)
    cells = replace(
        cells,
        numbers_FN=cells.numbers_FN.to(device),
        under_NA=None if cells.under_NA is None else cells.under_NA.to(device),
    )
    memory_2BKRD, x_NC = normal(2, 2, K, 512, D), normal(6, C, dtype=torch.float32)
    normed_NC = operators.add_norm(x_NC, normal(6, C), normal(C, dtype=torch.float32), shape)
    turns = None if shape.centred else normal(shape.max_length, D // 2, 2, dtype=torch.float32)
    qkv_NX = normal(6, (H + 2 * K) * D)
    norms_YD = normal(H + K, D, dtype=torch.float32) if normed else None
    queries_NHD = operators.write(qkv_NX, norms_YD, turns, cells, memory_2BKRD, shape)
    seen_NX = operators.attend(queries_NHD, cells, memory_2BKRD, shape)
    return [x_NC, normed_NC, queries_NHD, memory_2BKRD, seen_NX, operators.gate(normal(6, 2 * C))]
