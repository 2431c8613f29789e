"""How well a translator says the next token of references: nats, and how often it is right.

    next_tokens(translator, examples)             # of a model that writes left to right
    next_tokens(translator, examples, block=4)    # of the small model of a tandem

Of a tandem's small model: the mean over all ways in which blocks of so many tokens may lie in a
text. A token is what the translator's units make it: compare models that share them.
Shapes: B rows, N target cells, X cells that are no padding, V vocabulary.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from anyorder.data.pairs import Example
from anyorder.masks import known_in_blocks
from anyorder.models.left_to_right.seq2seq import Seq2Seq
from anyorder.models.left_to_right.tandem import TandemSeq2Seq
from anyorder.models.translator import Translator
from anyorder.objectives.batch import Batch
from anyorder.objectives.cross_entropy import shifted
from anyorder.train.batches import epoch
from anyorder.train.fit import rows_of


@dataclass(frozen=True)
class NextTokens:
    """Means over all tokens of the references, the one that ends a text included."""

    nats: float
    right: float


@torch.no_grad()
def next_tokens(
    translator: Translator,
    examples: Sequence[Example],
    *,
    block: int | None = None,
    cells: int = 4096,
) -> NextTokens:
    """Of every target of the examples, in batches of `cells`; pairs with a side that is empty, or
    longer than the model reads, are left out. `block`: of a tandem's small model.

    Raises ValueError for a model that does not write left to right, for a block of one that is no
    tandem, and for no pair.
    """
    net = translator.net.eval()
    if not isinstance(net, Seq2Seq) or (block and not isinstance(net, TandemSeq2Seq)):
        what = "a tandem writes in blocks" if block else "one that writes left to right is asked"
        raise ValueError(f"{translator.name} is a {translator.kind} model: only {what}")
    rows = rows_of(examples, translator.source_units, translator.units, longest=translator.longest)
    nats, right, count = 0.0, 0, 0
    for batch in epoch(rows, cells=cells, seed=0, number=0):
        read_BN, write_BN, real_BN = shifted(batch, net.bos, net.eos)
        wanted_X = write_BN[real_BN]
        for logits_BNV in _said(net, batch, read_BN, block):
            logits_XV = logits_BNV[real_BN].float()
            nats += float(F.cross_entropy(logits_XV, wanted_X, reduction="sum"))
            right += int((logits_XV.argmax(-1) == wanted_X).sum())
            count += len(wanted_X)
    return NextTokens(nats / count, right / count)


def _said(
    net: Seq2Seq, batch: Batch, read_BN: Tensor, block: int | None
) -> Iterator[Float[Tensor, "B N V"]]:
    """The logits after every cell; those of a tandem, for each place where a block may begin."""
    if block is None:
        yield net(batch.source_BS, batch.source_B, read_BN)
        return
    assert isinstance(net, TandemSeq2Seq), "it was asked for"
    for first in range(1, block + 1):
        known_N = known_in_blocks(read_BN.shape[1], block, first=first)
        features = net.written(batch.source_BS, batch.source_B, read_BN, known_N)
        yield net.small_head(features)
