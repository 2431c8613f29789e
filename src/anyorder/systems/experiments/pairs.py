"""Two models of one task, the one drafting for the other: what each way to draft writes a call.

    DraftPair(Translate("de"), target=MIDDLE, draft=EARLY, decoders={"one": Speculative})

The models are trained by the school, a pair for each seed. Both read the same sources, so each
seed's decoders meet the same texts. Speed is not asked: a draft of the target's own size is slow.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import fmean
from typing import Any

from anyorder.data.tasks import Task
from anyorder.decode.draft_verify.loop import DraftVerify
from anyorder.decode.run import run
from anyorder.decode.sampling import Coins, Sampler, Sampling
from anyorder.decode.stops import Stops
from anyorder.systems.bench import Bench
from anyorder.systems.experiments.school import LAPTOP, NARROW, Way, schooled, stands_for
from anyorder.systems.system import Numbers, Part


@dataclass(frozen=True, kw_only=True)
class DraftPair:
    """`decoders`: how the draft model is used, by rows; each is given it. `temperature` of both."""

    task: Task
    target: Way
    draft: Way
    decoders: Mapping[str, Callable[[Any], DraftVerify]]
    temperature: float = 1.0
    sources: int = 200
    batch: int = 25

    def parts(self, bench: Bench) -> Sequence[Part]:
        return [
            Part(
                f"pair {seed}",
                seed,
                partial(self.trained_on, bench, seed),
                partial(self.measure, bench, seed),
            )
            for seed in range(bench.seeds)
        ]

    def trained_on(self, bench: Bench, seed: int) -> str:
        """What a seed stands for."""
        school = schooled(bench, self.task, NARROW, LAPTOP, seed)
        return stands_for(school, (self.target, self.draft))

    def measure(self, bench: Bench, seed: int) -> Numbers:
        """Tokens that a call of the target writes into a text, cells that it reads for each, and
        all calls of the draft model.
        """
        school = schooled(bench, self.task, NARROW, LAPTOP, seed)
        target, draft = school.translator(self.target), school.translator(self.draft)
        examples = school.task.splits().test[: bench.reduced(self.sources, 4)]
        sources = [each.source for each in examples if target.reads(each.source)]
        most = bench.reduced(100, 8)
        found: dict[str, dict[str, float]] = {}
        for name, make in self.decoders.items():
            lengths: list[int] = []
            cells = drafted = 0
            for at in range(0, len(sources), self.batch):
                part = sources[at : at + self.batch]
                model, canvas = target.begin(part, max_new_tokens=most)
                decoder = make(draft.begin(part, max_new_tokens=most)[0])
                seeds = range(1000 * seed + at, 1000 * seed + at + len(part))
                coins = Coins.of_seeds(seeds, cells=canvas.tokens_BN.shape[1])
                sampler = Sampler(Sampling(temperature=self.temperature), coins, target.eos_ids)
                trace = run(decoder, model, canvas, sampler, Stops(target.eos_ids))
                lengths += [count for step in trace.steps for count in step.written.values()]
                cells, drafted = cells + trace.cost.cells, drafted + trace.cost.draft_calls
            found[name] = {
                "tokens_per_call": fmean(lengths),
                "cells_per_token": cells / sum(lengths),
                "draft_calls": drafted,
            }
        return found
