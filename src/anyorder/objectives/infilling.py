"""Double-source text infilling: fragments of a text are written at once, from what is left of it.

    loss = Infilling(glancing=Glancing(0.2, 0.2))(model, batch, progress=0.0, rng=rng)
    damaged = Infilling().damaged(model, batch, rng)      # texts with gaps, and what was there

    -sum over fragments f of  log sum over paths a through the graph of f of
        prod_n p(a_n after a_(n-1)) p(f_n at a_n)

The encoder reads the text with gaps. The decoder has a graph for each gap, and its vertices see all
the others: what it writes into one gap must agree with both, the text and the other fragments. That
is what a model that writes at once has to learn. Glancing shows vertices of the likeliest paths.
In the paper a gap is one token of its own kind; its graph has 4 to 8 vertices for each token of the
fragment, so that its size does not tell the length, and ends at the first vertex of the next graph.
Here vertices are split states of the source, so a gap is `room` (drawn for each gap) equal tokens
for each token of the fragment, which places tell apart, and each graph ends at a vertex of its own.
Source: Huang et al. 2023 (arXiv:2304.11791), section 4.1.
Shapes: B rows, M vertices, T texts.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar, final

import torch
from jaxtyping import Bool, Int
from torch import Generator, Tensor

from anyorder.align.dag import log_likelihood
from anyorder.align.lattice import DAGLattice
from anyorder.corrupt.glancing import Glancing
from anyorder.corrupt.spans import Spans
from anyorder.models.parallel.fragments import Fragments
from anyorder.models.parallel.one_shot import DAGTransformer, ParallelSizes
from anyorder.models.sources import padded
from anyorder.objectives.batch import Batch, Loss
from anyorder.objectives.dag import DAG
from anyorder.objectives.lattices import lattice_loss


@final
@dataclass(frozen=True)
class Infilling:
    """Texts are the sources and the targets of a batch, each by itself: pairs are not used.

    `room`: the least and the most cells of a gap for each token that stood there. Raises ValueError
    for a model whose two sides have different vocabularies, and a room that can't be.
    """

    spans: Spans = field(default_factory=Spans)
    room: tuple[float, float] = (0.75, 1.5)
    glancing: Glancing | None = None

    one_vocabulary: ClassVar[bool] = True  # the same texts are read and written

    def __post_init__(self) -> None:
        least, most = self.room
        if not 0 < least <= most:
            raise ValueError(f"the room of a gap is above 0, and rises: {self.room}")

    @property
    def plain(self) -> "Infilling":
        """Without glancing."""
        return replace(self, glancing=None)

    def __call__(
        self, model: DAGTransformer, batch: Batch, *, progress: float, rng: Generator
    ) -> Loss:
        ratio = self.glancing.ratio(progress) if self.glancing else 0.0
        return infilling_loss(model, self.damaged(model, batch, rng), ratio=ratio, rng=rng)

    def damaged(self, model: DAGTransformer, batch: Batch, rng: Generator) -> Batch:
        """All texts with gaps, and as their targets what was there, with an end behind each."""
        sizes = model.sizes
        if sizes.source_vocab != sizes.target_vocab:
            raise ValueError(
                "infilling reads and writes the same texts, and this model has one vocabulary of "
                f"{sizes.source_vocab} tokens for sources and another of {sizes.target_vocab} for "
                "targets: give both sides one"
            )
        texts = [
            tokens[:count]
            for tokens_BN, count_B in (
                (batch.source_BS, batch.source_B),
                (batch.target_BN, batch.target_B),
            )
            for tokens, count in zip(tokens_BN.tolist(), count_B.tolist(), strict=True)
        ]
        pairs = [self._with_gaps(text, sizes, rng) for text in texts]
        return Batch(*padded([left for left, _ in pairs]), *padded([out for _, out in pairs]))

    def _with_gaps(
        self, text: Sequence[int], sizes: ParallelSizes, rng: Generator
    ) -> tuple[list[int], list[int]]:
        """What is left of a text, and what was taken out."""
        spans = self.spans.draw(len(text), rng)
        least, most = self.room
        rooms = least + (most - least) * torch.rand(len(spans), generator=rng)
        left: list[int] = []
        out: list[int] = []
        done = 0
        for span, room in zip(spans, rooms.tolist(), strict=True):
            needed = -(-(len(span) + 1) // sizes.spread)  # a vertex for each token, and the end
            gap = max(needed, round(room * len(span)))
            left += [*text[done : span.start], *[sizes.blank] * gap]
            out += [*text[span.start : span.stop], sizes.eos]
            done = span.stop
        return [*left, *text[done:]], out


def infilling_loss(model: DAGTransformer, damaged: Batch, *, ratio: float, rng: Generator) -> Loss:
    """- log likelihood of the fragments, as `damaged` has them; `ratio` of the wrong ones is shown.

    Ends are certain, so that they carry no loss, and are never shown.
    """
    return lattice_loss(
        Fragments(model), damaged, likelihood=log_likelihood, align=_aligned, ratio=ratio, rng=rng
    )


def _aligned(lattice: DAGLattice, batch: Batch) -> tuple[Int[Tensor, "B M"], Bool[Tensor, "B M"]]:
    """As in a single graph, without the ends."""
    token_BM, open_BM = DAG().aligned(lattice, batch)
    eos_B1 = batch.target_BN.gather(1, batch.target_B[:, None] - 1)
    return token_BM, open_BM & (token_BM != eos_B1)
