"""A small random language model of text, whose network computes texts together, or in turns."""

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path

from anyorder.models.language_model import LanguageModel
from anyorder.models.load import load
from tests.models.made import folder


@cache
def folder_of(context: int = 256) -> Path:
    """A Hugging Face folder that lives as long as the tests."""
    path = Path(tempfile.mkdtemp(prefix="anyorder-serve-"))
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    return folder(path, "llama", max_position_embeddings=context)


@cache
def lm_of(*, compiled: bool = True) -> LanguageModel:
    """Without a chat template in force: prompts are what they are."""
    lm = load(folder_of(), native=compiled)
    assert isinstance(lm, LanguageModel)
    return lm
