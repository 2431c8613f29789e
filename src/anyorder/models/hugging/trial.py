"""Whether a wrapped model says what it says alone: tried once for each model, as it is now.

    if not tried(model):
        apart = difference(ours_SV, plain_SV); remember(model)

Importing this module imports `transformers`. Shapes: S scored cells, V vocabulary.
"""

from typing import Final
from weakref import WeakKeyDictionary

import torch
from jaxtyping import Float
from torch import Tensor
from transformers import PreTrainedModel

# How far, root mean square against the spread of the logits, two ways to compute them may differ.
# A wrong mask or position costs at least a tenth of the spread, rounding a tenth of these.
_CLOSE: Final = {torch.float64: 1e-6, torch.float32: 1e-3}
_CLOSE_IN_HALF: Final = 0.1
_TRIED: Final = WeakKeyDictionary[PreTrainedModel, str]()


def alike(
    ours_SV: Float[Tensor, "S V"], plain_SV: Float[Tensor, "S V"], dtype: torch.dtype
) -> bool:
    """Whether two ways to compute logits differ by rounding alone."""
    apart = float((ours_SV - plain_SV).square().mean().sqrt() / plain_SV.std())
    return apart <= _CLOSE.get(dtype, _CLOSE_IN_HALF)


def tried(model: PreTrainedModel) -> bool:
    """Whether this model, as it is now, was tried before: it costs a few forward passes."""
    return _TRIED.get(model) == _manner(model)


def remember(model: PreTrainedModel) -> None:
    """It was tried, and is fit."""
    _TRIED[model] = _manner(model)


def _manner(model: PreTrainedModel) -> str:
    """What may change how a model computes."""
    attention = getattr(model.config, "_attn_implementation", None)
    return f"{model.dtype} {model.device} {attention} {model.num_parameters()}"
