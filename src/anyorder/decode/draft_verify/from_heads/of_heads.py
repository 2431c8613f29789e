"""What drafters of a model's own heads have in common.

Shapes do not appear here.
"""

from dataclasses import dataclass
from typing import Any

from anyorder.decode.draft_verify.loop import DraftVerify


@dataclass(frozen=True)
class OfHeads(DraftVerify):
    """Drafts up to `width` tokens, from features of cells that were read."""

    width: int = 8

    def __post_init__(self) -> None:
        if self.width < 1:
            raise ValueError(f"a draft has 1 guess or more, not {self.width}")

    @property
    def most_drafted(self) -> int:
        return self.width

    def reads_features(self, memory: Any) -> bool:
        return True
