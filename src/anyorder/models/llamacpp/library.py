"""llama.cpp itself, through the package llama-cpp-python: its functions, and a file that it opened.

    weights = Weights(Path("model.gguf"))
    library().llama_model_n_layer(weights.pointer)

What the library says of its own accord is not shown; its last complaint is kept for messages.
"""

import importlib
import os
import weakref
from functools import cache
from pathlib import Path
from typing import Any, Final

_WARNING: Final = 3  # its levels of messages: nothing, information, warning, error (here 4), ...
_ERRORS: Final = list[str]()
_CALLED: Final = list[Any]()  # by the library
_MOST: Final = 4  # complaints that are kept
_OTHERS: Final = {  # what a model may be beside a decoder that remembers all cells
    "llama_model_has_encoder": "it has an encoder",
    "llama_model_is_recurrent": "it is recurrent, and can't forget a draft",
    "llama_model_is_hybrid": "it is recurrent in part, and can't forget a draft",
    "llama_model_is_diffusion": "it does not write from left to right",
}


@cache
def library() -> Any:
    """The functions of `llama.h`, ready for use.

    Raises ValueError, with one sentence, where the package is not installed or does not work.
    """
    try:
        api: Any = importlib.import_module("llama_cpp.llama_cpp")
    except ModuleNotFoundError as error:
        raise ValueError(
            "a GGUF file at its own quantisation needs llama-cpp-python, and there is no "
            f"{error.name}: pip install 'anyorder[llamacpp]' (it compiles llama.cpp for some time)"
        ) from error
    except (ImportError, OSError, RuntimeError) as error:
        raise ValueError(f"llama-cpp-python can't be used here: {error}") from error
    _CALLED.append(api.llama_log_callback(_hear))  # it lives as long as it is referred to
    api.llama_log_set(_CALLED[0], None)
    api.llama_backend_init()
    return api


def _hear(level: int, text: bytes, _: Any) -> None:
    if level > _WARNING and level < 5:  # 5 goes on with the message before
        _ERRORS.append(text.decode(errors="replace").strip())
        del _ERRORS[:-_MOST]


def complaint() -> str:
    """The first of what the library complained of since it was asked last; "" if of nothing."""
    first = next(iter(_ERRORS), "")
    _ERRORS.clear()
    return first


class Weights:
    """A model that llama.cpp has opened; freed when nobody refers to it any more.

    `vocab_only`: to know its tokens, without the memory of a network.
    Raises ValueError, with one sentence, for what is no GGUF file, and for models that can't be
    used to draft and verify.
    """

    def __init__(self, path: Path, *, vocab_only: bool = False) -> None:
        with path.open("rb") as file:
            if file.read(4) != b"GGUF":
                raise ValueError(f"{path} is no GGUF file (it does not begin with 'GGUF')")
        api = library()
        complaint()
        self.path = path
        asked = api.llama_model_default_params()
        asked.vocab_only = vocab_only
        self.pointer = api.llama_model_load_from_file(os.fsencode(path), asked)
        if not self.pointer:
            raise ValueError(f"llama.cpp can't load {path}: {complaint() or 'it does not say why'}")
        weakref.finalize(self, api.llama_model_free, self.pointer)
        self.vocabulary = api.llama_model_get_vocab(self.pointer)
        for ask, why in _OTHERS.items():
            if getattr(api, ask)(self.pointer):
                raise ValueError(f"{path} can't be used to draft and verify: {why}")
