"""How often what a model nearly said after a token is what it says the next time, by rank.

    Ranks(row="token-recycling", kinds=("story", "question"))

So the shape of a tree is found that is the best for them (`tree_shape.best_first`). Every guess
below the newest token is drafted, and none below those: a flat tree.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from anyorder.decode.draft_verify.from_text.token_recycling import TokenRecycling
from anyorder.decode.generate import generate
from anyorder.models.load import Precision
from anyorder.show.provenance import story
from anyorder.systems.bench import Bench
from anyorder.systems.experiments.prompted import group_name
from anyorder.systems.system import Numbers, Part
from anyorder.trace import Trace


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
        right, drafts = [0] * self.ranks, 0
        for prompt in prompts.values():
            out = generate(
                model,
                prompt,
                decoder=flat,
                max_new_tokens=bench.reduced(self.max_new_tokens, 12),
            )
            found = firsts(out.trace)
            drafts += len(found)
            for first in found:
                if first is not None:
                    right[first] += 1
        shares = {f"rank_{k + 1}": count / max(drafts, 1) for k, count in enumerate(right)}
        return {self.row: shares}


def firsts(trace: Trace) -> list[int | None]:
    """Of each draft of the first row, which of its cells was right below the root, if any."""
    drafts = [frame.draft for frame in story(trace) if frame.draft is not None]
    return [draft.accepted[0] if draft.accepted else None for draft in drafts]
