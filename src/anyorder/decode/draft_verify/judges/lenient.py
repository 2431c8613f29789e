"""Accept more than the target would write: faster, and not exact.

    Lenient(Blockwise(), top=3)                   # a guess among the target's three likeliest
    Lenient(Blockwise(), top=5, gap=1.0)          # of these, at most 1 nat below the likeliest
    Lenient(Blockwise(), distance=2)              # tokens that are numbers: 2 beside the likeliest
    Lenient(Blockwise(), least=2)                 # at least two tokens a call, whatever they are
    Lenient(PromptCopy(), share=0.5)              # where the target is in doubt, more will do

Most drafters may be in it. Where no guess is allowed the target's own token is written.
Source: Stern et al. 2018 (arXiv:1811.03115), section 5 (top-k, distance, minimum block size); Ge et
al. 2022 (arXiv:2205.10350), section 3.2 (top-beta with a tolerance tau); a threshold that adapts to
the entropy: Wang et al. 2025 (arXiv:2505.13204), whose formula is not known here. Ours, `share` of
exp(-H), is the one of Cai et al. 2024 (arXiv:2401.10774), where a fixed probability is enough, too.
Shapes: B rows, C guesses for one place, V vocabulary.
"""

import math
from dataclasses import dataclass, replace
from typing import final

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from anyorder.canvas import GIVEN, Canvas
from anyorder.decode.draft_verify.accept import Decide
from anyorder.decode.draft_verify.decide import Judge, Told, lenient
from anyorder.decode.draft_verify.draft import Draft, Drawn
from anyorder.decode.draft_verify.judges.judging import Judged, Judging
from anyorder.decode.sampling import Sampler


@final
@dataclass(frozen=True)
class Lenient(Judging):
    """Drafts as `by` does, and accepts what is nearly right; not exact.

    `top`: a guess among so many of the target's likeliest tokens, if it is at most `gap` nats below
    the likeliest. `distance`: one whose number is so near to the likeliest one's. `least`: so many
    tokens a call at the least (fewer where there are fewer guesses). `share`: one whose probability
    is at least so much of exp(-H), where H is the entropy of all that the target says there: the
    surer it is, the more it asks. (exp(-H) is 1 where it is quite sure, 1/n among n even tokens.)

    What is guessed counts here. So `by` must guess from the row alone: what remembers the rows of a
    batch together (token recycling), or guesses as much as time allows (auto), is refused. Behind
    cells that were forced nothing is guessed. Raises ValueError.
    """

    top: int = 1
    gap: float = math.inf
    distance: int = 0
    least: int = 1
    share: float = math.inf

    def __post_init__(self) -> None:
        fine = self.top >= 1 and self.gap >= 0 and self.distance >= 0 and self.least >= 1
        if not fine or not self.share > 0:
            raise ValueError(
                "leniency has a top and a least of 1 or more, a gap and a distance of 0 or more, "
                f"and a share above 0: {self}"
            )
        super().__post_init__()

    @property
    def judge(self) -> Judge:
        return self._judge

    def _judge(
        self, decide: Decide, sampler: Sampler, told: Told, drawn: Drawn | None, memory: Judged
    ) -> Decide:
        return lenient(decide, sampler, told, self.allows)

    def allows(
        self, logits_BV: Float[Tensor, "B V"], guess_BC: Int[Tensor, "B C"], written: int
    ) -> Bool[Tensor, "B C"]:
        """Which guesses are nearly right, behind so many tokens of their call: whatever is told of
        the whole vocabulary is told once for all of them.
        """
        guess_BC = guess_BC.to(logits_BV.device)
        said_BC, best_B1 = logits_BV.gather(1, guess_BC), logits_BV.max(-1, keepdim=True)
        possible_BC = said_BC > -math.inf
        if written + 1 < self.least:
            return possible_BC
        near_BC = (best_B1.indices - guess_BC).abs() <= self.distance  # the likeliest at least
        if self.top > 1:
            among_BC = likeliest(logits_BV, self.top).gather(1, guess_BC)
            near_BC = near_BC | (among_BC & (best_B1.values - said_BC <= self.gap))
        if self.share < math.inf:
            near_BC = near_BC | self._typical(logits_BV, guess_BC)
        return near_BC & possible_BC

    def _typical(
        self, logits_BV: Float[Tensor, "B V"], guess_BC: Int[Tensor, "B C"]
    ) -> Bool[Tensor, "B C"]:
        """Which guesses are as probable as a `share` of exp(-H)."""
        logp_BV = logits_BV.float().log_softmax(-1)
        entropy_B1 = torch.special.entr(logp_BV.exp()).sum(-1, keepdim=True)
        return logp_BV.gather(1, guess_BC) >= math.log(self.share) - entropy_B1

    def draft(self, memory: Judged, canvas: Canvas, sampler: Sampler) -> Draft | None:
        draft = super().draft(memory, canvas, sampler)
        if draft is None or draft.drawn is not None:
            return draft
        before_B1 = (canvas.frontier_B - 1).clamp_min(0)[:, None]
        forced_B1 = canvas.status_BN.gather(1, before_B1) == GIVEN
        # what was guessed behind the last token was meant for the cells that were forced
        guesses_K = torch.arange(draft.tokens_BK.shape[1]) < draft.tokens_BK.shape[1] - draft.probes
        return replace(draft, parents_BK=draft.parents_BK.masked_fill(forced_B1 & guesses_K, -2))


def likeliest(logits_BV: Float[Tensor, "B V"], most: int) -> Bool[Tensor, "B V"]:
    """Which tokens are the `most` likeliest; of equal ones the first.

    >>> likeliest(torch.tensor([[1.0, 3.0, 1.0, 2.0]]), 3).int().tolist()
    [[1, 1, 0, 1]]
    """
    last_B1 = logits_BV.topk(min(most, logits_BV.shape[-1])).values[:, -1:]
    above_BV, equal_BV = logits_BV > last_B1, logits_BV == last_B1
    left_B1 = most - above_BV.sum(-1, keepdim=True)
    return above_BV | (equal_BV & (equal_BV.cumsum(-1) <= left_B1))
