"""What an objective is given, and what it gives back.

    loss = objective(model, batch, progress=0.3, rng=generator)
    (loss.total / loss.units).backward()

Shapes: B rows, S source cells, N target cells.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from jaxtyping import Float, Int
from torch import Generator, Tensor


@dataclass(frozen=True)
class Batch:
    """Pairs of token rows, padded on the right; targets have no token that begins or ends them.

    Where an objective asks: `fertility_BS`, how many target tokens come from each source token;
    `origin_BN`, the place in the source that each target token comes from (-1: none).
    """

    source_BS: Int[Tensor, "B S"]
    source_B: Int[Tensor, " B"]
    target_BN: Int[Tensor, "B N"]
    target_B: Int[Tensor, " B"]
    fertility_BS: Int[Tensor, "B S"] | None = None
    origin_BN: Int[Tensor, "B N"] | None = None


@dataclass(frozen=True)
class Loss:
    """A sum over `units` (target tokens), so that the losses of several batches may be added.

    `notes` are sums too, for the log: "too long" counts targets that no canvas could hold, which
    are left out of the sum.
    """

    total: Float[Tensor, ""]
    units: int
    notes: Mapping[str, float] = field(default_factory=dict)


@runtime_checkable
class Objective(Protocol):
    """A frozen dataclass of options, called as a function.

    `progress` is the part of the training that is done (0 to 1), for what changes on the way;
    `rng` is the only source of chance beside dropout.
    """

    @property
    def plain(self) -> "Objective":
        """The same without what is for training alone (smoothing, glancing): for held-out pairs."""
        ...

    def __call__(self, model: Any, batch: Batch, *, progress: float, rng: Generator) -> Loss: ...


@runtime_checkable
class MayFreeze(Protocol):
    """An objective that can leave all as it was that the model had before its own parts came."""

    @property
    def frozen(self) -> bool:
        """Whether it does."""
        ...


@runtime_checkable
class LearnsFrequent(Protocol):
    """An objective whose model is to know, before it learns, which tokens are frequent."""

    def learn_frequent(self, model: Any, targets: Iterable[Sequence[int]]) -> None:
        """Let the model note them, in the targets that are to be learnt."""
        ...


@runtime_checkable
class ReadsWhatItWrites(Protocol):
    """An objective that reads targets as sources: both sides must have one vocabulary."""

    @property
    def one_vocabulary(self) -> bool:
        """True; an objective that reads sources alone does not have it."""
        ...
