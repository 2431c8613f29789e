"""`generate` of transformers, with whatever it is asked for, as a subject; greedy as its reference.

    Generation(model, tokenizer, {"prompt_lookup_num_tokens": 10}), Generation(model, tokenizer)

Importing this module imports `transformers`. Shapes: T tokens of a text, V vocabulary.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import torch
from jaxtyping import Float64
from torch import Tensor
from transformers import PreTrainedModel

from anyorder.measure.verify.places import ReadsAll, shares_of
from anyorder.measure.verify.subject import Ask, OneAtATimeError, Said, Token
from anyorder.units.text import TextUnits

# draws without filters, whatever the model's own generation config asks for
PLAIN: Final = {
    "top_k": 0,
    "top_p": 1.0,
    "min_p": None,
    "typical_p": 1.0,
    "repetition_penalty": 1.0,
}
ALONE: Final = ("prompt_lookup_num_tokens", "assistant_model", "assistant_early_exit")


@dataclass(frozen=True, eq=False)
class Generation(ReadsAll):
    """Satisfies `Reference`. `asked`: further arguments of `generate`."""

    model: PreTrainedModel
    units: TextUnits
    asked: Mapping[str, Any] = field(default_factory=dict)
    chat: bool = True

    @property
    def name(self) -> str:
        return ", ".join(["transformers", *self.asked])

    def write(self, asks: Sequence[Ask]) -> list[Said]:
        """See `Subject.write`. What is asked but for prompts is that of the first."""
        if len(asks) > 1 and any(name in self.asked for name in ALONE):
            raise OneAtATimeError("with these arguments, transformers writes one text at a time")
        first = asks[0]
        rows = [self._prompt(ask.prompt) for ask in asks]
        width = max(map(len, rows))
        ids = torch.tensor([[self._pad] * (width - len(row)) + row for row in rows])
        real = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rows])
        asked: dict[str, Any] = {"do_sample": False}
        if first.temperature:
            torch.manual_seed(first.seed)
            asked = PLAIN | {"do_sample": True, "temperature": first.temperature}
        if first.stop:
            asked |= {"stop_strings": list(first.stop), "tokenizer": self.units.tokenizer}
        asked |= {"max_new_tokens": first.max_new_tokens, "pad_token_id": self._pad}
        net: Any = self.model
        written = net.generate(
            ids.to(self.model.device),
            attention_mask=real.to(self.model.device),
            **(asked | dict(self.asked)),
        )
        return [self._said(row) for row in written[:, width:].tolist()]

    def _prompt(self, prompt: str) -> list[int]:
        return self.units.encode(prompt, chat=self.chat)

    @property
    def _pad(self) -> int:
        return self.units.eos_ids[0] if self.units.eos_ids else 0

    def _said(self, row: list[int]) -> Said:
        ends = [at + 1 for at, token in enumerate(row) if token in self.units.eos_ids]
        tokens = tuple(row[: ends[0]] if ends else row)
        return Said(self.text_of(tokens), tokens)

    def text_of(self, tokens: Sequence[Token]) -> str:
        """See `Reference.text_of`."""
        ids = [int(token) for token in tokens if token not in self.units.eos_ids]
        return self.units.decode(ids)

    @torch.no_grad()
    def shares(
        self, prompt: str, tokens: Sequence[Token], temperature: float
    ) -> Float64[Tensor, "T V"]:
        """See `ReadsAll.shares`."""
        begin = self._prompt(prompt)
        ids = torch.tensor([[*begin, *(int(token) for token in tokens)]])
        net: Any = self.model
        logits_TV = net(input_ids=ids.to(self.model.device)).logits[0, len(begin) - 1 :]
        return shares_of(logits_TV.float(), temperature)
