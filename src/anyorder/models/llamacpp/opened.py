"""A GGUF file as a language model that llama.cpp computes.

lm = opened(Path("model.gguf"))
"""

from pathlib import Path
from typing import cast

from anyorder.models.capability import CausalLM
from anyorder.models.language_model import LanguageModel
from anyorder.models.llamacpp.library import Weights
from anyorder.models.llamacpp.network import LlamaCppLM
from anyorder.models.llamacpp.vocabulary import units_of


def opened(path: Path, name: str | None = None) -> LanguageModel:
    """The model of a file, called as the file if it has no other name.

    Raises ValueError, with one sentence, where llama.cpp is not installed or can't load it.
    """
    weights = Weights(path)
    units = units_of(weights)
    return LanguageModel(
        # a network takes the caches that it made itself; the protocol can't say so
        model=cast(CausalLM, LlamaCppLM(weights)),
        units=units,
        name=name or path.stem,
        eos_ids=units.eos_ids,
        precision="own",
    )
