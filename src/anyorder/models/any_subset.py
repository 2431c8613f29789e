"""A model of texts that can be told any of their cells, and says what the others hold, in order.

    lm = AnySubsetTransformer(AnySubsetSizes(source_vocab=9, target_vocab=4000, bos=1, eos=2))
    logits_BQV = lm.among(tokens_BN, rank_BN, cells_BQ, seen_BQ)    # an `AnySubsetModel`

Its texts are the targets of a task; sources are not read. A text begins with `bos`, which is always
given, and ends with `eos`, a cell like any other. A call reads every cell anew: there is no cache.
Source: Guo and Ermon 2025 (arXiv:2504.20456); the network is that of Yang et al. 2019
(arXiv:1906.08237), but for how it knows places.
Shapes: B rows, N cells, Q cells that are asked about, X those of all rows, C channels, V
vocabulary.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NoReturn

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from anyorder.nets.layers import Embedding, Width
from anyorder.nets.two_streams import TwoStreams


@dataclass(frozen=True, kw_only=True)
class AnySubsetSizes:
    """Sizes of the network; `source_vocab` is that of the task and has no weights."""

    source_vocab: int
    target_vocab: int
    bos: int
    eos: int
    encoder_layers: int = 6
    width: Width = field(default_factory=Width)
    max_length: int = 1024


class AnySubsetTransformer(nn.Module):
    """Satisfies `AnySubsetModel`. The head is the embedding."""

    def __init__(self, sizes: AnySubsetSizes) -> None:
        super().__init__()
        self.sizes, self.bos, self.eos = sizes, sizes.bos, sizes.eos
        self.words = Embedding(sizes.target_vocab, sizes.width)
        self.question = nn.Parameter(torch.randn(sizes.width.channels))
        self.streams = TwoStreams(sizes.width, layers=sizes.encoder_layers)

    @property
    def vocab_size(self) -> int:
        """Of what it reads and writes."""
        return self.sizes.target_vocab

    def among(
        self,
        tokens_BN: Int[Tensor, "B N"],
        rank_BN: Int[Tensor, "B N"],
        cells_BQ: Int[Tensor, "B Q"],
        seen_BQ: Int[Tensor, "B Q"],
    ) -> Float[Tensor, "B Q V"]:
        """See `AnySubsetModel.among`. No text begins or ends twice: where the end is given, the
        others are no ends.
        """
        inside_BQ = torch.ones_like(cells_BQ, dtype=torch.bool)
        logits_XV = self.among_flat(tokens_BN, rank_BN, cells_BQ, seen_BQ, inside_BQ)
        return logits_XV.unflatten(0, cells_BQ.shape)

    def among_flat(
        self,
        tokens_BN: Int[Tensor, "B N"],
        rank_BN: Int[Tensor, "B N"],
        cells_BQ: Int[Tensor, "B Q"],
        seen_BQ: Int[Tensor, "B Q"],
        inside_BQ: Bool[Tensor, "B Q"],
    ) -> Float[Tensor, "X V"]:
        """What `among` gives of the questions that are `inside`, row by row; in float32 at the
        least.
        """
        features_BQC = self.features(tokens_BN, rank_BN, cells_BQ, seen_BQ)
        logits_XV = F.linear(features_BQC[inside_BQ], self.words.table.weight)
        logits_XV = logits_XV if logits_XV.dtype == torch.float64 else logits_XV.float()
        ended_B = ((tokens_BN == self.eos) & (rank_BN == 0)).any(-1)
        ended_X1 = ended_B[:, None].expand_as(inside_BQ)[inside_BQ][:, None]
        token_V = torch.arange(self.vocab_size, device=tokens_BN.device)
        never_XV = (token_V == self.bos) | (ended_X1 & (token_V == self.eos))
        return logits_XV.masked_fill(never_XV, -torch.inf)

    def features(
        self,
        tokens_BN: Int[Tensor, "B N"],
        rank_BN: Int[Tensor, "B N"],
        cells_BQ: Int[Tensor, "B Q"],
        seen_BQ: Int[Tensor, "B Q"],
    ) -> Float[Tensor, "B Q C"]:
        """What the head multiplies."""
        (B, N), Q = tokens_BN.shape, cells_BQ.shape[1]
        ask_BQC = self.question.expand(B, Q, -1)
        return self.streams(
            self.words(tokens_BN),
            self.words.placed(ask_BQC, cells_BQ, N),
            cells_BQ,
            rank_BN[:, None] <= rank_BN[..., None],
            rank_BN[:, None] < seen_BQ[..., None],
        )

    def read(self, sources: Sequence[Sequence[int]]) -> NoReturn:
        """Raises ValueError: it knows no targets."""
        raise ValueError(
            "a model that is told any cells fills holes in a text and translates nothing: give it "
            "a text with ___ where it is to write"
        )
