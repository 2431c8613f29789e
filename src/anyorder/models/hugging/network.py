"""A network of `transformers` with the weights of a checkpoint, complete or not at all.

    model = network_of(checkpoint, "float32", AutoModelForCausalLM, "causal language model")
    model, units = opened("path/to/folder", "bfloat16")

Importing this module imports `transformers`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import torch
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel
from transformers.utils.logging import (
    disable_progress_bar,
    enable_progress_bar,
    is_progress_bar_enabled,
)

from anyorder.models.files.checkpoint import Checkpoint, read
from anyorder.models.files.fetch import MODELS, fetch
from anyorder.models.files.tokenizer import units_of
from anyorder.units.text import TextUnits

_DTYPES: Final = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def network_of(checkpoint: Checkpoint, precision: str, auto: Any, what: str) -> PreTrainedModel:
    """The network that `auto`, one of the auto classes, has for this kind of model: `what`.

    Raises ValueError for a precision that `transformers` has not, a kind of model that `auto` does
    not know, and weights that are not there.
    """
    kind = checkpoint.config.get("model_type")
    if precision not in _DTYPES:
        raise ValueError(
            f"{precision} needs a native network, and {checkpoint.name} runs in transformers "
            f"({kind!r}); choose float32 or bfloat16"
        )
    config = AutoConfig.for_model(**checkpoint.config)
    try:
        with torch.device("meta"):  # only to learn the class: no memory, no random weights
            of_this_kind = type(auto.from_config(config))
    except ValueError as error:
        raise ValueError(f"{checkpoint.name} is a {kind!r}, which is no {what}") from error
    with _without_bars():
        model, found = of_this_kind.from_pretrained(
            None,
            config=config,
            state_dict=dict(checkpoint.tensors),  # all at once, as the model will hold them
            dtype=_DTYPES[precision],
            output_loading_info=True,
        )
    if lacking := sorted(found["missing_keys"]):  # transformers would draw them at random
        more = f" and {len(lacking) - 1} more" if len(lacking) > 1 else ""
        raise ValueError(f"{checkpoint.name} lacks {lacking[0]}{more}; it does not fit its config")
    return model


def opened(source: str, precision: str) -> tuple[PreTrainedModel, TextUnits]:
    """A model as transformers has it, and its tokenizer. Raises ValueError for what is none."""
    checkpoint = read(fetch(source) if source in MODELS else source)
    what = "causal language model"
    dtype = "float32" if precision == "auto" else precision
    net = network_of(checkpoint, dtype, AutoModelForCausalLM, what)
    return net.eval(), units_of(checkpoint)


@contextmanager
def _without_bars() -> Iterator[None]:
    """In it `transformers` shows no progress: a command has a line of its own."""
    shown = is_progress_bar_enabled()
    disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            enable_progress_bar()
