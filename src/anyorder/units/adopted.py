"""The units of a model from elsewhere, for the two sides of what is trained around it.

    source_units, units = adopted(units, hole="<mask>")

One vocabulary. A source is read as the model was trained to read texts: with the tokens that its
tokenizer puts around one. A target is written without them, so that its cells are its own.
"""

import json
from typing import Any

from tokenizers import Tokenizer

from anyorder.units.text import TextUnits
from anyorder.units.training import foreign


def adopted(units: TextUnits, *, hole: str) -> tuple[TextUnits, TextUnits]:
    """The units of sources and of targets. No text holds the token `hole`: it loses its brackets.

    Raises ValueError for a tokenizer that is not of the `tokenizers` library.
    """
    backend = getattr(units.tokenizer, "backend_tokenizer", None)
    if not isinstance(backend, Tokenizer):
        raise ValueError("only a tokenizer of the `tokenizers` library can be kept: it has another")
    read = json.loads(backend.to_str())
    # a vocabulary of pieces may spell the name of a special token with that token
    plain = {"type": "Replace", "pattern": {"String": hole}, "content": hole.strip("<[|]>")}
    each = [plain] + ([read["normalizer"]] if read["normalizer"] else [])
    read |= {"normalizer": {"type": "Sequence", "normalizers": each}}
    return _units(read), _units(read | {"post_processor": None})


def _units(read: dict[str, Any]) -> TextUnits:
    return foreign(Tokenizer.from_str(json.dumps(read)))
