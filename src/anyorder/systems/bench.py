"""What an experiment works with: models, the number of seeds, and whether it is for real.

    bench = Bench(model="smollm2", seeds=3)
    lm = bench.language_model("int8")

A quick bench has random tables instead of trained models: no weights, no network, seconds.
"""

import shutil
import weakref
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from tempfile import mkdtemp

import torch

from anyorder.models.language_model import LanguageModel
from anyorder.models.load import Precision, load
from anyorder.nets.device import CPU
from anyorder.systems.prompts import groups
from anyorder.systems.tiny import tiny

QUICK_SEEDS = 2


@dataclass(frozen=True, kw_only=True)
class Bench:
    """`model` is what `anyorder.load` takes; each precision of it is loaded once."""

    model: str = "smollm2"
    seeds: int = 3
    quick: bool = False
    device: torch.device = CPU  # where models are trained; all else happens on the CPU
    loaded: dict[str, LanguageModel] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        if self.seeds < 1:
            raise ValueError(f"{self.seeds} seeds measure nothing; give 1 or more")

    def language_model(self, precision: Precision = "float32") -> LanguageModel:
        """The model in this precision. Raises ValueError or OSError as `load` does."""
        if precision not in self.loaded:
            lm = tiny(precision) if self.quick else load(self.model, precision=precision)
            if not isinstance(lm, LanguageModel):
                raise ValueError(f"{self.model} is no language model, and this system needs one")
            self.loaded[precision] = lm
        return self.loaded[precision]

    @cached_property
    def scratch(self) -> Path | None:
        """Where a quick run trains: a folder that vanishes with the bench. None: kept for later."""
        if not self.quick:
            return None
        folder = Path(mkdtemp(prefix="anyorder-quick-"))
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        return folder

    def prompts(self, kinds: Sequence[str]) -> list[dict[str, str]]:
        """A group of prompts for each seed, by name; in a quick run one of each kind."""
        return groups(kinds, self.seeds, each=1 if self.quick else None)

    def reduced(self, full: int, quick: int) -> int:
        """How much of something: tokens, repeats, steps."""
        return quick if self.quick else full
