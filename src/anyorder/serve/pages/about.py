"""What the page asks of the server before it writes: `page/about.json`.

    about(lm)["decoders"]      name, exact, what it does, and why it does not fit, if it doesn't
    about(lm)["decoder"]       the one that writes where a request names none; it stands among them

Knows nothing of HTTP.
"""

from typing import Any, Final

from anyorder.decode.catalogue import decoders, describe, parse
from anyorder.models.language_model import LanguageModel
from anyorder.models.writer import Writer
from anyorder.serve.ways import lacks, network
from anyorder.systems.prompts import kinds, prompts

SOURCES: Final = {  # own-written
    "pronounce": {word: word for word in ("rhythmically", "archaeologist", "anyone")},
    "translate-en-de": {
        "dialog": "Click OK to close the dialog.",
        "cells": "The selected cells are deleted from the table.",
    },
}


def about(
    lm: Writer, *, most_tokens: int = 1024, name: str | None = None, decoder: str | None = None
) -> dict[str, Any]:
    """The model, its decoders and some prompts to begin with. `name`: what requests call it;
    `decoder`: the server's own, if it is not the model's.

    Prompts, and holes in a text, are for language models; others get sources.
    """
    own = decoder or lm.decoder
    speaks = isinstance(lm, LanguageModel)
    model = network(lm)
    return {
        "model": name or lm.name,
        "chat": bool(getattr(lm.units, "has_chat", False)),
        "most_tokens": most_tokens,
        "decoder": own,
        "decoders": _with_own(own, [_told(n, kind, model) for n, kind in decoders().items()]),
        "fills": speaks,
        "examples": examples() if speaks else sources(getattr(lm, "learnt", None)),
    }


def examples() -> list[dict[str, str]]:
    """A prompt of each kind.

    >>> examples()[0]["name"]
    'story'
    """
    first = {prompt.kind: prompt.prompt for prompt in reversed(prompts())}
    return [{"name": kind, "prompt": first[kind]} for kind in kinds()]


def sources(learnt: str | None) -> list[dict[str, str]]:
    """Sources for a model that was trained on this task, if some are known.

    >>> sources("pronounce")[0]["prompt"], sources(None)
    ('rhythmically', [])
    """
    task = next((name for name in SOURCES if (learnt or "").startswith(name)), "")
    return [{"name": name, "prompt": source} for name, source in SOURCES.get(task, {}).items()]


def _with_own(own: str, told: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The server's own decoder stands first; one with options is an entry of its own."""
    mine = next((one for one in told if one["name"] == own), None)
    if mine is None:
        kind = type(parse(own))
        exact = bool(getattr(kind, "exact", False))
        mine = {"name": own, "exact": exact, "does": describe(kind), "lacks": ""}
    return [mine, *(one for one in told if one is not mine)]


def _told(name: str, kind: Any, model: object) -> dict[str, Any]:
    exact, does = bool(kind.exact), describe(kind)
    return {"name": name, "exact": exact, "does": does, "lacks": lacks(kind, model)}
