"""What goes through the loop of draft and verify: guesses, and what a call of the target showed.

Shapes: B rows, K drafted cells, J chains of W tokens, S scored cells, V vocabulary, C channels,
P cells of a path.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor

from anyorder.canvas import Canvas
from anyorder.decode.draft_verify.accept import Written


@dataclass(frozen=True)
class Drawn:
    """Chains drawn at random, independently: their tokens, and what each was drawn from."""

    tokens_BJW: Int[Tensor, "B J W"]
    probs_BJWV: Float64[Tensor, "B J W V"]


@dataclass(frozen=True)
class Draft:
    """Guesses below the root. `parents_BK`: -1 is the root, k the k-th guess, -2 no guess.

    `probes`: the last so many cells are no guesses, but are read for what is said behind them (a
    mask where a token will stand). They are never kept; `observe` sees their logits.

    `drawn`: the chains that the guesses are from, where these were drawn at random; None: the
    guesses are certain, whatever made them.
    """

    tokens_BK: Int[Tensor, "B K"]
    parents_BK: Int[Tensor, "B K"]
    drawn: Drawn | None = None
    probes: int = 0

    @property
    def guesses(self) -> bool:
        """Whether there is a guess for any row."""
        guessed_BG = self.parents_BK[:, : self.parents_BK.shape[1] - self.probes]
        return bool((guessed_BG > -2).any())


def chains(tokens_BK: Int[Tensor, "B K"], count_B: Int[Tensor, " B"]) -> Draft | None:
    """The first `count_B` tokens of each row, one behind the other; None where no row has any.

    >>> chains(torch.tensor([[5, 6, 7], [8, 9, 0]]), torch.tensor([2, 0])).parents_BK.tolist()
    [[-1, 0], [-2, -2]]
    """
    K = int(count_B.max())
    if K < 1:
        return None
    cells_K = torch.arange(K)
    return Draft(tokens_BK[:, :K], torch.where(cells_K < count_B[:, None], cells_K - 1, -2))


def of_rows(rows: Sequence[Sequence[tuple[int, int]]]) -> Draft | None:
    """A tree for each row, of tokens and their parents; None where no row has one.

    >>> of_rows([[(5, -1), (6, 0)], []]).parents_BK.tolist()
    [[-1, 0], [-2, -2]]
    """
    K = max(map(len, rows))
    if not K:
        return None
    filled = torch.tensor([[*row, *[(0, -2)] * (K - len(row))] for row in rows])
    return Draft(filled[..., 0], filled[..., 1])


@dataclass(frozen=True)
class Seen:
    """What a call showed: the cells read, the logits after them, and the canvas that came of it.

    `real_BS` marks scored cells that are no padding. `written` is None while a prompt, or forced
    cells, are read; a long prompt comes in parts. `features_BSC` are there if a drafter wants them.
    `probes`: the last so many cells are those of the draft; where there are
    some, the first cell is the root, and `written` is there.
    """

    canvas: Canvas
    tokens_BS: Int[Tensor, "B S"]
    real_BS: Tensor
    logits_BSV: Float[Tensor, "B S V"]
    written: Written | None = None
    features_BSC: Float[Tensor, "B S C"] | None = None
    probes: int = 0

    @property
    def stands(self) -> tuple[Int[Tensor, "B P"], Int[Tensor, " B"]]:
        """The scored cells that stand in the text now, one after the other, and how many of each
        row; of a prompt, or forced cells, the last alone.
        """
        if self.written is None:
            return self.last_B[:, None], self.real_BS.any(-1).long()
        return self.written.path_BP, self.written.count_B

    @property
    def last_B(self) -> Int[Tensor, " B"]:
        """The scored cell behind which each row's newest token stands."""
        if self.written is None:
            return (self.real_BS.sum(-1) - 1).clamp_min(0)
        at_B1 = (self.written.count_B - 1).clamp_min(0)[:, None]
        return self.written.path_BP.gather(1, at_B1)[:, 0]
