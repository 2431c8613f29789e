"""A tandem within speculative decoding: the small model drafts with what the large one knows.

    TandemDraft(width=4)

A call of the large model checks a draft, writes one token more, and shows what it knows now of all
cells that stand in the text; the small model sees them so, and reads the newest token itself. So a
round costs no more calls of the large model than with any draft model, and the draft begins with
all that the large model knows.
Source: Nair et al. 2024 (arXiv:2402.08644): Tandem within SPEED. Their adaptive block length, a
router that ends a draft early, is not here.
Shapes: B rows, P cells of a path, V vocabulary.
"""

from dataclasses import dataclass
from typing import Any, ClassVar, final

import torch
from jaxtyping import Int
from torch import Tensor

from anyorder.canvas import Canvas
from anyorder.decode.draft_verify.draft import Draft, Seen
from anyorder.decode.draft_verify.from_models.small import Small
from anyorder.decode.draft_verify.from_models.speculative import one_by_one
from anyorder.decode.draft_verify.loop import DraftVerify
from anyorder.decode.sampling import Sampler
from anyorder.models.further import SmallLM, TandemLM


@dataclass(frozen=True)
class Beside:
    """The small model, and how many cells it sees as the large one knows them."""

    of: SmallLM
    small: Small
    known_B: Int[Tensor, " B"]


@final
@dataclass(frozen=True)
class TandemDraft(DraftVerify):
    """The small model of a tandem writes `width` tokens; the large one keeps those that it would
    have written itself. Above temperature 0 guesses are drawn, as in `Speculative`.
    """

    draws: ClassVar[bool] = True
    needs: ClassVar[tuple[type, ...]] = (TandemLM,)
    width: int = 4

    def __post_init__(self) -> None:
        if self.width < 1:
            raise ValueError(f"a tandem drafts 1 token or more, not {self.width}")

    @property
    def most_drafted(self) -> int:
        return self.width

    @property
    def reads_prompt(self) -> bool:
        """The small model sees the prompt as the large one knows it."""
        return True

    def reads_features(self, memory: Any) -> bool:
        return True

    def begin(self, model: Any, canvas: Canvas, sampler: Sampler) -> Beside:
        small = Small.beside(model.small, model, canvas, more=self.most_drafted + 1)
        return Beside(model.small, small, small.cache.length_B)

    def draft(self, memory: Beside, canvas: Canvas, sampler: Sampler) -> Draft | None:
        return one_by_one(memory.small, canvas, sampler, width=self.width)

    def observe(self, memory: Beside, seen: Seen) -> Beside:
        """Guesses are forgotten; what the large model has read is seen as it knows it."""
        assert seen.features_BSC is not None, "they are asked for"
        B, S = seen.tokens_BS.shape
        path_BP, count_B = torch.arange(S).expand(B, S), seen.real_BS.sum(-1)
        if seen.written is not None:
            path_BP, count_B = seen.written.path_BP, seen.written.count_B
        cache = memory.small.cache
        cache.trim(memory.known_B)
        large_BPC = seen.features_BSC[torch.arange(B)[:, None], path_BP]
        memory.of.see(large_BPC, count_B, cache)
        return Beside(memory.of, memory.small, cache.length_B)
