"""A draft model with another tokenizer: it reads the text, and its words are written in our tokens.

    ThroughText(draft_model, width=6, units=lm.units)     # generate(lm, ...) gives `units` itself

The text so far is decoded, encoded for the draft model, and continued greedily; what it says is
encoded again so that it stands behind the tokens as they are (see `units.between`). Guesses are
certain: the target writes what it would have written with this seed, whatever was guessed. The
draft model's cache keeps all that is still right; a text that outgrows its context is read from
half a context later on.
Source: string-level exact match, SLEM (Timor et al. 2025, arXiv:2502.05202).
Shapes: B rows, T cells read, K drafted cells, U vocabulary of the draft model.
"""

from dataclasses import dataclass, field
from typing import Any, final

import torch

from anyorder.canvas import Canvas
from anyorder.decode.draft_verify.draft import Draft, Seen, chains
from anyorder.decode.draft_verify.from_models.small import Small, network_of
from anyorder.decode.draft_verify.loop import DraftVerify
from anyorder.decode.reading import Pending, room
from anyorder.decode.sampling import Sampler
from anyorder.meter import beside
from anyorder.models.capability import CausalLM
from anyorder.units.between import Between
from anyorder.units.text import TextUnits


@final
@dataclass(frozen=True)
class ThroughText(DraftVerify):
    """`draft_model`, whose tokenizer is another one, writes `width` tokens of its own; the target
    keeps what it would have written itself.

    At most twice as many tokens of the target are guessed. `units`: those of the target.
    """

    draft_model: Any
    width: int = 4
    units: TextUnits | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self.width < 1:
            raise ValueError(f"a draft through text needs a width of at least 1, not {self.width}")

    @property
    def most_drafted(self) -> int:
        return 2 * self.width

    def begin(self, model: CausalLM, canvas: Canvas, sampler: Sampler) -> "Reader":
        theirs = getattr(self.draft_model, "units", None)
        if self.units is None or not isinstance(theirs, TextUnits):
            raise ValueError(
                "a draft through text needs the units of both models: "
                "ThroughText(loaded_draft_model, units=loaded_model.units)"
            )
        network = beside(model, network_of(self.draft_model, model))
        cells = min(room(canvas) + self.width, network.max_length)
        small = Small(network, network.new_cache(len(canvas.tokens_BN), cells), network.vocab_size)
        read = [list[int]() for _ in canvas.tokens_BN]
        return Reader(Between(self.units, theirs), small, cells, read)

    def draft(self, memory: "Reader", canvas: Canvas, sampler: Sampler) -> Draft | None:
        rows = zip(
            canvas.tokens_BN.tolist(),
            canvas.frontier_B.tolist(),
            canvas.live_B.tolist(),
            strict=True,
        )
        texts = [tokens[:frontier] if live else [] for tokens, frontier, live in rows]
        wanted = [memory.readable(text, self.width) for text in texts]
        if not any(wanted):
            return None
        said = memory.go_on(wanted, self.width)
        guesses = padded(
            [
                memory.between.ours_of(*row)[: self.most_drafted]
                for row in zip(texts, wanted, said, strict=True)
            ]
        )
        return chains(guesses.tokens_BT, guesses.count_B)

    def observe(self, memory: "Reader", seen: Seen) -> "Reader":
        return memory


@dataclass
class Reader:
    """The draft model, and which of its tokens its cache holds; `cells`: what that has room for."""

    between: Between
    small: Small
    cells: int
    read: list[list[int]]

    def readable(self, tokens: list[int], width: int) -> list[int]:
        """What the draft model is to read of a text: all, or the last part of a long one."""
        wanted = self.between.theirs_of(tokens) if tokens else []
        most = self.small.model.max_length - width
        half = max(1, most // 2)  # whole halves, so that a cache stays right for long
        beyond = max(0, -(-(len(wanted) - most) // half))
        return wanted[beyond * half :]

    def go_on(self, wanted: list[list[int]], width: int) -> list[list[int]]:
        """The `width` likeliest next tokens of each row; rows that want nothing say nothing."""
        kept = [agreeing(old, new) for old, new in zip(self.read, wanted, strict=True)]
        news = [len(new) - length for new, length in zip(wanted, kept, strict=True)]
        if max(kept) + max(news) + width > self.cells:
            self._grow(max(map(len, wanted)) + width)
            kept = [0] * len(wanted)
        self.small.cache.trim(torch.tensor(kept))
        read = padded([new[length:] for new, length in zip(wanted, kept, strict=True)])
        live_B, said_BK = (read.count_B > 0).long(), torch.zeros(len(wanted), 0, dtype=torch.long)
        for _ in range(width):
            token_B1 = self.small.read(read).argmax(-1, keepdim=True).cpu()
            said_BK = torch.cat([said_BK, token_B1], 1)
            read = Pending(token_B1, live_B)
        rows = zip(wanted, said_BK.tolist(), strict=True)
        said = [tokens if new else [] for new, tokens in rows]
        self.read = [new + tokens[:-1] for new, tokens in zip(wanted, said, strict=True)]
        return said

    def _grow(self, cells: int) -> None:
        """A cache of twice the room, which has read nothing."""
        self.cells = max(2 * self.cells, cells)
        cache = self.small.model.new_cache(len(self.read), self.cells)
        self.small = Small(self.small.model, cache, self.small.vocab_size)


def agreeing(old: list[int], new: list[int]) -> int:
    """How many tokens both begin with, but for the last of `new`, which must be read again.

    >>> agreeing([5, 6, 7], [5, 6, 7]), agreeing([5, 6], [5, 9, 4]), agreeing([5], [])
    (2, 1, 0)
    """
    most = max(0, min(len(old), len(new) - 1))
    return next((at for at in range(most) if old[at] != new[at]), most)


def padded(rows: list[list[int]]) -> Pending:
    """Tokens to read, some of each row."""
    T = max(map(len, rows))
    tokens_BT = torch.tensor([row + [0] * (T - len(row)) for row in rows], dtype=torch.long)
    return Pending(tokens_BT, torch.tensor([len(row) for row in rows]))
