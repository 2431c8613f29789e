"""Texts with holes as a canvas: what stands is given, and what is to be written is open.

    canvas = with_holes([[[7, 8], 3, [9]]], bos=1, eos=2, new_cells=[0])    # 7 8 _ _ _ 9

A text without a hole is gone on with: as many cells are open behind it as there may be, and no end
is given. Shapes: B rows, N cells.
"""

from collections.abc import Sequence

import torch

from anyorder.canvas import GIVEN, OPEN, PAD, Canvas
from anyorder.models.writer import checked
from anyorder.units.holes import pieces
from anyorder.units.text import TextUnits

Parts = Sequence[list[int] | int]  # tokens, and sizes of holes


def parts_of(
    prompts: Sequence[str], units: TextUnits, *, max_new_tokens: int, longest: int
) -> list[Parts]:
    """Prompts as tokens and holes.

    Raises ValueError for one that is empty, one with larger holes than may be written, and one that
    has more than `longest` cells with what begins and ends it.
    """
    rows = [pieces(units, prompt) for prompt in prompts]
    for which, row in zip(checked(prompts, max_new_tokens), rows, strict=True):
        holes, known = _holes(row), _known(row)
        if not row:
            raise ValueError(f"{which} is empty; write at least one word, or a hole: ___")
        if holes > max_new_tokens:
            raise ValueError(
                f"the holes of {which} have {holes} tokens, and {max_new_tokens} may be written: "
                "make them smaller (___:2), or allow more new tokens"
            )
        if 2 + known + max(holes, 1) > longest:
            raise ValueError(
                f"{which} has {size(row)} tokens with its holes; the model reads "
                f"{longest - 2} at most"
            )
    return rows


def with_holes(rows: Sequence[Parts], *, bos: int, eos: int, new_cells: Sequence[int]) -> Canvas:
    """Each row begins with `bos`; one that has holes ends with `eos`, which is given, too, and one
    that has none is gone on with in so many `new_cells`.

    >>> canvas = with_holes([[[7], 2], [[7, 8]]], bos=1, eos=2, new_cells=[0, 1])
    >>> canvas.tokens_BN.tolist(), canvas.status_BN.tolist()
    ([[1, 7, 0, 0, 2], [1, 7, 8, 0, 0]], [[4, 4, 1, 1, 4], [4, 4, 4, 1, 0]])
    """
    cells = [_cells(row, bos, eos, new) for row, new in zip(rows, new_cells, strict=True)]
    most = max(map(len, cells))
    tokens = [[token or 0 for token in row] + [0] * (most - len(row)) for row in cells]
    status = [
        [OPEN if token is None else GIVEN for token in row] + [PAD] * (most - len(row))
        for row in cells
    ]
    empty = torch.zeros(len(cells), most)
    return Canvas(torch.tensor(tokens), torch.tensor(status, dtype=torch.uint8), empty)


def room(row: Parts, longest: int) -> int:
    """How many cells may be written behind a text: none behind one that has holes."""
    return 0 if _holes(row) else longest - 1 - _known(row)


def size(row: Parts) -> int:
    """Cells of a text with its holes, without what begins and ends it.

    >>> size([[7, 8], 3, [9]])
    6
    """
    return _known(row) + _holes(row)


def _cells(row: Parts, bos: int, eos: int, new_cells: int) -> list[int | None]:
    """What stands in each cell; None: nothing yet."""
    cells: list[int | None] = [bos]
    for part in row:
        cells += [None] * part if isinstance(part, int) else part
    return [*cells, eos] if _holes(row) else [*cells, *[None] * new_cells]


def _known(row: Parts) -> int:
    return sum(len(part) for part in row if not isinstance(part, int))


def _holes(row: Parts) -> int:
    return sum(part for part in row if isinstance(part, int))
