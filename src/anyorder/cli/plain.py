"""What the library says to programmers, for people at a command line: without Python's own names.

    plain("MaskPredict finds the best text")      # "mask-predict finds the best text"

A sentence of the library may begin with a decoder's class, or end with the options of an object, as
they stand in code.
"""

import re
import sys
from typing import Final

_OBJECT: Final = re.compile(r": [A-Z]\w*\(\w+=.*\)$")


def plain(sentence: str) -> str:
    """The sentence, with decoders called as on the command line, and no other class.

    >>> plain("spans have 1 token or more: Spans(share=0.5, most=0)")
    'spans have 1 token or more'
    >>> import anyorder.decode.catalogue
    >>> plain("Beam needs a CausalLM, and this model is none: see there")
    'beam needs a CausalLM, and this model is none: see there'
    """
    first, space, rest = sentence.partition(" ")
    return _called(first) + space + _OBJECT.sub("", rest)


def _called(name: str) -> str:
    """A decoder's name on the command line; any other word as it is. What no decoder was loaded
    for speaks of none.
    """
    catalogue = sys.modules.get("anyorder.decode.catalogue")
    kinds = catalogue.decoders() if catalogue else {}
    return next((known for known, kind in kinds.items() if kind.__name__ == name), name)
