"""anyorder: sequences generated in any order, many tokens at a time.

    import anyorder as ao
    lm = ao.load("smollm2")
    out = ao.generate(lm, "Once upon a time", decoder=ao.decode.TokenRecycling())

What is named here is loaded when it is first used, so `import anyorder` is quick.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from anyorder import decode
    from anyorder.decode.generate import generate
    from anyorder.decode.writing import Output
    from anyorder.measure.compare import Comparison, compare
    from anyorder.models.language_model import LanguageModel
    from anyorder.models.load import load
    from anyorder.trace import Trace

__version__ = "0.1.0"

_HOMES = {
    "Comparison": "anyorder.measure.compare",
    "LanguageModel": "anyorder.models.language_model",
    "Output": "anyorder.decode.writing",
    "Trace": "anyorder.trace",
    "compare": "anyorder.measure.compare",
    "generate": "anyorder.decode.generate",
    "load": "anyorder.models.load",
}

__all__ = [
    "Comparison",
    "LanguageModel",
    "Output",
    "Trace",
    "compare",
    "decode",
    "generate",
    "load",
]


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])


def __getattr__(name: str) -> Any:
    if name == "decode":
        return import_module("anyorder.decode")
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'anyorder' has no attribute {name!r}")
