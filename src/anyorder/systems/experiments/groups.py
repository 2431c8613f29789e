"""Acceptance that is not exact: how many guesses more are kept, and how far from the target it is.

    OnTables({"exact": Grouped(NOBODY, reach=0), "gap 0.15": Grouped(NOBODY)})
    Sampled(kinds=("story",), decoders={"exact": Speculative, "grouped": ByGroups(gap=0.15)})

On tables all is computed: the share of guesses that is kept, and the total variation between what
is written and the target. A language model is drafted for by itself in another precision.
Shapes: V vocabulary.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from jaxtyping import Float64
from torch import Tensor

from anyorder.decode.draft_verify.accept import residual
from anyorder.decode.draft_verify.from_models.speculative import Speculative
from anyorder.decode.draft_verify.judges.grouped import Grouped, kept_share
from anyorder.decode.draft_verify.loop import DraftVerify
from anyorder.decode.generate import generate
from anyorder.models.load import Precision
from anyorder.systems.bench import Bench
from anyorder.systems.experiments.pairs import nats_per_token
from anyorder.systems.experiments.prompted import group_name
from anyorder.systems.experiments.speculation import iid_table
from anyorder.systems.system import Numbers, Part
from anyorder.trace import fold


@dataclass(frozen=True, kw_only=True)
class ByGroups:
    """Makes a decoder of a draft model."""

    width: int = 4
    gap: float = 0.15
    reach: int = 7
    distance: float = float("inf")

    def __call__(self, draft: Any) -> Grouped:
        return Grouped(Speculative(draft, self.width), self.gap, self.reach, self.distance)


@dataclass(frozen=True)
class OnTables:
    """Each seed has `pairs` of random distributions, the target's and the draft's."""

    judges: Mapping[str, Grouped]
    vocab_size: int = 64
    pairs: int = 50
    spread: float = 1.0

    def parts(self, bench: Bench) -> Sequence[Part]:
        return [
            Part(f"groups {s}", s, f"tables of seed {s}", partial(self.measure, bench, s))
            for s in range(bench.seeds)
        ]

    def measure(self, bench: Bench, seed: int) -> Numbers:
        """A row for each judge: `kept`, and `distance` (total variation), means over the pairs."""
        count = bench.reduced(self.pairs, 3)
        found = {name: {"kept": 0.0, "distance": 0.0} for name in self.judges}
        for pair in range(count):
            made = (
                iid_table(10_000 * seed + 2 * pair + i, self.vocab_size, self.spread)
                for i in (0, 1)
            )
            p_V, q_V = (lm.logits_HV[0].double().softmax(-1) for lm in made)
            for name, judge in self.judges.items():
                kept, written_V = outcome(judge, p_V, q_V)
                found[name]["kept"] += kept / count
                found[name]["distance"] += float((written_V - p_V).abs().sum()) / 2 / count
        return found


def outcome(
    judge: Grouped, p_V: Float64[Tensor, " V"], q_V: Float64[Tensor, " V"]
) -> tuple[float, Float64[Tensor, " V"]]:
    """The share of guesses that is kept, and the distribution of what is written."""
    guesses_V = torch.arange(len(p_V))
    p_VV, q_VV = p_V.expand(len(p_V), -1), q_V.expand(len(p_V), -1)
    given_V = q_V * kept_share(p_VV, q_VV, guesses_V, judge.group(p_VV, guesses_V))
    rest_V = residual(p_V[None], q_V[None])[0]
    return float(given_V.sum()), given_V + (1 - given_V.sum()) * rest_V


@dataclass(frozen=True, kw_only=True)
class Sampled:
    """Texts at a temperature, drafted by the same model in `draft_precision`; `decoders`: how, by
    rows. Each seed has its own prompts and its own coins.
    """

    kinds: tuple[str, ...]
    decoders: Mapping[str, Callable[[Any], DraftVerify]]
    draft_precision: Precision = "int8"
    temperature: float = 1.0
    max_new_tokens: int = 96

    def parts(self, bench: Bench) -> Sequence[Part]:
        return [
            Part(
                f"sampled {seed} ({', '.join(self.kinds)})",
                seed,
                group_name(seed, bench.seeds),
                partial(self.measure, bench, seed, list(prompts.values())),
            )
            for seed, prompts in enumerate(bench.prompts(self.kinds))
        ]

    def measure(self, bench: Bench, seed: int, prompts: Sequence[str]) -> Numbers:
        """Tokens a call, and nats a token of the target's own: what it finds improbable."""
        target, draft = bench.language_model(), bench.language_model(self.draft_precision)
        found: dict[str, dict[str, float]] = {}
        for name, make in self.decoders.items():
            outs = [
                generate(
                    target,
                    prompt,
                    decoder=make(draft),
                    max_new_tokens=bench.reduced(self.max_new_tokens, 12),
                    temperature=self.temperature,
                    seed=1000 * seed + number,
                )
                for number, prompt in enumerate(prompts)
            ]
            tokens, calls = (
                sum(getattr(o.cost, what) for o in outs) for what in ("tokens", "calls")
            )
            nats = nats_per_token([fold(out.trace) for out in outs])
            found[name] = {"tokens_per_call": tokens / calls, "nats_per_token": nats}
        return found
