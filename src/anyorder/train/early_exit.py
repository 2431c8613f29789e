"""How many layers a model computes for a cell when cells leave early, and how sure they must be.

    layers_per_cell(translator, sources, entropy=0.5)
    learn_exit(translator, held_out, layers=3.0)       # the entropy that costs so many layers

Shapes: B rows, N cells.
"""

import math
from collections.abc import Sequence

import torch

from anyorder.canvas import Canvas
from anyorder.models.translator import Translator


@torch.inference_mode()
def layers_per_cell(
    translator: Translator, sources: Sequence[str], *, entropy: float, batch: int = 64
) -> float:
    """The mean over all cells of the targets' likeliest lengths, the one that begins included.

    Raises ValueError for a model whose cells can't leave early, and where none can be read.
    """
    layers = cells = 0
    readable = sorted(filter(translator.reads, sources), key=len)
    for at in range(0, len(readable), batch):
        model, _ = translator.begin(readable[at : at + batch], max_new_tokens=1)
        if not hasattr(model, "exiting"):
            raise ValueError(f"the cells of a {translator.kind!r} model can't leave early")
        exits = model.exiting(entropy)
        new_cells = exits.lengths().argmax(-1).tolist()
        canvas = Canvas.of_prompts([[exits.bos]] * len(new_cells), new_cells=new_cells)
        layer_BN = exits.layers(canvas)
        layers, cells = layers + int(layer_BN.sum()), cells + int((layer_BN > 0).sum())
    if not cells:
        raise ValueError("the model can read none of the sources: they are too long, or empty")
    return layers / cells


def learn_exit(
    translator: Translator, sources: Sequence[str], *, layers: float, tries: int = 10
) -> float:
    """The lowest entropy, found by halving, at which cells need `layers` layers or fewer.

    Raises ValueError as `layers_per_cell` does, and for less than one layer.
    """
    if layers < 1:
        raise ValueError(f"a cell needs 1 layer or more, not {layers}")
    low, high = 0.0, math.log(translator.units.vocab_size) + 1.0  # at `high` all leave at once
    if layers_per_cell(translator, sources, entropy=low) <= layers:
        return low
    for _ in range(tries):
        middle = (low + high) / 2
        if layers_per_cell(translator, sources, entropy=middle) <= layers:
            high = middle
        else:
            low = middle
    return high
