"""The shape of answers of `/v1/completions`. Knows nothing of how texts are written."""

from dataclasses import dataclass
from typing import Any

from anyorder.serve.choices import Part, Told
from anyorder.serve.shapes import Frame
from anyorder.units.text import TextUnits


@dataclass(frozen=True)
class CompletionShape:
    """Satisfies `shapes.Shape`."""

    frame: Frame
    units: TextUnits
    top: int | None

    def answer(self, parts: list[Part]) -> dict[str, Any]:
        """All of it at once; `parts` has each text whole."""
        return self.frame.of("text_completion", [self._choice(part) for part in parts])

    def beginning(self, part: Part) -> list[dict[str, Any]]:
        return []

    def chunk(self, part: Part) -> dict[str, Any]:
        return self.answer([part])

    def last(self) -> dict[str, Any]:
        return self.frame.of("text_completion", [])

    def _choice(self, part: Part) -> dict[str, Any]:
        return {
            "index": part.index,
            "text": part.text,
            "logprobs": None if self.top is None else self._logprobs(part.told),
            "finish_reason": part.finish,
        }

    def _logprobs(self, told: tuple[Told, ...]) -> dict[str, Any]:
        return {
            "tokens": [each.piece for each in told],
            "token_logprobs": [each.logprob for each in told],
            "top_logprobs": [self._likeliest(each) for each in told] if self.top else None,
            "text_offset": [each.offset for each in told],
        }

    def _likeliest(self, each: Told) -> dict[str, float]:
        """By their texts, as OpenAI has it; of two tokens with one text, the likelier."""
        top: dict[str, float] = {}
        for token, logprob in each.top:
            top.setdefault(self.units.piece(token), logprob)
        if each.logprob is not None:
            top.setdefault(each.piece, each.logprob)
        return top
