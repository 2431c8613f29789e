"""Cross entropy of blocks that masks stand for: training of a model that drafts, and no more.

    BlockDrafting()

    - sum over masked n of log p(y_n | x, y_<b, shown of its block)

where b is the place at which the block of n begins: it reads the text before it, and all of it is
masks, but for what glancing shows: of the tokens that the model gets wrong so many in a block.
Blocks lie side by side; before the first one there are fewer tokens than one has, drawn anew for
each batch, which are not learnt. Nothing is learnt behind a text's end.
Source: Ge et al. 2022 (arXiv:2205.10350), section 3.2, and the authors' code, which learns one
block a row, cut off anywhere, in a model whose known tokens see the masks; blocks side by side in
one pass, with known tokens that are read left to right, are our choice.
Shapes: B rows, N text cells, M cells of blocks, K cells of one, V vocabulary, X chosen cells.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Generator, Tensor

from anyorder.corrupt.glancing import Glancing, glanced
from anyorder.masks import known_in_blocks
from anyorder.models.left_to_right.set_block import SetBlockSeq2Seq
from anyorder.objectives.batch import Batch, Loss
from anyorder.objectives.cross_entropy import check_smoothing, shifted


@dataclass(frozen=True)
class Blocks:
    """What stands in the blocks of a batch, where each begins, and which cells are to be said.

    The first `short` cells are those of a block that is none: nothing of it is learnt.
    """

    tokens_BM: Int[Tensor, "B M"]
    begin_M: Int[Tensor, " M"]
    asked_BM: Bool[Tensor, "B M"]
    short: int
    size: int

    def each(self, cells_BM: Bool[Tensor, "B M"]) -> Bool[Tensor, "X K"]:
        """The cells block by block."""
        return cells_BM[:, self.short :].reshape(-1, self.size)

    def joined(self, cells_XK: Bool[Tensor, "X K"]) -> Bool[Tensor, "B M"]:
        """The blocks row by row, as they were."""
        return F.pad(cells_XK.reshape(len(self.tokens_BM), -1), (self.short, 0))


@dataclass(frozen=True)
class BlockDrafting:
    """See the module. Blocks are as long as the model can read them."""

    glancing: Glancing | None = field(default_factory=lambda: Glancing(0.5, 0.3))
    smoothing: float = 0.1

    def __post_init__(self) -> None:
        check_smoothing(self.smoothing)

    @property
    def plain(self) -> "BlockDrafting":
        """Without glancing and smoothing."""
        return BlockDrafting(glancing=None, smoothing=0.0)

    def __call__(
        self, model: SetBlockSeq2Seq, batch: Batch, *, progress: float, rng: Generator
    ) -> Loss:
        read_BN, write_BN, _ = shifted(batch, model.bos, model.eos)
        size = model.sizes.longest_block
        blocks = self.blocks(write_BN, batch.target_B, size, model.eos, rng)
        memory = model.encode(batch.source_BS, batch.source_B)
        told = partial(_said, model, partial(model.beside, memory, read_BN), blocks)
        hidden_BM = blocks.asked_BM
        ratio = self.glancing.ratio(progress) if self.glancing else 0.0
        if ratio:
            with torch.no_grad():
                said_X = told(hidden_BM).argmax(-1)
            wrong_BM = torch.zeros_like(hidden_BM)
            wrong_BM[hidden_BM] = said_X != blocks.tokens_BM[hidden_BM]
            asked_XK = blocks.each(hidden_BM)
            shown_XK = glanced(blocks.each(wrong_BM), ratio=ratio, open_BM=asked_XK, rng=rng)
            hidden_BM = hidden_BM & ~blocks.joined(shown_XK)
        total = F.cross_entropy(
            told(hidden_BM),
            blocks.tokens_BM[hidden_BM],
            label_smoothing=self.smoothing,
            reduction="sum",
        )
        return Loss(total, int(hidden_BM.sum()))

    def blocks(
        self,
        write_BN: Int[Tensor, "B N"],
        target_B: Int[Tensor, " B"],
        size: int,
        eos: int,
        rng: Generator,
    ) -> Blocks:
        """Whole blocks of `size` cells, up to the end of the longest text."""
        N = write_BN.shape[1]
        short = int(torch.randint(min(size, N), (1,), generator=rng))
        M = short + -(-(N - short) // size) * size
        cells_M = torch.arange(M)
        asked_BM = (cells_M >= short) & (cells_M <= target_B[:, None])
        tokens_BM = F.pad(write_BN, (0, M - N), value=eos)
        begin_M = known_in_blocks(M, size, first=short or size)
        return Blocks(tokens_BM, begin_M, asked_BM, short, size)


def _said(
    model: SetBlockSeq2Seq,
    beside: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]],
    blocks: Blocks,
    hidden_BM: Bool[Tensor, "B M"],
) -> Float[Tensor, "X V"]:
    """What the model says of hidden cells; the other asked ones are shown, and the rest is masked.

    Cells behind a text's end are masks, as they are where a draft is made.
    """
    shown_BM = blocks.asked_BM & ~hidden_BM
    tokens_BM = blocks.tokens_BM.where(shown_BM, model.mask)
    _, blocks_BMC = beside(tokens_BM, blocks.begin_M)
    return model.head(blocks_BMC[hidden_BM]).float()
