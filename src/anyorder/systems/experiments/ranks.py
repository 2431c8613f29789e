"""How often guesses are right, by rank: so the shape of a tree is found that is the best for them.

    Ranks(row="token-recycling", kinds=("story", "question"))
    RanksOfPair(row="draft model", pair=DraftPair(...), made={"fixed tree": FixedTree})

`Ranks`: what a model nearly said after a token, and what it says the next time. Every guess below
the newest token is drafted, and none below those: a flat tree. `RanksOfPair`: what a draft model
says, and what the target writes. The shape is that of `tree_shape.best_first`.
Shapes: B rows, N cells, V vocabulary.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import accumulate

import torch

from anyorder.canvas import DONE, Canvas
from anyorder.decode.draft_verify.from_text.token_recycling import TokenRecycling
from anyorder.decode.draft_verify.loop import DraftVerify
from anyorder.decode.generate import generate
from anyorder.decode.left_to_right.plain import LeftToRight
from anyorder.models.capability import CausalLM
from anyorder.models.load import Precision
from anyorder.show.provenance import story
from anyorder.systems.bench import Bench
from anyorder.systems.experiments.pairs import DraftPair
from anyorder.systems.experiments.prompted import group_name
from anyorder.systems.system import Numbers, Part
from anyorder.trace import Trace, fold


@dataclass(frozen=True, kw_only=True)
class Ranks:
    """`row` gets `rank_1` to `rank_<ranks>`: of the calls that checked a draft, the share in which
    the guess of this rank was right. A seed stands for a group of prompts.
    """

    row: str
    kinds: tuple[str, ...]
    ranks: int = 8
    max_new_tokens: int = 96
    precision: Precision = "float32"

    def parts(self, bench: Bench) -> Sequence[Part]:
        return [
            Part(
                f"ranks {seed} ({', '.join(self.kinds)}, {self.precision})",
                seed,
                group_name(seed, bench.seeds),
                partial(self.measure, bench, prompts),
            )
            for seed, prompts in enumerate(bench.prompts(self.kinds))
        ]

    def measure(self, bench: Bench, prompts: Mapping[str, str]) -> Numbers:
        """One row."""
        model = bench.language_model(self.precision)
        flat = TokenRecycling(size=self.ranks, rank_odds=(1 / (self.ranks + 1),) * self.ranks)
        found: list[int | None] = []
        for prompt in prompts.values():
            out = generate(
                model,
                prompt,
                decoder=flat,
                max_new_tokens=bench.reduced(self.max_new_tokens, 12),
            )
            found += firsts(out.trace)
        return {self.row: shares(found, self.ranks)}


def firsts(trace: Trace) -> list[int | None]:
    """Of each draft of the first row, which of its cells was right below the root, if any."""
    drafts = [frame.draft for frame in story(trace) if frame.draft is not None]
    return [draft.accepted[0] if draft.accepted else None for draft in drafts]


@dataclass(frozen=True, kw_only=True)
class RanksOfPair:
    """`row` gets `rank_1` to `rank_<ranks>`: of the `tokens` that the target writes, but the first
    of a text, the share that was the draft model's guess of this rank. The pair's own decoders are
    measured, and those that are `made` of the odds that were counted with this seed, on the very
    sources that they read then.
    """

    row: str
    pair: DraftPair
    made: Mapping[str, Callable[..., DraftVerify]]
    ranks: int = 8

    def parts(self, bench: Bench) -> Sequence[Part]:
        return [
            replace(part, name=f"ranks of {part.name}", run=partial(self.measure, bench, part.seed))
            for part in self.pair.parts(bench)
        ]

    def measure(self, bench: Bench, seed: int) -> Numbers:
        """The row of ranks, and one for each decoder."""
        found: list[int] = []
        pair = self.pair.opened(bench, seed)
        for trace, draft in self.pair.runs(pair, seed, lambda _: LeftToRight()):
            found += told(draft, fold(trace))
        odds = falling(found, self.ranks)
        made = {name: partial(make, rank_odds=odds) for name, make in self.made.items()}
        rows = replace(self.pair, decoders={**self.pair.decoders, **made}).measure(bench, seed)
        return {self.row: {"tokens": len(found), **shares(found, self.ranks)}, **rows}


def told(model: CausalLM, canvas: Canvas) -> list[int]:
    """Of all that was written, but the first token of a text: how many tokens the model finds
    likelier in its place.
    """
    tokens_BN, written_BN = canvas.tokens_BN, canvas.status_BN == DONE
    with torch.inference_mode():
        logits_BNV = model.extend(tokens_BN, model.new_cache(*tokens_BN.shape)).cpu()[:, :-1]
    own_BN1 = logits_BNV.gather(2, tokens_BN[:, 1:, None])
    likelier_BN = (logits_BNV > own_BN1).sum(-1)
    return likelier_BN[written_BN[:, :-1] & written_BN[:, 1:]].tolist()


def shares(found: Sequence[int | None], ranks: int) -> dict[str, float]:
    """In which share of the cases the guess of each rank was right.

    >>> shares([0, None, 0, 1], 2)
    {'rank_1': 0.5, 'rank_2': 0.25}
    """
    return {f"rank_{k + 1}": found.count(k) / max(len(found), 1) for k in range(ranks)}


def falling(found: Sequence[int], ranks: int) -> tuple[float, ...]:
    """These shares as a tree wants them: above 0, falling, and less than 1 in all. Each rank, and
    all others together, begin with half a case.

    >>> falling([0, 0, 0, 2, 5], 3)
    (0.5, 0.07142857142857142, 0.07142857142857142)
    """
    odds = [(found.count(k) + 0.5) / (len(found) + (ranks + 1) / 2) for k in range(ranks)]
    return tuple(accumulate(odds, min))
