"""Cross entropy of the next token, and of hidden tokens in blocks that are read from both sides.

    SetBlockTuning()

    - sum over n of log p(y_n | y_<n)  -  sum over hidden n of log p(y_n | y_<b, known of its block)

where b is the place at which the block of n begins. All blocks of a batch have one size, drawn from
2 to the model's longest, and the first one is cut short at random; of each row a share of the
tokens is hidden that is drawn from 0 to 1. Behind its end a text goes on with `eos` up to the end
of the block, as it does when blocks are written.
Source: Gat et al. 2025 (arXiv:2509.04185), the sum of both losses; blocks side by side in one pass
are our choice.
Shapes: B rows, N text cells, M cells of blocks, V vocabulary, X chosen cells.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Int
from torch import Generator, Tensor

from anyorder.masks import known_in_blocks
from anyorder.models.left_to_right.set_block import SetBlockSeq2Seq
from anyorder.objectives.batch import Batch, Loss
from anyorder.objectives.cross_entropy import check_smoothing, shifted


@dataclass(frozen=True)
class Hidden:
    """The blocks of a batch: what stands in them, where each begins, what is hidden and learnt."""

    tokens_BM: Int[Tensor, "B M"]
    begin_M: Int[Tensor, " M"]
    hidden_BM: Bool[Tensor, "B M"]


@dataclass(frozen=True)
class SetBlockTuning:
    """See the module."""

    smoothing: float = 0.1

    def __post_init__(self) -> None:
        check_smoothing(self.smoothing)

    @property
    def plain(self) -> "SetBlockTuning":
        """Without smoothing."""
        return SetBlockTuning(smoothing=0.0)

    def __call__(
        self, model: SetBlockSeq2Seq, batch: Batch, *, progress: float, rng: Generator
    ) -> Loss:
        read_BN, write_BN, real_BN = shifted(batch, model.bos, model.eos)
        hidden = self.hidden(write_BN, batch.target_B, model.sizes.longest_block, model.eos, rng)
        text_BNC, blocks_BMC = model.beside(
            model.encode(batch.source_BS, batch.source_B),
            read_BN,
            hidden.tokens_BM.masked_fill(hidden.hidden_BM, model.mask),
            hidden.begin_M,
        )
        features_XC = torch.cat([text_BNC[real_BN], blocks_BMC[hidden.hidden_BM]])
        total = F.cross_entropy(
            model.head(features_XC).float(),
            torch.cat([write_BN[real_BN], hidden.tokens_BM[hidden.hidden_BM]]),
            label_smoothing=self.smoothing,
            reduction="sum",
        )
        return Loss(total, len(features_XC))

    def hidden(
        self,
        write_BN: Int[Tensor, "B N"],
        target_B: Int[Tensor, " B"],
        longest: int,
        eos: int,
        rng: Generator,
    ) -> Hidden:
        """Cells of blocks that begin behind a text's end are neither hidden nor learnt."""
        (B, N), two = write_BN.shape, min(2, longest)
        size = int(torch.randint(two, longest + 1, (1,), generator=rng))
        first = int(torch.randint(1, size + 1, (1,), generator=rng))
        cells_M = torch.arange(N + size - 1)
        begin_M = known_in_blocks(len(cells_M), size, first=first)
        tokens_BM = torch.cat([write_BN, torch.full((B, size - 1), eos)], 1)
        tokens_BM = torch.where(cells_M >= target_B[:, None], eos, tokens_BM)
        share_B1 = torch.rand(B, 1, generator=rng)
        chosen_BM = torch.rand(B, len(cells_M), generator=rng) < share_B1
        return Hidden(tokens_BM, begin_M, chosen_BM & (begin_M <= target_B[:, None] + 1))
