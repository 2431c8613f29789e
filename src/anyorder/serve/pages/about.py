"""What the page asks of the server before it writes: `page/about.json`.

    about(lm)["decoders"]      name, exact, what it does, and why it does not fit, if it doesn't

Knows nothing of HTTP.
"""

from typing import Any

from anyorder.decode.catalogue import decoders, describe
from anyorder.models.capability import missing
from anyorder.models.language_model import LanguageModel
from anyorder.models.writer import Writer
from anyorder.serve.ways import network, required
from anyorder.systems.prompts import kinds, prompts


def about(lm: Writer, *, most_tokens: int = 1024, name: str | None = None) -> dict[str, Any]:
    """The model, its decoders and some prompts to begin with. `name`: what requests call it.

    Prompts, and holes in a text, are for language models; others get sources.
    """
    speaks = isinstance(lm, LanguageModel)
    model = network(lm)
    return {
        "model": name or lm.name,
        "chat": bool(getattr(lm.units, "has_chat", False)),
        "most_tokens": most_tokens,
        "decoders": [_told(each, kind, model) for each, kind in decoders().items()],
        "fills": speaks,
        "examples": examples() if speaks else [],
    }


def examples() -> list[dict[str, str]]:
    """A prompt of each kind.

    >>> examples()[0]["name"]
    'story'
    """
    first = {prompt.kind: prompt.prompt for prompt in reversed(prompts())}
    return [{"name": kind, "prompt": first[kind]} for kind in kinds()]


def _told(name: str, kind: Any, model: object) -> dict[str, Any]:
    lacking = missing(model, kind.needs)
    wanted = required(kind)
    lacks = ""
    if lacking:
        lacks = f"needs a {lacking[0]}"
    elif wanted:
        lacks = f"needs {', '.join(wanted)}, which a request can't give"
    return {"name": name, "exact": bool(kind.exact), "does": describe(kind), "lacks": lacks}
