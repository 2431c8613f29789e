"""Copy from the text so far: find its last n tokens earlier on, and draft what came after them.

    PromptCopy(ngram=3, width=10)

Source: prompt lookup decoding (Saxena 2023, github.com/apoorvumang/prompt-lookup-decoding).
Shapes: B rows, N canvas cells, K drafted cells.
"""

from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Int
from torch import Tensor

from anyorder.canvas import Canvas
from anyorder.decode.draft_verify.draft import Draft, Seen
from anyorder.decode.draft_verify.from_text.ngrams import NGrams
from anyorder.decode.draft_verify.loop import DraftVerify
from anyorder.decode.sampling import Sampler
from anyorder.models.capability import CausalLM


@final
@dataclass(frozen=True)
class PromptCopy(DraftVerify):
    """Drafts `width` tokens after the latest earlier place that ends in the same n-gram.

    Longer n-grams are tried first, from `ngram` down to `shortest`. No match: no draft.
    """

    ngram: int = 3
    width: int = 10
    shortest: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.shortest <= self.ngram or self.width < 1:
            raise ValueError("prompt copy needs 1 <= shortest <= ngram and a width of at least 1")

    @property
    def most_drafted(self) -> int:
        return self.width

    def begin(self, model: CausalLM, canvas: Canvas, sampler: Sampler) -> NGrams:
        return NGrams(batch=len(canvas.tokens_BN), longest=self.ngram, shortest=self.shortest)

    def draft(self, memory: NGrams, canvas: Canvas, sampler: Sampler) -> Draft | None:
        sources, _ = memory.latest(canvas)
        return copied(canvas, torch.tensor(sources), self.width)

    def observe(self, memory: NGrams, seen: Seen) -> NGrams:
        return memory


def copied(canvas: Canvas, source_B: Int[Tensor, " B"], width: int) -> Draft | None:
    """A chain of `width` tokens from `source_B` on; a copy that reaches the end runs on in itself.

    Rows with source -1 have no guess.
    """
    found_B = (source_B >= 0) & canvas.live_B
    if not bool(found_B.any()):
        return None
    start_B1 = source_B.clamp_min(0)[:, None]
    period_B1 = (canvas.frontier_B[:, None] - start_B1).clamp_min(1)
    cells_BK = start_B1 + torch.arange(width) % period_B1
    parents_BK = torch.where(found_B[:, None], torch.arange(width) - 1, -2)
    return Draft(canvas.tokens_BN.gather(1, cells_BK), parents_BK)
