"""A decoder here, the user's own among them, as a subject; left to right as its reference.

    Ours(lm, TokenRecycling()), Ours(lm, LeftToRight())

Shapes: T tokens of a text, V vocabulary.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
from jaxtyping import Float64
from torch import Tensor

from anyorder.decode.catalogue import label
from anyorder.decode.generate import generate
from anyorder.decode.run import Decoder
from anyorder.measure.verify.places import ReadsAll, shares_of
from anyorder.measure.verify.subject import Ask, Said, Token
from anyorder.models.writer import Writer


@dataclass(frozen=True, eq=False)
class Ours(ReadsAll):
    """Satisfies `Reference`: any decoder writes, and the model itself reads."""

    lm: Writer
    decoder: Decoder
    chat: bool | None = None

    @property
    def name(self) -> str:
        return label(self.decoder)

    @property
    def exact(self) -> bool:
        """See `Declares.exact`."""
        return self.decoder.exact

    def write(self, asks: Sequence[Ask]) -> list[Said]:
        """See `Subject.write`. What is asked but for prompt and seed is that of the first."""
        first = asks[0]
        out = generate(
            self.lm,
            [ask.prompt for ask in asks],
            decoder=self.decoder,
            max_new_tokens=first.max_new_tokens,
            temperature=first.temperature,
            stop=first.stop,
            seed=[ask.seed for ask in asks],
            chat=self.chat,
        )
        rows = cast(list[list[int]], out.tokens)  # a list of prompts gives lists
        notes = tuple(out.trace.notes)  # of all rows: they are drafted for together
        return [
            Said(text, tuple(row), notes=notes) for text, row in zip(out.text, rows, strict=True)
        ]

    def text_of(self, tokens: Sequence[Token]) -> str:
        """See `Reference.text_of`."""
        return self.lm.units.decode([int(token) for token in tokens])

    def shares(
        self, prompt: str, tokens: Sequence[Token], temperature: float
    ) -> Float64[Tensor, "T V"]:
        """See `ReadsAll.shares`."""
        model, canvas = self.lm.begin([prompt], max_new_tokens=1, chat=self.chat)
        begin = canvas.row(0)
        text = torch.tensor([[*begin, *(int(token) for token in tokens)]])
        cells = torch.arange(len(begin) - 1, text.shape[1])[None]
        with torch.inference_mode():
            cache = model.new_cache(1, text.shape[1])
            logits_1TV = model.extend(text, cache, score_BS=cells)
        return shares_of(logits_1TV[0], temperature)
