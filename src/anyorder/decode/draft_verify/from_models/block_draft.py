"""Block drafts: a draft model fills a block of masks, read from both sides, and the target checks.

    BlockDraft(draft_model, width=8)                             # strict: the target's own text
    Lenient(BlockDraft(draft_model, width=8), top=3, gap=1.0)    # relaxed: another text

The draft model reads what was written since its last call and `width` masks, which see one another;
each says what stands in its own place, in one call. Masks are never kept.
Source: Ge et al. 2022 (arXiv:2205.10350), section 3.2, generalised aggressive decoding, and the
authors' code. There the draft model reads all of the text anew in each call, and a known token sees
the masks behind it; here known tokens are read left to right, and stay in a cache. There guesses
are the likeliest tokens, and nothing is sampled; here they are drawn above temperature 0, each from
what its cell says of it whatever the others are, and judged as those of speculative decoding.
Shapes do not appear here.
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
from anyorder.models.capability import CausalLM, missing
from anyorder.models.further import SetBlockLM


@final
@dataclass(frozen=True)
class BlockDraft(DraftVerify):
    """`draft_model` fills a block of `width` masks in one call, or as many as it can read; the
    target keeps those tokens that it would have written itself.

    Vocabularies and temperature are as in `Speculative`.
    """

    draws: ClassVar[bool] = True
    draft_model: Any
    width: int = 8

    def __post_init__(self) -> None:
        if self.width < 1:
            raise ValueError(f"a block has 1 mask or more, not {self.width}")

    @property
    def most_drafted(self) -> int:
        return self.width

    def begin(self, model: CausalLM, canvas: Canvas, sampler: Sampler) -> Small:
        small = Small.beside(self.draft_model, model, canvas, more=2 * self.width)
        if missing(small.model, (SetBlockLM,)):
            raise ValueError(
                "the draft model was not trained to fill blocks of masks: "
                "take a translator that was trained as block-draft"
            )
        return small

    def draft(self, memory: Small, canvas: Canvas, sampler: Sampler) -> Draft | None:
        logits_BWV = memory.read_block(pending(canvas, memory.cache), self.width)
        return at_once(logits_BWV, canvas, sampler)

    def observe(self, memory: Small, seen: Seen) -> Small:
        return memory.forget(seen)
