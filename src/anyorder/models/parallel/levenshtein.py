"""A transformer that edits a text: it deletes tokens, opens cells between them, and fills these.

    model = LevenshteinTransformer(
        LevenshteinSizes(source_vocab=30, target_vocab=43, bos=1, eos=2)
    )
    lm = model.read([[4, 5, 6], [7]])
    lm.deletions(canvas), lm.insertions(canvas), lm.fill(canvas)

One decoder, in which every cell sees all, serves the three. A token is kept or deleted by what
stands above it; how many cells are inserted between two, by what stands above both; what an open
cell holds, by the embedding. A text is read between `bos`, its first cell, and `eos`, which is
added here and never seen outside.
Source: Gu et al. 2019 (arXiv:1905.11006), section 3. There deletion and insertion may leave the
decoder at an earlier layer, or have layers of their own; here, as in the plain variant, they share
all. There an open cell holds the unknown token; here a vector of its own.
Shapes: B rows, S source cells, N text cells, T = N + 1 cells with the end, I numbers of inserted
cells, V target vocabulary, C channels.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from anyorder.canvas import OPEN, Canvas
from anyorder.models.sources import OfSources, padded
from anyorder.nets.layers import EncoderDecoder, Memory, Width, sees_of

_SHORTEST_ROOM = 10  # cells that the text of the shortest source may have


@dataclass(frozen=True, kw_only=True)
class LevenshteinSizes:
    """Sizes of the network. It inserts up to `most` cells at one place, and a text of it has up to
    `ratio` tokens for each source token (or ten, where these are fewer).
    """

    source_vocab: int
    target_vocab: int
    bos: int
    eos: int
    encoder_layers: int = 6
    decoder_layers: int = 6
    most: int = 255
    ratio: int = 2
    width: Width = field(default_factory=Width)
    max_length: int = 1024

    def __post_init__(self) -> None:
        if self.most < 1 or self.ratio < 1:
            raise ValueError(f"1 cell or more is inserted, and a source becomes as many: {self}")


@dataclass(frozen=True)
class Texts:
    """Partly written texts: `count_B` cells in each row, the first of which begins it; `open_BN`
    hold no token yet.
    """

    tokens_BN: Int[Tensor, "B N"]
    open_BN: Bool[Tensor, "B N"]
    count_B: Int[Tensor, " B"]


class LevenshteinTransformer(EncoderDecoder):
    """Encoder, decoder in which every cell sees all, and three heads."""

    def __init__(self, sizes: LevenshteinSizes) -> None:
        super().__init__(sizes)
        self.sizes = sizes
        C = sizes.width.channels
        self.hole = nn.Parameter(torch.randn(C))  # as long as a token's vector
        self.deletion = nn.Linear(C, 2)
        self.insertion = nn.Linear(2 * C, sizes.most + 1)

    def features(self, texts: Texts, memory: Memory) -> Float[Tensor, "B T C"]:
        """All cells of the texts after the last layer, and the one that ends each."""
        count_B, rows_B = texts.count_B, torch.arange(len(texts.count_B))
        tokens_BT = F.pad(texts.tokens_BN, (0, 1)).index_put(
            (rows_B, count_B), torch.tensor(self.sizes.eos)
        )
        open_BT = F.pad(texts.open_BN, (0, 1)).index_put((rows_B, count_B), torch.tensor(False))
        vectors_BTC = self.target.vectors(tokens_BT)
        x_BTC = torch.where(open_BT[..., None], self.hole.to(vectors_BTC.dtype), vectors_BTC)
        sees_B1T = sees_of(count_B + 1, x_BTC.shape[1])
        return self.decoder(self.target.placed(x_BTC), sees_B1T, memory)

    def deletion_logps(self, features_BTC: Float[Tensor, "B T C"]) -> Float[Tensor, "B N 2"]:
        """Log-probabilities of each token being kept, or deleted."""
        return _logps(self.deletion(features_BTC[:, :-1]))

    def insertion_logps(self, features_BTC: Float[Tensor, "B T C"]) -> Float[Tensor, "B N I"]:
        """Log-probabilities of 0, 1, ... cells being inserted after each cell."""
        both_BNX = torch.cat([features_BTC[:, :-1], features_BTC[:, 1:]], -1)
        return _logps(self.insertion(both_BNX))

    def fill_logps(self, features: Float[Tensor, "*cells C"]) -> Float[Tensor, "*cells V"]:
        """Log-probabilities of what an open cell holds."""
        return _logps(F.linear(features, self.target.table.weight))

    def read(self, sources: Sequence[Sequence[int]]) -> "SourceLevenshtein":
        """A model of what these sources become. Raises ValueError for an empty source."""
        return SourceLevenshtein(self, *padded(sources))


class SourceLevenshtein(OfSources[LevenshteinTransformer]):
    """Satisfies `EditModel`, one row for each source."""

    @cached_property
    def memory(self) -> Memory:
        """The source is read once."""
        return self.net.encode(self.source_BS, self.source_B)

    @property
    def room_B(self) -> Int[Tensor, " B"]:
        """Cells of a text at most: see `LevenshteinSizes.ratio`."""
        return (self.source_B * self.net.sizes.ratio).clamp_min(_SHORTEST_ROOM) + 1

    def deletions(self, canvas: Canvas) -> Float[Tensor, "B N 2"]:
        """Log-probabilities of each token being kept, or deleted."""
        return self.net.deletion_logps(self._features(canvas))

    def insertions(self, canvas: Canvas) -> Float[Tensor, "B N I"]:
        """Log-probabilities of 0, 1, ... cells being inserted after each cell."""
        return self.net.insertion_logps(self._features(canvas))

    def fill(self, canvas: Canvas) -> Float[Tensor, "B N V"]:
        """Log-probabilities of what every cell holds, given those that are not open."""
        return self.net.fill_logps(self._features(canvas)[:, :-1])

    def select(self, rows_R: Int[Tensor, " R"]) -> "SourceLevenshtein":
        """These rows, in this order; a row may be named twice."""
        chosen = replace(self, source_BS=self.source_BS[rows_R], source_B=self.source_B[rows_R])
        chosen.__dict__["memory"] = rows_of(self.memory, rows_R)  # what it would compute
        return chosen

    def _features(self, canvas: Canvas) -> Float[Tensor, "B T C"]:
        texts = Texts(canvas.tokens_BN, canvas.status_BN == OPEN, canvas.length_B)
        return self.net.features(texts, self.memory)


def rows_of(memory: Memory, rows_R: Int[Tensor, " R"]) -> Memory:
    """What is known of these rows' sources."""
    return Memory(memory.states_BSC[rows_R], memory.sees_B1S[rows_R])


def _logps(logits: Float[Tensor, "*cells X"]) -> Float[Tensor, "*cells X"]:
    """Log-probabilities, in float32 at the least."""
    return (logits if logits.dtype == torch.float64 else logits.float()).log_softmax(-1)
