"""The gallery of the docs: recorded decodings in the player, `docs/gallery/player.html`.

    python -m benchmarks.gallery            # records them (needs SmolLM2), and writes the page
    python -m benchmarks.gallery --again    # the same recordings, in the player as it is now

It is for looking, not for measuring: it has no table, and its clock counts steps.
"""

import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import torch

import anyorder
from anyorder.decode.catalogue import parse
from anyorder.decode.generate import generate
from anyorder.measure.results import Fact
from anyorder.models.files.shipped import shipped
from anyorder.models.translator import Translator
from anyorder.show.lattices import with_lattice
from anyorder.show.page import Group, Run, assembled, data_of
from anyorder.systems.prompts import prompts

ROOT: Final = Path(__file__).parents[1]
PAGE: Final = ROOT / "docs" / "gallery" / "player.html"
TITLE: Final = "Recorded decodings"
TOKENS: Final = 64
NAME: Final = 23  # characters of a source on its button
DECODERS: Final = ("left-to-right", "auto", "prompt-copy", "token-recycling", "jacobi")
SHOWN: Final = ("story-1", "edit-1", "code-1", "translation-1")
SOURCES: Final = {  # of the small models that come along; own-written
    "pronounce": ("rhythmically", "archaeologist"),
    "translate-en-de": (
        "Click OK to close the dialog.",
        "The selected cells are deleted from the table.",
    ),
}


def recorded() -> list[Group]:
    """All groups: prompts to SmolLM2, then sources to the small models."""
    lm = anyorder.load("smollm2")
    texts = {prompt.name: prompt.prompt for prompt in prompts()}
    groups = [_prompted(lm, name, texts[name]) for name in SHOWN]
    return groups + [_written(task, source) for task, all_ in SOURCES.items() for source in all_]


def _prompted(lm: Any, name: str, prompt: str) -> Group:
    outs = {
        decoder: generate(lm, prompt, decoder=parse(decoder), max_new_tokens=TOKENS, seed=0)
        for decoder in DECODERS
    }
    first = outs[DECODERS[0]].text
    runs = [
        Run(decoder=decoder, trace=out.trace, same_text=out.text == first)
        for decoder, out in outs.items()
    ]
    return Group(name=name.split("-")[0], prompt=prompt, runs=tuple(runs))


def _written(task: str, source: str) -> Group:
    runs = []
    for name, folder in shipped().items():
        if name.startswith(f"{task}-"):
            model = anyorder.load(folder)
            assert isinstance(model, Translator)
            decoder = parse(model.decoder)
            out = generate(model, source, decoder=decoder, max_new_tokens=TOKENS, seed=0)
            trace = with_lattice(model, [source], out.trace)
            runs.append(Run(decoder=f"{name}, {model.decoder}", trace=trace))
    return Group(name=short(source), prompt=source, runs=tuple(runs))


def short(source: str) -> str:
    """A source on its button.

    >>> short("Click OK to close the dialog.")
    'Click OK to close the …'
    """
    return source if len(source) <= NAME else source[: NAME - 1] + "…"


def page(data: dict[str, Any]) -> str:
    """The page of what was recorded, with the facts that it holds."""
    return assembled(data, data["facts"], title=TITLE)


def data_in(html: str) -> dict[str, Any]:
    """What a page has recorded."""
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', html, re.DOTALL)
    assert found is not None, "the page has no data"
    return json.loads(found[1])


def facts() -> dict[str, Fact]:
    """Under which conditions it was recorded."""
    return {
        "models": "SmolLM2-135M-Instruct in float32, and small models that come along",
        "new tokens at most": TOKENS,
        "threads": torch.get_num_threads(),
        "seconds": "of a single run on a busy machine: for looking, not for measuring",
    }


def main(arguments: Sequence[str]) -> int:
    """Record, or only draw again what was recorded; the exit status."""
    if "--again" in arguments:
        data = data_in(PAGE.read_text(encoding="utf-8"))
    else:
        torch.set_num_threads(1)
        data = data_of(recorded()) | {"facts": facts()}
    PAGE.write_text(page(data), encoding="utf-8")
    print(f"wrote {PAGE.name}: {PAGE.stat().st_size} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
