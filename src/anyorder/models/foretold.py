"""What a model foretells of a known target, for training.

    found = model.foretold(source_BS, source_B, target_BN)
    found.ahead_BNHC[:, n, 0]                     # of the second token behind cell n

Shapes: B rows, S source cells, N target cells, H guesses ahead, C channels, V vocabulary.
"""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from jaxtyping import Float, Int
from torch import Tensor


@dataclass(frozen=True)
class Foretold:
    """Features of every cell; those of the second, third, ... token behind it, which alone have
    gradients; and the head that reads both.
    """

    own_BNC: Float[Tensor, "B N C"]
    ahead_BNHC: Float[Tensor, "B N H C"]
    head_VC: Float[Tensor, "V C"]


@runtime_checkable
class Foretells(Protocol):
    """A model whose targets are framed, and which foretells what stands further ahead."""

    bos: int
    eos: int

    def foretold(
        self,
        source_BS: Int[Tensor, "B S"],
        source_B: Int[Tensor, " B"],
        target_BN: Int[Tensor, "B N"],
    ) -> Foretold:
        """Of targets that are known; the model itself drops nothing out and learns nothing."""
        ...
