"""The shape of answers of `/v1/chat/completions`. Knows nothing of how texts are written."""

from dataclasses import dataclass
from typing import Any

from anyorder.serve.choices import Part, Told
from anyorder.serve.shapes import Frame
from anyorder.units.text import TextUnits


@dataclass(frozen=True)
class ChatShape:
    """Satisfies `shapes.Shape`."""

    frame: Frame
    units: TextUnits
    top: int | None

    def answer(self, parts: list[Part]) -> dict[str, Any]:
        """All of it at once; `parts` has each text whole."""
        choices = [
            {
                "index": part.index,
                "message": {"role": "assistant", "content": part.text, "refusal": None},
                "logprobs": self._logprobs(part.told),
                "finish_reason": part.finish,
            }
            for part in parts
        ]
        return self.frame.of("chat.completion", choices)

    def beginning(self, part: Part) -> list[dict[str, Any]]:
        """Who speaks."""
        return [self._chunk(part.index, {"role": "assistant", "content": ""}, None, None)]

    def chunk(self, part: Part) -> dict[str, Any]:
        """What is new."""
        delta = {} if part.finish and not part.text else {"content": part.text}
        return self._chunk(part.index, delta, self._logprobs(part.told), part.finish)

    def last(self) -> dict[str, Any]:
        return self.frame.of("chat.completion.chunk", [])

    def _chunk(self, index: int, delta: Any, logprobs: Any, finish: str | None) -> dict[str, Any]:
        choice = {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": finish}
        return self.frame.of("chat.completion.chunk", [choice])

    def _logprobs(self, told: tuple[Told, ...]) -> dict[str, Any] | None:
        if self.top is None:
            return None
        return {"content": [self._cell(each) for each in told], "refusal": None}

    def _cell(self, each: Told) -> dict[str, Any]:
        """A word that was given was certain."""
        cell = self._token(each.piece, each.bytes, each.logprob or 0.0)
        top = [
            self._token(self.units.piece(token), self.units.bytes_of(token), logprob)
            for token, logprob in each.top
        ]
        if self.top and not top:
            top = [dict(cell)]
        return cell | {"top_logprobs": top}

    @staticmethod
    def _token(piece: str, of: bytes | None, logprob: float) -> dict[str, Any]:
        return {"token": piece, "logprob": logprob, "bytes": None if of is None else list(of)}
