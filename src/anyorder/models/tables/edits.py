"""An edit model that is a table of numbers: laws run on it, with no weights, in seconds.

    model = TableEdits(seed=7, sources=((3, 4), (5,)), vocab_size=6)
    model.deletions(canvas), model.insertions(canvas), model.fill(canvas)

Shapes: B rows, N cells, I numbers of inserted cells, V vocabulary.
"""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor

from anyorder.canvas import OPEN, PAD, Canvas


@dataclass(frozen=True)
class TableEdits:
    """Satisfies `EditModel`: up to `spread` cells are inserted at one place; logits follow from the
    source and the whole text, and padding holds what must never be read.
    """

    seed: int
    sources: tuple[tuple[int, ...], ...]
    vocab_size: int
    spread: int = 2

    @property
    def room_B(self) -> Int[Tensor, " B"]:
        """`spread` cells for each source token, and three."""
        return torch.tensor([len(source) * self.spread + 3 for source in self.sources])

    def deletions(self, canvas: Canvas) -> Float[Tensor, "B N 2"]:
        """Normal logits."""
        return self._drawn(canvas, 2, head=0)

    def insertions(self, canvas: Canvas) -> Float[Tensor, "B N I"]:
        """Normal logits."""
        return self._drawn(canvas, self.spread + 1, head=1)

    def fill(self, canvas: Canvas) -> Float[Tensor, "B N V"]:
        """Normal logits."""
        return self._drawn(canvas, self.vocab_size, head=2)

    def select(self, rows_R: Int[Tensor, " R"]) -> "TableEdits":
        """These rows, in this order."""
        return replace(self, sources=tuple(self.sources[row] for row in rows_R.tolist()))

    def _drawn(self, canvas: Canvas, width: int, *, head: int) -> Float[Tensor, "B N width"]:
        B, N = canvas.tokens_BN.shape
        logits_BNX = torch.full((B, N, width), 90.0, dtype=torch.float64)
        logits_BNX[..., 0] = 0.0
        tokens_BN = canvas.tokens_BN.where(canvas.status_BN != OPEN, -1)
        for b, source in enumerate(self.sources):
            text = tokens_BN[b][canvas.status_BN[b] != PAD].tolist()
            chance = hash((self.seed, head, *source, -2, *text)) % 2**63  # of integers: the same
            rng = Generator().manual_seed(chance)
            size = (len(text), width)
            logits_BNX[b, : len(text)] = 3 * torch.randn(size, generator=rng, dtype=torch.float64)
        return logits_BNX.log_softmax(-1)
