"""How likely a translator finds the references, token by token: with no text of its own.

    nats_per_token(translator, examples)          # exp of it: the perplexity

The mean over all target tokens of -log p(token | source, the tokens before it), the one that ends a
text included. A token is what the translator's units make it: compare models that share them.
"""

from collections.abc import Sequence

import torch

from anyorder.data.pairs import Example
from anyorder.models.left_to_right.seq2seq import Seq2Seq
from anyorder.models.translator import Translator
from anyorder.objectives.cross_entropy import CrossEntropy
from anyorder.train.batches import epoch
from anyorder.train.fit import rows_of


@torch.no_grad()
def nats_per_token(
    translator: Translator, examples: Sequence[Example], *, cells: int = 4096
) -> float:
    """Of every target of the examples, in batches of `cells`; pairs with a side that is empty, or
    longer than the model reads, are left out.

    Raises ValueError for a model that does not write left to right, and for no pair.
    """
    net = translator.net.eval()
    if not isinstance(net, Seq2Seq):
        raise ValueError(
            f"{translator.name} is a {translator.kind} model: only one that writes left to right "
            "says how likely a text is, token by token"
        )
    rows = rows_of(examples, translator.source_units, translator.units, longest=translator.longest)
    objective, rng = CrossEntropy(smoothing=0.0), torch.Generator()
    losses = [
        objective(net, batch, progress=1.0, rng=rng)
        for batch in epoch(rows, cells=cells, seed=0, number=0)
    ]
    return sum(float(loss.total) for loss in losses) / sum(loss.units for loss in losses)
