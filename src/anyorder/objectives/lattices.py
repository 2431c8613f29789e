"""The likelihood of targets under a lattice, with glancing or without: what CTC and DAG share.

    class CTC(LatticeLikelihood): ...             # says how targets are aligned and summed
    loss = lattice_loss(model, batch, likelihood=..., align=..., ratio=0.5, rng=rng)

With glancing the model first writes on its own; then it is shown some cells of the likeliest way
to write the target, and those cells, being given, carry no loss.
Source: Qian et al. 2021 (arXiv:2008.07905), section 3.
Shapes: B rows, M cells, N target cells.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, final

import torch
from jaxtyping import Bool, Float, Int
from torch import Generator, Tensor

from anyorder.align.lattice import held
from anyorder.corrupt.glancing import Glancing, glanced
from anyorder.objectives.batch import Batch, Loss

# (lattice, batch) -> the token of each cell in the likeliest way to write the targets, and which
# cells have one
Align = Callable[[Any, Batch], tuple[Int[Tensor, "B M"], Bool[Tensor, "B M"]]]

# (lattice, targets, their lengths) -> log P of each target
Likelihood = Callable[[Any, Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class LatticeLikelihood(ABC):
    """- log P(target), plain or with glancing. Subclasses are frozen dataclasses without more."""

    glancing: Glancing | None = None

    @abstractmethod
    def likelihood(
        self, lattice: Any, target_BN: Int[Tensor, "B N"], target_B: Int[Tensor, " B"]
    ) -> Float[Tensor, " B"]:
        """log P of each target; -inf where the lattice can't write it."""

    @abstractmethod
    def aligned(self, lattice: Any, batch: Batch) -> tuple[Int[Tensor, "B M"], Bool[Tensor, "B M"]]:
        """See `Align`."""

    @final
    @property
    def plain(self) -> "LatticeLikelihood":
        """Without glancing."""
        return type(self)()

    @abstractmethod
    def framed(self, model: Any, batch: Batch) -> Batch:
        """The targets as the lattice is to write them."""

    @final
    def __call__(self, model: Any, batch: Batch, *, progress: float, rng: Generator) -> Loss:
        return lattice_loss(
            model,
            self.framed(model, batch),
            likelihood=self.likelihood,
            align=self.aligned,
            ratio=self.glancing.ratio(progress) if self.glancing else 0.0,
            rng=rng,
        )


def lattice_loss(
    model: Any,
    batch: Batch,
    *,
    likelihood: Likelihood,
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
    return told(lattice, batch, likelihood=likelihood)


def told(lattice: Any, batch: Batch, *, likelihood: Likelihood) -> Loss:
    """- log likelihood of the targets that the lattice can write; the others are counted."""
    with torch.autocast(lattice.logp_BMV.device.type, enabled=False):  # sums need all their bits
        logp_B = likelihood(lattice, batch.target_BN, batch.target_B)
    fits_B = ~(logp_B <= -1e8)  # held cells leave an impossible target a little
    notes = {"too long": float((~fits_B).sum())}
    return Loss(-logp_B[fits_B].sum(), int(batch.target_B[fits_B].sum()), notes)
