"""Parallel drafts: a draft model guesses all tokens of a chain in one call, off mask tokens.

    ParallelDraft(draft_model, width=4)
    ParallelDraft(draft_model, width=4, mask=128256)  # the token that it was trained with

The draft model reads what was written since its last call and `width` - 1 masks; behind the last
real token it says the next one, behind the k-th mask the k-th after that. Masks are never kept. It
needs nothing of the target, so that one draft model serves all targets that share its vocabulary.
Source: An et al. 2025 (arXiv:2504.18583) and the authors' code. There every guess is the likeliest
token; here guesses are drawn above temperature 0, each from what its cell says of it whatever the
others are, and judged as those of speculative decoding.
Shapes: B rows, W tokens of a draft, V vocabulary.
"""

from dataclasses import dataclass
from typing import Any, ClassVar, final

from anyorder.canvas import Canvas
from anyorder.decode.draft_verify.draft import Draft, Seen
from anyorder.decode.draft_verify.from_models.small import Small
from anyorder.decode.draft_verify.from_models.speculative import at_once
from anyorder.decode.draft_verify.loop import DraftVerify
from anyorder.decode.reading import pending
from anyorder.decode.sampling import Sampler
from anyorder.models.capability import CausalLM
from anyorder.units.special import BLANK


@final
@dataclass(frozen=True)
class ParallelDraft(DraftVerify):
    """`draft_model` guesses `width` tokens in one call; the target keeps those it would have
    written itself.

    `mask`: the draft model's mask token. Vocabularies and temperature are as in `Speculative`.
    """

    draws: ClassVar[bool] = True
    draft_model: Any
    width: int = 4
    mask: int = BLANK

    def __post_init__(self) -> None:
        if self.width < 1:
            raise ValueError(f"a parallel draft needs a width of at least 1, not {self.width}")
        if self.mask < 0:
            raise ValueError(f"a mask is a token id, not {self.mask}")

    @property
    def most_drafted(self) -> int:
        return self.width

    def begin(self, model: CausalLM, canvas: Canvas, sampler: Sampler) -> Small:
        small = Small.beside(self.draft_model, model, canvas, more=2 * self.width)
        if self.mask >= small.model.vocab_size:
            raise ValueError(
                f"the draft model knows {small.model.vocab_size} tokens, and not {self.mask}: "
                "give the mask that it was trained with"
            )
        return small

    def draft(self, memory: Small, canvas: Canvas, sampler: Sampler) -> Draft | None:
        read = pending(canvas, memory.cache)
        logits_BWV = memory.read_ahead(read, masks=self.width - 1, mask=self.mask)
        return at_once(logits_BWV, canvas, sampler)

    def observe(self, memory: Small, seen: Seen) -> Small:
        return memory.forget(seen)
