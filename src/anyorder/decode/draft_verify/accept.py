"""What is kept of a draft: pure functions from the target's word to a path in the draft tree.

    written = walk(tokens_BT, parents_BT, decide)
    written = agreed(tokens_BT, parents_BT, picked_BT)      # the same, all words known beforehand

`decide` says which token the target writes after a cell; the walk goes on while a drafted child
carries that very token. Shapes: B rows, T cells (cell 0 is the root: the last committed token),
P cells of a path, C guesses for one place, V vocabulary.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Float64, Int
from torch import Tensor

# (the path's last cell [B], tokens written so far [B, P]) -> the next token [B]
Decide = Callable[[Int[Tensor, " B"], Int[Tensor, "B P"]], Int[Tensor, " B"]]
# (logits after the path's last cell [B, V], guesses for the next [B, C], how many were written)
# -> which of them may be
Allows = Callable[[Float[Tensor, "B V"], Int[Tensor, "B C"], int], Bool[Tensor, "B C"]]


@dataclass(frozen=True)
class Written:
    """A path of cells that were right, and after each of them the token that follows it.

    `path_BP[b, 0]` is the root; the last token written is the target's own.
    """

    path_BP: Int[Tensor, "B P"]
    tokens_BP: Int[Tensor, "B P"]
    count_B: Int[Tensor, " B"]

    def capped(self, most_B: Int[Tensor, " B"]) -> "Written":
        return Written(self.path_BP, self.tokens_BP, self.count_B.minimum(most_B))


def walk(
    tokens_BT: Int[Tensor, "B T"],
    parents_BT: Int[Tensor, "B T"],
    decide: Decide,
    eos_ids: tuple[int, ...] = (),
) -> Written:
    """Follow the target through the draft tree, from the root, as deep as the draft agrees.

    A parent of -2 marks a padding cell, which is never entered. Behind one of `eos_ids` nobody is
    asked; rows that have ended are shown to `decide` with -1 for what they no longer say.

    >>> tokens, parents = torch.tensor([[9, 4, 5, 6]]), torch.tensor([[-1, 0, 0, 2]])
    >>> said = torch.tensor([5, 0, 6, 7])        # after cells 0, 1, 2, 3
    >>> walk(tokens, parents, lambda cell, _: said[cell]).path_BP.tolist()
    [[0, 2, 3]]
    """
    B = len(tokens_BT)
    rows_B, ends = torch.arange(B), torch.tensor(eos_ids, dtype=torch.long)
    cell_B = torch.zeros(B, dtype=torch.long)
    on_B = torch.ones(B, dtype=torch.bool)
    count_B = torch.zeros(B, dtype=torch.long)
    path: list[Tensor] = []
    said_BP = tokens_BT[:, :0]
    while bool(on_B.any()):  # ends: a child stands right of its parent
        token_B = decide(cell_B, said_BP).where(on_B, -1)
        path.append(cell_B)
        said_BP = torch.cat([said_BP, token_B[:, None]], 1)
        count_B = count_B + on_B
        child_BT = (parents_BT == cell_B[:, None]) & (tokens_BT == token_B[:, None])
        on_B = on_B & child_BT.any(-1) & ~torch.isin(token_B, ends)
        cell_B = torch.where(on_B, child_BT[rows_B].long().argmax(-1), cell_B)
    return Written(torch.stack(path, 1), said_BP.clamp_min(0), count_B)


def agreed(
    tokens_BT: Int[Tensor, "B T"], parents_BT: Int[Tensor, "B T"], picked_BT: Int[Tensor, "B T"]
) -> Written:
    """The walk where the target's word after every cell is known: one look at each cell.

    Plain Python, row by row: a draft has few cells. Its twin is `walk`.

    >>> tokens, parents = torch.tensor([[9, 4, 5, 6]]), torch.tensor([[-1, 0, 0, 2]])
    >>> agreed(tokens, parents, torch.tensor([[5, 0, 6, 7]])).tokens_BP.tolist()
    [[5, 6, 7]]
    """
    paths, said = [], []
    columns = tokens_BT.tolist(), parents_BT.tolist(), picked_BT.tolist()
    for tokens, parents, picked in zip(*columns, strict=True):
        path = [0]
        for cell in range(1, len(tokens)):  # a child stands right of its parent
            if parents[cell] == path[-1] and tokens[cell] == picked[path[-1]]:
                path.append(cell)
        paths.append(path)
        said.append([picked[cell] for cell in path])
    counts, P = [len(path) for path in paths], max(map(len, paths))
    filled = [[row + [row[-1]] * (P - len(row)) for row in rows] for rows in (paths, said)]
    return Written(torch.tensor(filled[0]), torch.tensor(filled[1]), torch.tensor(counts))


def accept_probability(
    p_BV: Float64[Tensor, "B V"], q_BV: Float64[Tensor, "B V"]
) -> Float64[Tensor, "B V"]:
    """Chance that the target keeps a drafted token: min(1, p / q).

    Source: Leviathan et al. 2023 (arXiv:2211.17192), section 2.3.
    """
    return (p_BV / q_BV.clamp_min(1e-300)).clamp_max(1.0)


def residual(p_BV: Float64[Tensor, "B V"], q_BV: Float64[Tensor, "B V"]) -> Float64[Tensor, "B V"]:
    """What to draw from after a refusal: norm(max(0, p - q)); p itself where p equals q.

    Source: Leviathan et al. 2023 (arXiv:2211.17192), section 2.3.
    """
    surplus_BV = (p_BV - q_BV).clamp_min(0.0)
    mass_B1 = surplus_BV.sum(-1, keepdim=True)
    return torch.where(mass_B1 > 0, surplus_BV / mass_B1.clamp_min(1e-300), p_BV)
