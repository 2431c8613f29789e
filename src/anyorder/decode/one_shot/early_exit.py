"""Predict the length, then all cells at once, and compute no more layers for cells that are sure.

EarlyExit(entropy=0.5)

A cell leaves the decoder at the first layer whose distribution of tokens has less than `entropy`
nats, and its state is what all layers above see of it. With an entropy of 0 none leaves early.
Source: Li et al. 2022 (arXiv:2210.13304), section 3.3, hard exits.
"""

from dataclasses import dataclass
from typing import ClassVar, final

from anyorder.decode.one_shot.loop import Found, OneShot
from anyorder.decode.one_shot.parallel import Parallel
from anyorder.models.capability import ExitModel


@final
@dataclass(frozen=True)
class EarlyExit(OneShot):
    """As `Parallel` writes, in one call, with fewer layers for most cells."""

    entropy: float = 0.5
    candidates: int = 1

    needs: ClassVar[tuple[type, ...]] = (ExitModel,)

    def __post_init__(self) -> None:
        if not self.entropy >= 0 or self.candidates < 1:
            raise ValueError(f"an entropy is 0 or more, and one length at least is tried: {self}")

    def find(self, model: ExitModel) -> Found:
        return Parallel(self.candidates).find(model.exiting(self.entropy))
