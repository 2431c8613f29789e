"""The prompts of a call of `generate`, padded as they came, and the texts behind them.

    prompts = Prompts.of(input_ids, attention_mask)
    canvas = prompts.canvas(max_length, lm)             # without the padding
    prompts.shown(0, canvas.row(0))                     # as `transformers` sees this text

Shapes: B rows, W cells of the padded prompts, N cells of the longest text, L tokens of one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from anyorder.canvas import Canvas


@dataclass(frozen=True, eq=False)
class Prompts:
    """`real_BW`: which cells the model may see; the others count for lengths, as they do there.

    `device`: where whoever made the prompts expects to find texts.
    """

    ids_BW: Int[Tensor, "B W"]
    real_BW: Bool[Tensor, "B W"]
    device: torch.device

    @staticmethod
    def of(input_ids: Int[Tensor, "B W"], mask: Int[Tensor, "B W"] | None) -> "Prompts":
        """Prompts and their mask; None: nothing is padding."""
        ids_BW = input_ids.cpu()
        real_BW = torch.ones_like(ids_BW) if mask is None else mask.cpu()
        return Prompts(ids_BW, real_BW.bool(), input_ids.device)

    @cached_property
    def rows(self) -> list[list[int]]:
        """The tokens of each prompt."""
        return [ids[real].tolist() for ids, real in zip(self.ids_BW, self.real_BW, strict=True)]

    def canvas(self, max_length: int, lm: Any) -> Canvas:
        """Open cells up to `max_length`, padding included, or as many as the model has places for.

        Raises ValueError where there is no room for one token.
        """
        rows, wanted = self.rows, max_length - self.ids_BW.shape[1]
        cells = [min(wanted, lm.max_length - len(row)) for row in rows]
        if min(cells) < 1:
            longest = max(map(len, rows))
            raise ValueError(
                f"a prompt of {longest} tokens leaves no room to write: generate was asked for "
                f"{max_length} tokens in all, and the model has {lm.max_length} places"
            )
        return Canvas.of_prompts(rows, new_cells=cells)

    def shown(self, row: int, tokens: Sequence[int]) -> Int[Tensor, " L"]:
        """A row's prompt with its padding, and what follows it in `tokens` (its whole text)."""
        written = torch.tensor(tokens[len(self.rows[row]) :], dtype=torch.long)
        return torch.cat([self.ids_BW[row], written]).to(self.device)

    def sequences(self, canvas: Canvas, pad: int) -> Int[Tensor, "B N"]:
        """All texts, the shorter ones filled with `pad`."""
        texts = [self.shown(row, canvas.row(row)) for row in range(len(self.ids_BW))]
        return torch.nn.utils.rnn.pad_sequence(texts, batch_first=True, padding_value=pad)
