"""Levenshtein: delete tokens, open cells between those that are left, fill them; and once more.

    Levenshtein(rounds=10)

Each is one call over the texts that it could change, so a round has three calls or fewer (of no
text nothing is deleted). A text is ready when a round leaves it as it was, or makes one that it had
before, or after the last round. What stands in the canvas before its first open cell is edited; a
canvas with drafts is thus a text to repair. Given cells are not deleted, and where two stand next
to each other nothing comes between them.
Source: Gu et al. 2019 (arXiv:1905.11006), sections 3.1 and 4.3. Where a text would outgrow the room
that the model leaves it, the cells on the right are not inserted.
Shapes: B rows, N cells of the canvas, W cells of the longest text, R rows that are asked about.
"""

from dataclasses import dataclass, replace
from typing import ClassVar, Final, final

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Int
from torch import Tensor

from anyorder.align.origins import Origins, widened, without
from anyorder.canvas import DONE, DRAFT, OPEN, PAD, Canvas
from anyorder.decode.one_shot.loop import greedy_only
from anyorder.decode.sampling import Sampler
from anyorder.models.capability import EditModel
from anyorder.trace import moved

DELETE: Final = 0  # what comes next: the three turns of a round
INSERT: Final = 1
FILL: Final = 2


@dataclass(frozen=True)
class Editing:
    """The canvas that is seen, and the texts behind it, which know nothing of its limit.

    `length_B`: cells of a canvas row; `room_B`: of a text at most; `live_B`: texts that are not
    ready; `had`: texts that each row had at the end of a round.
    """

    canvas: Canvas
    text: Canvas
    length_B: Int[Tensor, " B"]
    room_B: Int[Tensor, " B"]
    live_B: Bool[Tensor, " B"]
    had: tuple[frozenset[tuple[int, ...]], ...]
    turn: int = DELETE
    rounds: int = 0

    def with_canvas(self, canvas: Canvas) -> "Editing":
        return replace(self, canvas=canvas, live_B=self.live_B & canvas.live_B)

    @property
    def asked_B(self) -> Bool[Tensor, " B"]:
        """Rows that this turn could change."""
        could = {
            DELETE: (self.text.status_BN == DRAFT).any(1),
            INSERT: self.text.length_B < self.room_B,
            FILL: self.text.open_BN.any(1),
        }
        return could[self.turn] & self.live_B


@final
@dataclass(frozen=True)
class Levenshtein:
    """`rounds` rounds at the most; `penalty` is taken from the log-probability of no insertion."""

    rounds: int = 10
    penalty: float = 0.0

    exact: ClassVar[bool] = False
    needs: ClassVar[tuple[type, ...]] = (EditModel,)

    def __post_init__(self) -> None:
        if self.rounds < 1:
            raise ValueError(f"a text is edited in 1 round or more, not in {self.rounds}")

    def most_calls(self, canvas: Canvas) -> int:
        return 3 * self.rounds

    def start(self, model: EditModel, canvas: Canvas, sampler: Sampler) -> Editing:
        """Raises ValueError above temperature 0, for an empty row, and for words behind holes."""
        greedy_only(type(self).__name__, sampler)
        count_B = canvas.held_BN.long().cumprod(-1).sum(-1)
        if bool((canvas.held_BN.sum(-1) > count_B).any()):
            raise ValueError(
                "Levenshtein moves words about and can't keep words that are given behind open "
                "cells; write them next to what stands before"
            )
        if bool((canvas.live_B & (count_B == 0)).any()):
            raise ValueError("the canvas is empty; a text needs the token that it begins with")
        W = int(count_B.max())
        inside_BW = torch.arange(W) < count_B[:, None]
        status_BW = canvas.status_BN[:, :W].where(inside_BW, PAD)
        text = Canvas(canvas.tokens_BN[:, :W], status_BW, canvas.logprobs_BN[:, :W])
        had = tuple(frozenset([row]) for row in _texts(text))
        state = Editing(canvas, text, canvas.length_B, model.room_B, canvas.live_B, had)
        return self._settled(state)

    def step(self, model: EditModel, state: Editing, sampler: Sampler) -> Editing:
        rows_R = state.asked_B.nonzero()[:, 0]
        if len(rows_R):
            act = (_deleted, self._inserted, _filled)[state.turn]
            text = act(model.select(rows_R), state, rows_R)
            after = self._settled(self._next(replace(state, text=text)))
        else:  # the texts were ready as they were given
            after = replace(state, text=_edited(state.text, _as_it_was(state.text)))
        return replace(after, canvas=_shown(state, after))

    def _next(self, state: Editing) -> Editing:
        """The next turn, of the next round after the third."""
        state = replace(state, turn=(state.turn + 1) % 3)
        return self._judged(state) if state.turn == DELETE else state

    def _settled(self, state: Editing) -> Editing:
        """The next turn in which there is something to ask, if one is to come."""
        while bool(state.live_B.any()) and not bool(state.asked_B.any()):
            state = self._next(state)
        return state

    def _judged(self, state: Editing) -> Editing:
        """After a round: texts are ready that they had before; after the last round, all are."""
        texts = _texts(state.text)
        known = [text in had for text, had in zip(texts, state.had, strict=True)]
        live_B = state.live_B & ~torch.tensor(known) & (state.rounds + 1 < self.rounds)
        had = tuple(had | {text} for text, had in zip(texts, state.had, strict=True))
        return replace(state, live_B=live_B, had=had, rounds=state.rounds + 1)

    def _inserted(self, model: EditModel, state: Editing, rows_R: Int[Tensor, " R"]) -> Canvas:
        """The texts with open cells where the model wants tokens, as many as there is room for."""
        text = state.text
        logp_RWI = model.insertions(_rows(text, rows_R))
        logp_RWI = logp_RWI - self.penalty * (torch.arange(logp_RWI.shape[-1]) == 0)
        wanted_BW = torch.zeros_like(text.tokens_BN).index_put((rows_R,), logp_RWI.argmax(-1))
        together_BW = F.pad(text.final_BN[:, 1:], (0, 1)) & text.final_BN
        wanted_BW = wanted_BW.masked_fill(together_BW | (text.status_BN == PAD), 0)
        spare_B1 = (state.room_B - text.length_B).clamp_min(0)[:, None]
        inserted_BW = wanted_BW.cumsum(1).minimum(spare_B1).diff(dim=1, prepend=spare_B1 * 0)
        return _edited(text, widened(inserted_BW, text.length_B))


def _deleted(model: EditModel, state: Editing, rows_R: Int[Tensor, " R"]) -> Canvas:
    """The texts without the tokens that the model deletes."""
    text = state.text
    away_RW = model.deletions(_rows(text, rows_R)).argmax(-1)
    away_BW = torch.zeros_like(text.tokens_BN).index_put((rows_R,), away_RW) == 1
    return _edited(text, without(away_BW & (text.status_BN == DRAFT), text.length_B))


def _filled(model: EditModel, state: Editing, rows_R: Int[Tensor, " R"]) -> Canvas:
    """The texts with a token in every open cell."""
    text = state.text
    said = model.fill(_rows(text, rows_R)).max(-1)
    token_BW = text.tokens_BN.index_put((rows_R,), said.indices).where(text.open_BN, text.tokens_BN)
    logprob_BW = text.logprobs_BN.index_put((rows_R,), said.values.float())
    logprob_BW = logprob_BW.where(text.open_BN, text.logprobs_BN)
    status_BW = text.status_BN.masked_fill(text.open_BN, DRAFT)
    return Canvas(token_BW, status_BW, logprob_BW, origin_BN=_as_it_was(text).origin_BM)


def _rows(text: Canvas, rows_R: Int[Tensor, " R"]) -> Canvas:
    """Some of the texts: what the model is shown."""
    return Canvas(text.tokens_BN[rows_R], text.status_BN[rows_R], text.logprobs_BN[rows_R])


def _edited(text: Canvas, origins: Origins) -> Canvas:
    """The text with its cells in new places, and open ones between them."""
    after = moved(text, origins.origin_BM.tolist())
    inside_BW = torch.arange(after.tokens_BN.shape[1]) < origins.count_B[:, None]
    new_BW = inside_BW & (origins.origin_BM < 0)
    status_BW = after.status_BN.masked_fill(new_BW, OPEN)
    return replace(after, status_BN=status_BW, origin_BN=origins.origin_BM)


def _as_it_was(text: Canvas) -> Origins:
    """Every cell stays where it is."""
    return without(text.status_BN == PAD, text.length_B)


def _texts(text: Canvas) -> list[tuple[int, ...]]:
    """The tokens of each text."""
    rows = zip(text.tokens_BN.tolist(), text.length_B.tolist(), strict=True)
    return [tuple(row[:count]) for row, count in rows]


def _shown(before: Editing, after: Editing) -> Canvas:
    """The canvas of `before` with the texts of `after`, as far as they fit; texts that are ready
    are there for good, and nothing behind them.
    """
    canvas, length_B1 = before.canvas, before.length_B[:, None]
    N, live_B1 = canvas.tokens_BN.shape[1], canvas.live_B[:, None]
    cell_N = torch.arange(N)
    was_B1, is_B1 = (side.text.length_B[:, None].minimum(length_B1) for side in (before, after))
    text_BN, row_BN = live_B1 & (cell_N < is_B1), live_B1 & (cell_N < length_B1)
    assert after.text.origin_BN is not None, "each turn says where its cells come from"
    from_BN = _fit(after.text.origin_BN, N, -1)
    from_BN = from_BN.masked_fill(from_BN >= length_B1, -1)  # it was not shown before
    tail_BN = cell_N.where(cell_N >= was_B1, -1)
    origin_BN = torch.where(text_BN, from_BN, tail_BN).where(row_BN, cell_N)
    base = moved(canvas, origin_BN.tolist())
    ready_BN = live_B1 & ~after.live_B[:, None]
    status_BN = (
        _fit(after.text.status_BN, N, PAD).where(text_BN, OPEN).where(row_BN, base.status_BN)
    )
    status_BN = status_BN.masked_fill(ready_BN & (status_BN == DRAFT), DONE)
    status_BN = status_BN.masked_fill(ready_BN & (status_BN == OPEN), PAD)
    tokens_BN = _fit(after.text.tokens_BN, N, 0).where(text_BN, base.tokens_BN)
    logprobs_BN = _fit(after.text.logprobs_BN, N, 0).where(text_BN, base.logprobs_BN)
    return Canvas(tokens_BN, status_BN, logprobs_BN, origin_BN=origin_BN)


def _fit(values_BW: Tensor, cells: int, filling: int) -> Tensor:
    """As many columns as the canvas has."""
    return F.pad(values_BW, (0, max(0, cells - values_BW.shape[1])), value=filling)[:, :cells]
