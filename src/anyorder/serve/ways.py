"""The decoder that a request names: names and numbers only, nothing that leads to a file.

    way("jacobi:block=8")
    fitting(lm)                           # those that requests to this model may name

Knows nothing of HTTP.
"""

import re
from dataclasses import MISSING, dataclass, fields
from typing import Any, Final, get_args, get_type_hints

from anyorder.decode.catalogue import (
    decoders,
    describe,
    is_way,
    no_such,
    parse,
    split_options,
    within_brackets,
)
from anyorder.decode.run import Decoder
from anyorder.models.capability import missing
from anyorder.models.language_model import LanguageModel
from anyorder.models.writer import Writer

PROBE: Final = "a"  # what a model reads to show what it can do
MOST: Final = 64  # of a number: rows of a beam, cells of a draft
_SPEC: Final = re.compile(r"(?P<name>[a-z0-9-]+)(?::(?P<options>.*))?", re.DOTALL)
_NUMBER: Final = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?|inf", re.IGNORECASE)


def way(spec: str) -> Decoder:
    """As `decode.catalogue.parse`, for those who are not trusted.

    Raises ValueError for files, for models, and for numbers over 64.
    """
    _check(spec)
    return parse(spec)


@dataclass(frozen=True)
class Fitting:
    """A decoder that a model can be asked with. `needs`: options that have no default."""

    name: str
    exact: bool
    about: str
    needs: tuple[str, ...]


def network(lm: Writer) -> object:
    """What a decoder would ask; of a model of pairs, after it has read something."""
    if isinstance(lm, LanguageModel):
        return lm.model
    return lm.begin([PROBE], max_new_tokens=1)[0]


def fitting(lm: Writer) -> tuple[Fitting, ...]:
    """The decoders that have all they need in this model, and whose options a request can give."""
    model = network(lm)
    return tuple(
        Fitting(name, bool(kind.exact), describe(kind), required(kind))
        for name, kind in decoders().items()
        if not missing(model, kind.needs) and all(_sayable(kind, one) for one in required(kind))
    )


def lacks(kind: Any, model: object) -> str:
    """Why this decoder can't be asked for by its name alone; "" if it can."""
    lacking, wanted = missing(model, kind.needs), required(kind)
    if lacking:
        return f"needs a {lacking[0]}"
    unsayable = [one for one in wanted if not _sayable(kind, one)]
    if unsayable:
        return f"needs {', '.join(unsayable)}, which a request can't give"
    return f"needs {', '.join(wanted)}: a request names it as an option" if wanted else ""


def required(kind: Any) -> tuple[str, ...]:
    """The options of a decoder that have no default."""
    return tuple(
        one.name
        for one in fields(kind)
        if one.default is MISSING and one.default_factory is MISSING
    )


def _sayable(kind: type, option: str) -> bool:
    """Whether a request can give this option: another decoder, or a number."""
    hint = get_type_hints(kind)[option]
    return (isinstance(hint, type) and is_way(hint)) or _is_number(hint)


def _check(spec: str) -> None:
    found = _SPEC.fullmatch(spec)
    if found is None or ".py" in spec:  # which `parse` would read as the name of a file
        raise ValueError("a decoder is its name, with options behind a colon: jacobi:block=8")
    kind = decoders().get(found["name"])
    if kind is None:
        raise ValueError(no_such(found["name"]))
    hints = get_type_hints(kind)
    for option in split_options(found["options"] or ""):
        name, _, value = option.partition("=")
        name, value = name.strip().replace("-", "_"), value.strip()
        hint = hints.get(name)
        if isinstance(hint, type) and is_way(hint):
            _check(within_brackets(value))
        elif hint is not None:
            _plain(name, value, hint)


def _plain(name: str, value: str, hint: Any) -> None:
    """A number that is not too large, true, false or none: nothing else may be asked for."""
    if not _is_number(hint):
        raise ValueError(f"{name} can't be set by a request: it is no number")
    if value.lower() in ("true", "false", "none"):
        return
    if not _NUMBER.fullmatch(value):
        raise ValueError(f"{name} is a number, true, false or none, not {value[:50]!r}")
    if value.lower().lstrip("+-") != "inf" and abs(float(value)) > MOST:
        raise ValueError(f"{name} is {value[:50]}; a request may ask for {MOST} at most")


def _is_number(hint: Any) -> bool:
    return not set(get_args(hint) or (hint,)) - {int, float, bool, type(None)}
