"""Texts with holes: one model that is told any of the cells, read in several ways.

    Infilled(task=Translate("de"), ways={"drafts": Way("any-subset"), ...}, beside="one by one")

Of each text that was held out a share of the tokens is hidden, and written anew at temperature 1.
How likely that is the model itself says, cell by cell in its own order, in one call over the whole
text. Shapes: N cells, Q cells that are asked about, X written cells of all rows.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from statistics import fmean, median
from typing import Any

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from anyorder.canvas import DONE, OPEN, Canvas
from anyorder.data.tasks import Task
from anyorder.decode.catalogue import parse
from anyorder.decode.in_order.any_subset import Next
from anyorder.decode.run import Decoder, run
from anyorder.decode.sampling import Coins, Sampler, Sampling
from anyorder.meter import Cost
from anyorder.models.holes import Parts, size, with_holes
from anyorder.models.translator import Translator
from anyorder.nets.layers import Width
from anyorder.systems.bench import Bench
from anyorder.systems.experiments.school import LAPTOP, NARROW, School, Way, schooled, stands_for
from anyorder.systems.system import Numbers, Part
from anyorder.trace import Trace, fold
from anyorder.train.recipe import Recipe
from anyorder.units.special import BOS, EOS


@dataclass(frozen=True, kw_only=True)
class Infilled:
    """`ways` by the rows that they belong to; `beside` is the row that others are compared with.

    `hidden`: the share of tokens. Metrics, of `texts` texts: `nats_per_token` of what was written,
    `nats_above` those of `beside`, `entropy` of the tokens of a text; of `timed` texts, each alone,
    `calls`, `tokens_per_call`, `calls_per_token` of the text with most, `latency_ms`, and
    `per_second` with `batch` of them at once.
    """

    task: Task
    ways: Mapping[str, Way]
    beside: str
    hidden: float = 0.6
    recipe: Recipe = LAPTOP
    width: Width = NARROW
    texts: int = 1500
    timed: int = 200
    batch: int = 50

    def parts(self, bench: Bench) -> Sequence[Part]:
        """Two a seed."""
        found: list[Part] = []
        for seed in range(bench.seeds):
            told = partial(self.trained_on, bench, seed)
            for name, act in (("texts", self.quality), ("speed", self.speed)):
                done = partial(act, bench, seed)
                found.append(Part(f"{self.task.name}, holes: {name} {seed}", seed, told, done))
        return found

    def trained_on(self, bench: Bench, seed: int) -> str:
        """What a seed stands for."""
        return stands_for(self.school(bench, seed), list(self.ways.values()))

    def quality(self, bench: Bench, seed: int) -> Numbers:
        """Train, if that was not done, and fill all holes in all ways, with the same coins."""
        fillers = self.fillers(bench, seed)
        prompts = self.prompts(bench, seed, bench.reduced(self.texts, 6))
        found = {name: dict[str, float]() for name in fillers}
        for name, filler in fillers.items():
            nats, entropies = list[Tensor](), list[float]()
            for at in range(0, len(prompts), self.batch):
                part = prompts[at : at + self.batch]
                trace = filler.fill(part, first_seed=10_000 * seed + at)
                end = fold(trace)
                nats.append(nats_of(filler.translator.net, trace.start, end))
                entropies += [entropy(end.row(row)) for row in range(len(part))]
            found[name]["nats_per_token"] = float(torch.cat(nats).mean())
            found[name]["entropy"] = fmean(entropies)
        for row in found.values():
            row["nats_above"] = row["nats_per_token"] - found[self.beside]["nats_per_token"]
        return found

    def speed(self, bench: Bench, seed: int) -> Numbers:
        """Of texts that stand alone, and of batches; with each of them another way is the first."""
        fillers = self.fillers(bench, seed)
        prompts = self.prompts(bench, seed, bench.reduced(self.timed, 5))
        single = _in_turns(fillers, [[prompt] for prompt in (*prompts[:1], *prompts)])
        prompts.sort(key=size)
        together = [prompts[at : at + self.batch] for at in range(0, len(prompts), self.batch)]
        batches = _in_turns(fillers, together)
        rows: dict[str, dict[str, float]] = {}
        for name in fillers:
            costs = single[name][1:]  # the first call sets things up
            calls, tokens = (sum(getattr(x, of) for x in costs) for of in ("calls", "tokens"))
            rows[name] = {
                "calls": calls / len(costs),
                "tokens_per_call": tokens / calls,
                "calls_per_token": max(cost.calls / cost.tokens for cost in costs),
                "latency_ms": 1e3 * median(cost.seconds for cost in costs),
                "per_second": len(prompts) / sum(cost.seconds for cost in batches[name]),
            }
        return rows

    def school(self, bench: Bench, seed: int) -> School:
        """Where the models of a seed are trained."""
        return schooled(bench, self.task, self.width, self.recipe, seed)

    def fillers(self, bench: Bench, seed: int) -> dict[str, "Filler"]:
        """The models of a seed with their decoders."""
        school = self.school(bench, seed)
        return {
            name: Filler.of(school.translator(way), school.decoder(way))
            for name, way in self.ways.items()
        }

    def prompts(self, bench: Bench, seed: int, count: int) -> list[Parts]:
        """Held-out texts with holes; each seed hides other tokens."""
        school, rng = self.school(bench, seed), Generator().manual_seed(seed)
        units = school.translator(self.ways[self.beside]).units
        texts = [each.targets[0] for each in school.task.splits().test[:count]]
        return [hidden(units.plain(text), self.hidden, rng) for text in texts]


@dataclass(frozen=True)
class Filler:
    """A model, and how it is read."""

    translator: Translator
    decoder: Decoder

    @staticmethod
    def of(translator: Translator, decoder: Decoder | str | None) -> "Filler":
        """With the decoder that suits it, where none is named."""
        chosen = decoder or translator.decoder
        return Filler(translator, parse(chosen) if isinstance(chosen, str) else chosen)

    def fill(self, prompts: Sequence[Parts], *, first_seed: int = 0) -> Trace:
        """Write into the holes at temperature 1."""
        canvas = with_holes(prompts, bos=BOS, eos=EOS, new_cells=[0] * len(prompts))
        assert canvas.tokens_BN.shape[1] <= self.translator.longest, "no text is cut"
        seeds = range(first_seed, first_seed + len(prompts))
        coins = Coins.of_seeds(seeds, cells=canvas.tokens_BN.shape[1])
        sampler = Sampler(Sampling(temperature=1.0), coins)
        return run(self.decoder, self.translator.net.eval(), canvas, sampler)


def _in_turns(
    fillers: Mapping[str, Filler], batches: Sequence[Sequence[Parts]]
) -> dict[str, list[Cost]]:
    """What each batch has cost each filler."""
    names, costs = list(fillers), {name: list[Cost]() for name in fillers}
    for number, batch in enumerate(batches):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            costs[name].append(fillers[name].fill(batch).cost)
    return costs


def hidden(row: Sequence[int], share: float, rng: Generator) -> Parts:
    """These tokens, of which a share is hidden, one at the least. They never become a text, which
    another tokenisation might follow.
    """
    many = max(1, round(share * len(row)))
    gone = set(torch.randperm(len(row), generator=rng)[:many].tolist())
    runs = groupby(enumerate(row), key=lambda cell: cell[0] in gone)
    return [len(list(run)) if is_hole else [token for _, token in run] for is_hole, run in runs]


@torch.no_grad()
def nats_of(model: Any, start: Canvas, end: Canvas) -> Float[Tensor, " X"]:
    """- log p of each token that was written, told those that were given and those before it."""
    to = Next.of(start, start.tokens_BN.shape[1])
    cells_BQ = to.cells_BW
    logits_BQV = model.among(end.tokens_BN, to.rank_BN, cells_BQ, to.rank_BN.gather(1, cells_BQ))
    right_BQ1 = end.tokens_BN.gather(1, cells_BQ)[..., None]
    nats_BQ = -logits_BQV.double().log_softmax(-1).gather(-1, right_BQ1)[..., 0]
    written_BN = (start.status_BN == OPEN) & (end.status_BN == DONE)
    return nats_BQ[to.inside_BW & written_BN.gather(1, cells_BQ)]


def entropy(tokens: Sequence[int]) -> float:
    """Of the tokens of a text, in nats: low where it repeats itself.

    >>> entropy([5, 6]), entropy([5, 5])
    (0.6931471805599453, -0.0)
    """
    counts = Counter(tokens).values()
    return -sum(n / len(tokens) * math.log(n / len(tokens)) for n in counts)
