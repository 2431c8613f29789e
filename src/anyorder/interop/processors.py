"""Logits processors of `transformers` as a rule of our sampler, and the scores that they leave.

    rule = Processed(processors, prompts, scores)
    Sampler(sampling, coins, rules=(rule,))

Processors see the padded prompts, as they do there, but a text may be shown more than once, or
never at some length: they must not keep a state from call to call.
Shapes: B rows, S scored cells, H history, V vocabulary, L tokens of a text.
"""

from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from transformers.generation.configuration_utils import GenerationConfig
from transformers.generation.logits_process import LogitsProcessorList

from anyorder.interop.prompts import Prompts


@dataclass(eq=False)
class Scores:
    """What was said of the cells that were written, for whoever asks `generate` for it.

    A cell may be scored for several drafts, and by a draft model first: of one step, what counts is
    what was said last, before the tokens that were written.
    """

    prompts: Prompts
    said: dict[tuple[int, tuple[int, ...]], tuple[Tensor, Tensor]] = field(default_factory=dict)
    kept: dict[int, list[tuple[Tensor, Tensor]]] = field(default_factory=dict)

    @staticmethod
    def asked(config: GenerationConfig, prompts: Prompts) -> "Scores | None":
        """Where they are gathered; None if nobody wants them."""
        wanted = config.output_scores or config.output_logits
        return Scores(prompts) if config.return_dict_in_generate and wanted else None

    def note(self, row: int, ids_L: Int[Tensor, " L"], raw_V: Tensor, processed_V: Tensor) -> None:
        """What may come after these tokens, the padded prompt among them."""
        device = self.prompts.device
        self.said[row, self._written(ids_L)] = (
            raw_V.to(device, copy=True),
            processed_V.to(device, copy=True),
        )

    def keep(self, row: int, ids_L: Int[Tensor, " L"]) -> None:
        """The last of these tokens was written."""
        self.kept.setdefault(row, []).append(self.said[row, self._written(ids_L[:-1])])

    def _written(self, ids_L: Int[Tensor, " L"]) -> tuple[int, ...]:
        return tuple(ids_L[self.prompts.ids_BW.shape[1] :].tolist())

    def of_row(self, row: int) -> tuple[Float[Tensor, "1 V"], ...]:
        """The processed scores of a row, cell by cell."""
        return tuple(processed_V[None] for _, processed_V in self.kept.get(row, []))

    def told(self, pad: int) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        """Raw logits and scores [B, V] for each new cell; a row that has ended is sure of `pad`."""
        V = next(iter(self.kept.values()))[0][0].shape[-1]
        sure_V = torch.full((V,), -torch.inf, device=self.prompts.device)
        sure_V[pad] = 0.0
        rows = [self.kept.get(row, []) for row in range(len(self.prompts.ids_BW))]
        cells = range(max(map(len, rows)))
        pairs = [[row[n] if n < len(row) else (sure_V, sure_V) for row in rows] for n in cells]
        raw = tuple(torch.stack([pair[0] for pair in pairs[n]]) for n in cells)
        return raw, tuple(torch.stack([pair[1] for pair in pairs[n]]) for n in cells)


@dataclass(frozen=True, eq=False)
class Processed:
    """Satisfies `Rule`."""

    processors: LogitsProcessorList
    prompts: Prompts
    eos_ids: tuple[int, ...] = ()
    scores: Scores | None = None

    def __call__(
        self, logits_BSV: Float[Tensor, "B S V"], history_BSH: Int[Tensor, "B S H"]
    ) -> Float[Tensor, "B S V"]:
        """The logits after all processors."""
        columns = range(logits_BSV.shape[1])
        return torch.stack([self._column(logits_BSV[:, s], history_BSH[:, s]) for s in columns], 1)

    def _column(
        self, logits_BV: Float[Tensor, "B V"], history_BH: Int[Tensor, "B H"]
    ) -> Float[Tensor, "B V"]:
        """One cell of each row. Texts of one length go together, and copies of one of them stand in
        the places of the others: processors may know how many rows there are, and which is which.
        """
        texts = [
            self.prompts.shown(row, history_H[history_H >= 0].tolist())
            for row, history_H in enumerate(history_BH)
        ]
        device, processed_BV = self.prompts.device, logits_BV.clone()
        for length in {len(text) for text in texts if not self._ended(text)}:
            rows = [
                row
                for row, text in enumerate(texts)
                if len(text) == length and not self._ended(text)
            ]
            at = [row if row in rows else rows[0] for row in range(len(texts))]
            ids_BL: Any = torch.stack([texts[row] for row in at])
            made_BV = self.processors(ids_BL, logits_BV[at].to(device))
            processed_BV[rows] = made_BV[rows].to(logits_BV)
        if self.scores:
            for row, text in enumerate(texts):
                self.scores.note(row, text, logits_BV[row], processed_BV[row])
        return processed_BV

    def _ended(self, text_L: Int[Tensor, " L"]) -> bool:
        """Whether a text has ended: processors need not know what comes behind its end."""
        new = len(text_L) > self.prompts.ids_BW.shape[1]
        return new and int(text_L[-1]) in self.eos_ids
