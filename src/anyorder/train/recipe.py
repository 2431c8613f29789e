"""How a model is trained: everything but the model, the data and the loss.

Recipe(steps=3000, cells=4096, schedule=InverseRoot(peak=2e-3, warmup=400))
"""

from dataclasses import dataclass, field, replace

from anyorder.train.schedule import InverseRoot, Schedule, Until


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Options of `train`.

    `cells`: of a batch, on its longer side, padding included; `accumulate` batches make one step.
    `precision`: "bfloat16" multiplies in it (weights stay in float32), or "float32". `check_every`
    steps the loss on held-out pairs is measured and a snapshot kept; the mean of the last `average`
    snapshots is the model. Training ends early after `patience` checks without a better loss (None:
    never).
    """

    steps: int = 3000
    cells: int = 4096
    accumulate: int = 1
    schedule: Schedule = field(default_factory=InverseRoot)
    weight_decay: float = 0.01
    clip: float = 1.0
    precision: str = "bfloat16"
    check_every: int = 250
    average: int = 5
    patience: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        counts = (self.steps, self.cells, self.accumulate, self.check_every, self.average)
        if min(counts) < 1 or (self.patience is not None and self.patience < 1):
            raise ValueError(f"steps, cells and the like are 1 or more: {self}")
        if self.precision not in ("float32", "bfloat16"):
            raise ValueError(f"training runs in float32 or bfloat16, not in {self.precision}")

    def until(self, steps: int) -> "Recipe":
        """Its first `steps` steps, for an objective that does not change on the way: the model is
        what a training by this recipe has then, without a mean of snapshots.
        """
        schedule = Until(schedule=self.schedule, steps=self.steps)
        return replace(self, steps=steps, schedule=schedule, average=1)
