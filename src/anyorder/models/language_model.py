"""A language model with all that is needed to write with it."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from anyorder.canvas import Canvas
from anyorder.models.capability import CausalLM
from anyorder.models.writer import checked
from anyorder.units.text import TextUnits


@dataclass(frozen=True)
class LanguageModel:
    """A network, its units, and what ends a text; `anyorder.load` makes one. Satisfies `Writer`.

    `precision`: in which its weights are held and multiplied: "float32", "bfloat16", "int8", or
    "own", as its file has them.
    """

    model: CausalLM = field(repr=False)
    units: TextUnits = field(repr=False)
    name: str
    eos_ids: tuple[int, ...]
    precision: str

    @property
    def same_bits(self) -> bool:
        """Whether a cell's logits have the same bits however a text is cut into calls, and whatever
        is computed beside it.
        """
        return getattr(self.model, "same_bits", False)

    @property
    def decoder(self) -> str:
        """The one that drafts where it pays."""
        return "auto"

    def begin(
        self, prompts: Sequence[str], *, max_new_tokens: int, chat: bool | None = None
    ) -> tuple[CausalLM, Canvas]:
        """Prompts as cells, and open cells after them: at most `max_new_tokens`, or what fits.

        `chat` wraps prompts in the model's chat template (None: if it has one). Raises ValueError
        for an empty prompt, chat or not, and for one that fills the model's context.
        """
        names = checked(prompts, max_new_tokens)
        chat = self.units.has_chat if chat is None else chat
        rows = []
        for which, prompt in zip(names, prompts, strict=True):
            row = self.units.encode(prompt, chat=chat) if prompt else []
            if not row:
                raise ValueError(f"{which} is empty; write at least one word")
            rows.append(self._fitting(row, which))
        return self._open(rows, max_new_tokens)

    def begin_with(
        self, rows: Sequence[Sequence[int]], *, max_new_tokens: int
    ) -> tuple[CausalLM, Canvas]:
        """As `begin`, after prompts that are tokens already; no template is put around them.

        Raises ValueError for an empty prompt, one that fills the context, and unknown tokens.
        """
        names = checked([""] * len(rows), max_new_tokens)
        for which, row in zip(names, rows, strict=True):
            if not row:
                raise ValueError(f"{which} is empty; give at least one token")
            wrong = next((token for token in row if not 0 <= token < self.model.vocab_size), None)
            if wrong is not None:
                last = self.model.vocab_size - 1
                raise ValueError(f"{which} has the token {wrong}; {self.name} knows 0 to {last}")
            self._fitting(row, which)
        return self._open(rows, max_new_tokens)

    def _fitting(self, row: Sequence[int], which: str) -> Sequence[int]:
        if len(row) >= self.model.max_length:
            raise ValueError(
                f"{which} has {len(row)} tokens; {self.name} reads {self.model.max_length} "
                "at most, and needs room to write: shorten it"
            )
        return row

    def _open(self, rows: Sequence[Sequence[int]], max_new_tokens: int) -> tuple[CausalLM, Canvas]:
        room = [min(max_new_tokens, self.model.max_length - len(row)) for row in rows]
        return self.model, Canvas.of_prompts(rows, new_cells=room)
