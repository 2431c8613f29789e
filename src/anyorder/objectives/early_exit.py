"""Losses for networks whose cells may leave early, at any layer.

    LayerPermutation()                            # pre-training: every cell leaves by chance
    OffRamps()                                    # fine-tuning: every layer tells all cells

    -sum_n log p(y_n | the state of layer l_n of cell n),   l_n drawn evenly from 1 to L

Cells that leave at upper layers see the copied states of those that have left below, on both
sides: so the tokens of one call come to depend on each other, in ever new orders.
In the paper a model is pre-trained to restore damaged texts and fine-tuned on pairs; here it learns
from pairs twice. There the end of a target is a token; here its length is predicted. Of the paper's
two ways to fine-tune this is the one for hard exits: what a layer tells is not read by the next.
Source: Li et al. 2022 (arXiv:2210.13304), sections 3.2 and 3.3, and the authors' code.
Shapes: B rows, N target cells with the one that begins them, X cells of all rows.
"""

from dataclasses import dataclass, replace

import torch
from torch import Generator, Tensor

from anyorder.models.parallel.length_based import LengthTransformer
from anyorder.objectives.batch import Batch, Loss
from anyorder.objectives.length_based import Asked, asked


@dataclass(frozen=True)
class LayerPermutation:
    """Layer permutation language modelling: one exit a cell, drawn anew for every batch."""

    smoothing: float = 0.1
    length_weight: float = 0.1

    @property
    def plain(self) -> "LayerPermutation":
        """Without smoothing."""
        return replace(self, smoothing=0.0)

    def __call__(
        self, model: LengthTransformer, batch: Batch, *, progress: float, rng: Generator
    ) -> Loss:
        made = nothing_shown(model, batch)
        depth = model.sizes.decoder_layers
        exit_BN = torch.randint(1, depth + 1, made.open_BN.shape, generator=rng)

        def leave(number: int, _normed_XC: Tensor, row_X: Tensor, cell_X: Tensor) -> Tensor:
            return exit_BN[row_X, cell_X] == number

        states_BNC = model.climbed(made.begun, leave).states_BMC
        written = made.written(model.logps(states_BNC[made.open_BN]))
        return written.loss(self.smoothing, self.length_weight)


@dataclass(frozen=True)
class OffRamps:
    """The mean over all layers of the cross entropy of what each makes of all cells."""

    smoothing: float = 0.1
    length_weight: float = 0.1

    @property
    def plain(self) -> "OffRamps":
        """Without smoothing."""
        return replace(self, smoothing=0.0)

    def __call__(
        self, model: LengthTransformer, batch: Batch, *, progress: float, rng: Generator
    ) -> Loss:
        made = nothing_shown(model, batch)
        losses = [
            made.written(model.logps(states_BNC[made.open_BN])).loss(
                self.smoothing, self.length_weight
            )
            for states_BNC in model.ramps(made.begun)
        ]
        total = torch.stack([loss.total for loss in losses]).mean()
        return replace(losses[-1], total=total)


def nothing_shown(model: LengthTransformer, batch: Batch) -> Asked:
    """All cells of the targets are to be written."""
    return asked(model, batch, lambda _begun, _target_BN, open_BN: torch.zeros_like(open_BN))
