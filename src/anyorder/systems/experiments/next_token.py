"""How well models say the next token of held-out references, beside what they write.

    NextToken(Translate("de"), {"left to right": Asked(DEEP), "block of 4": Asked(TANDEM, block=4)})

The models are those of the school, as in `Trained`; the rows may be rows of that.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from anyorder.data.tasks import Task
from anyorder.nets.layers import Width
from anyorder.systems.bench import Bench
from anyorder.systems.experiments.school import LAPTOP, NARROW, Way, schooled, stands_for
from anyorder.systems.system import Numbers, Part
from anyorder.train.next_token import next_tokens
from anyorder.train.recipe import Recipe


@dataclass(frozen=True)
class Asked:
    """The model of a way; `block`: the small model of a tandem, in blocks of so many tokens."""

    way: Way
    block: int | None = None


@dataclass(frozen=True)
class NextToken:
    """`asked` by their rows. `nats_per_token` and `next_token_accuracy` (a share) of `test` pairs
    held out (None: all), told the reference up to each token.
    """

    task: Task
    asked: Mapping[str, Asked]
    recipe: Recipe = LAPTOP
    width: Width = NARROW
    test: int | None = 2000

    def parts(self, bench: Bench) -> Sequence[Part]:
        """One a seed."""
        return [
            Part(
                f"{self.task.name}: next tokens {seed}",
                seed,
                partial(self.trained_on, bench, seed),
                partial(self.measure, bench, seed),
            )
            for seed in range(bench.seeds)
        ]

    def trained_on(self, bench: Bench, seed: int) -> str:
        """What a seed stands for."""
        school = schooled(bench, self.task, self.width, self.recipe, seed)
        return stands_for(school, [asked.way for asked in self.asked.values()])

    def measure(self, bench: Bench, seed: int) -> Numbers:
        """The numbers of all rows."""
        school = schooled(bench, self.task, self.width, self.recipe, seed)
        examples = school.task.splits().test[: 5 if bench.quick else self.test]
        found: dict[str, dict[str, float]] = {}
        for name, asked in self.asked.items():
            told = next_tokens(school.translator(asked.way), examples, block=asked.block)
            found[name] = {"nats_per_token": told.nats, "next_token_accuracy": told.right}
        return found
