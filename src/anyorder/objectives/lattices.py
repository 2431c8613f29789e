"""The likelihood of targets under a lattice, with glancing or without: what CTC and DAG share.

    loss = lattice_loss(model, batch, likelihood=..., align=..., ratio=0.5, rng=rng)

With glancing the model first writes on its own; then it is shown some cells of the likeliest way
to write the target, and those cells, being given, carry no loss.
Source: Qian et al. 2021 (arXiv:2008.07905), section 3.
Shapes: B rows, M cells.
"""

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Bool, Int
from torch import Generator, Tensor

from anyorder.align.lattice import held
from anyorder.corrupt.glancing import glanced
from anyorder.objectives.batch import Batch, Loss

# (lattice, batch) -> the token of each cell in the likeliest way to write the targets, and which
# cells have one
Align = Callable[[Any, Batch], tuple[Int[Tensor, "B M"], Bool[Tensor, "B M"]]]


def lattice_loss(
    model: Any,
    batch: Batch,
    *,
    likelihood: Callable[[Any, Tensor, Tensor], Tensor],
    align: Align,
    ratio: float,
    rng: Generator,
) -> Loss:
    """- log likelihood of the targets; those that the lattice can't write are counted and left out.

    `ratio`: of the wrong cells of the likeliest way, as many as are shown (0: none).
    """
    begun = model.begin(batch.source_BS, batch.source_B)
    if ratio:
        with torch.no_grad():
            first = model.lattice(begun)
            token_BM, open_BM = align(first, batch)
        wrong_BM = first.logp_BMV.argmax(-1) != token_BM
        shown_BM = glanced(wrong_BM, ratio=ratio, open_BM=open_BM, rng=rng)
        lattice = model.lattice(model.glanced(begun, token_BM, shown_BM))
        lattice = held(lattice, token_BM, shown_BM)
    else:
        lattice = model.lattice(begun)
    with torch.autocast(lattice.logp_BMV.device.type, enabled=False):  # sums need all their bits
        logp_B = likelihood(lattice, batch.target_BN, batch.target_B)
    fits_B = logp_B > -1e8  # a lattice that is held may give an impossible target a little
    notes = {"too long": float((~fits_B).sum())}
    return Loss(-logp_B[fits_B].sum(), int(batch.target_B[fits_B].sum()), notes)
