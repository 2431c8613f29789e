"""Two models of one task, the one drafting for the other: what each way to draft writes a call.

    DraftPair(Translate("de"), target=MIDDLE, draft=EARLY, decoders={"one": Speculative})

The models are trained by the school, a pair for each seed. Both read the same sources, so each
seed's decoders meet the same texts. Speed is not asked: a draft of the target's own size is slow.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import fmean
from typing import Any

import torch

from anyorder.canvas import DONE, Canvas
from anyorder.data.pairs import Example
from anyorder.data.tasks import Task
from anyorder.decode.draft_verify.loop import DraftVerify
from anyorder.decode.run import Decoder, run
from anyorder.decode.sampling import Coins, Sampler, Sampling
from anyorder.decode.stops import Stops
from anyorder.models.capability import CausalLM
from anyorder.models.translator import Translator
from anyorder.systems.bench import Bench
from anyorder.systems.experiments.school import LAPTOP, NARROW, Way, schooled, stands_for
from anyorder.systems.system import Numbers, Part
from anyorder.trace import Trace, fold


@dataclass(frozen=True)
class Opened:
    """Two models of a task, what they are to read, and how many tokens they write at the most."""

    target: Translator
    draft: Translator
    task: Task
    examples: Sequence[Example]
    most: int


@dataclass(frozen=True, kw_only=True)
class DraftPair:
    """`decoders`: how the draft model is used, by rows; each is given it. `temperature` of both.

    `judged`: what is written is scored, too, as the task scores it, and by the target: nats a token
    (where a decoder is not exact).
    """

    task: Task
    target: Way
    draft: Way
    decoders: Mapping[str, Callable[[Any], DraftVerify]]
    temperature: float = 1.0
    sources: int = 200
    batch: int = 25
    judged: bool = False

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
        pair = self.opened(bench, seed)
        found: dict[str, dict[str, float]] = {}
        for name, make in self.decoders.items():
            lengths: list[int] = []
            cells = drafted = 0
            ends: list[Canvas] = []
            for trace, _ in self.runs(pair, seed, make):
                lengths += [count for step in trace.steps for count in step.written.values()]
                ends.append(fold(trace))
                cells, drafted = cells + trace.cost.cells, drafted + trace.cost.draft_calls
            found[name] = {
                "tokens_per_call": fmean(lengths),
                "cells_per_token": cells / sum(lengths),
                "draft_calls": drafted,
            }
            if self.judged:
                rows = [(end, row) for end in ends for row in range(len(end.live_B))]
                texts = [written(pair.target, *row) for row in rows]
                scores = pair.task.scores(texts, pair.examples)
                found[name] |= {"nats_per_token": nats_per_token(ends), **scores}
        return found

    def opened(self, bench: Bench, seed: int) -> Opened:
        """The models of a seed, trained if they were not before, and what they are to read."""
        school = schooled(bench, self.task, NARROW, LAPTOP, seed)
        target, draft = school.translator(self.target), school.translator(self.draft)
        examples = school.task.splits().test[: bench.reduced(self.sources, 4)]
        examples = [each for each in examples if target.reads(each.source)]
        return Opened(target, draft, school.task, examples, bench.reduced(100, 8))

    def runs(
        self, pair: Opened, seed: int, make: Callable[[Any], Decoder]
    ) -> Iterator[tuple[Trace, CausalLM]]:
        """What the target writes, batch by batch; and the draft model, as it has read the sources
        of the batch, of which `make` made the decoder.
        """
        sources, target = [each.source for each in pair.examples], pair.target
        for at in range(0, len(sources), self.batch):
            part = sources[at : at + self.batch]
            model, canvas = target.begin(part, max_new_tokens=pair.most)
            draft, _ = pair.draft.begin(part, max_new_tokens=pair.most)
            seeds = range(1000 * seed + at, 1000 * seed + at + len(part))
            coins = Coins.of_seeds(seeds, cells=canvas.tokens_BN.shape[1])
            sampler = Sampler(Sampling(temperature=self.temperature), coins, target.eos_ids)
            yield run(make(draft), model, canvas, sampler, Stops(target.eos_ids)), draft


def written(translator: Translator, canvas: Canvas, row: int) -> str:
    """The text of a row: what stands behind its first cell."""
    return translator.units.decode(canvas.row(row)[1:])


def nats_per_token(ends: Sequence[Canvas]) -> float:
    """How improbable the target finds what was written, at temperature 1: the mean over tokens."""
    logprobs = [end.logprobs_BN[end.status_BN == DONE] for end in ends]
    return -float(torch.cat(logprobs).double().mean())
