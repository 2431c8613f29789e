"""Words that must stand in an answer: `infill` and `constraints`, as locked tokens.

    locked(lm, body, most=64).words       # {cell after the prompt: token}

A causal model does not look ahead: it writes a hole without knowing what stands behind it.
"""

from dataclasses import dataclass
from typing import Any, Final

from anyorder.models.language_model import LanguageModel
from anyorder.models.writer import Writer
from anyorder.serve.errors import RefusalError
from anyorder.serve.schemas import Segment, Shared

_FIRST: Final = "a"  # a text that a piece is written after: many tokenizers treat the first apart


@dataclass(frozen=True)
class Locked:
    """Which token stands in which cell after the prompt, and how many tokens are written."""

    words: dict[int, int]
    most_tokens: int


def locked(lm: Writer, body: Shared, most: int) -> Locked:
    """What a request locks. Raises RefusalError for places that there are not, or twice."""
    if not body.infill and not body.constraints:
        return Locked({}, most)
    name = "infill" if body.infill else "constraints"
    if not isinstance(lm, LanguageModel):
        raise RefusalError(f"{lm.name} is no language model: no words can be locked", param=name)
    if body.infill and body.constraints:
        raise RefusalError("infill and constraints say both what stands where: use one of them")
    words, cells = dict[int, int](), 0
    for number, segment in enumerate(body.infill or ()):
        tokens = [] if segment.text is None else pieces(lm, segment.text)
        words |= {cells + i: token for i, token in enumerate(tokens)}
        cells += segment.hole or len(tokens)
        _fits(cells, most, f"segment {number + 1} of infill ends", name)
    for constraint in body.constraints or ():
        tokens = pieces(lm, constraint.text)
        for cell, token in enumerate(tokens, constraint.at):
            if cell in words:
                raise RefusalError(
                    f"two constraints claim token {cell} after the prompt", param=name
                )
            words[cell] = token
        _fits(constraint.at + len(tokens), most, f"{constraint.text[:50]!r} ends", name)
    if body.infill:
        _has_a_hole(body.infill)
    if not set(lm.eos_ids).isdisjoint(words.values()):
        raise RefusalError("a locked text holds a token that ends a text: leave it out", param=name)
    return Locked(words, cells if body.infill else most)


def pieces(lm: Writer, text: str) -> list[int]:
    """The tokens of `text` as it stands within another: nothing is put around or before it."""
    tokenizer: Any = lm.units.tokenizer
    first = tokenizer.encode(_FIRST, add_special_tokens=False)
    both = tokenizer.encode(_FIRST + text, add_special_tokens=False)
    if both[: len(first)] == first:
        return list(both[len(first) :])
    return list(tokenizer.encode(text, add_special_tokens=False))


def _fits(end: int, most: int, what: str, param: str) -> None:
    if end > most:
        raise RefusalError(
            f"{what} at token {end} after the prompt, and {most} tokens are asked for: "
            "raise max_tokens, or lock an earlier place",
            param=param,
        )


def _has_a_hole(segments: list[Segment]) -> None:
    if all(segment.hole is None for segment in segments):
        raise RefusalError('infill has no hole; write at least one {"hole": 12}', param="infill")
