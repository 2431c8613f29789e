"""A draft model that drafts a tree: which of its guesses are tried, and how deep.

    OptTree(draft_model, size=16)
    FixedTree(draft_model, size=16)

The draft model reads what is in the tree so far and says what may follow its newest cells: a call
for every level that is asked for. All guesses are certain: the text is that of left to
right decoding, at any temperature.
Shapes: B rows, K cells of a tree, S newest cells, V vocabulary.
"""

import heapq
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise
from typing import Any, final

import torch
from jaxtyping import Float
from torch import Tensor

from anyorder.canvas import Canvas
from anyorder.decode.draft_verify.draft import Draft, Seen, of_rows
from anyorder.decode.draft_verify.from_models.small import Small
from anyorder.decode.draft_verify.loop import DraftVerify
from anyorder.decode.draft_verify.tree_shape import best_first
from anyorder.decode.reading import history, open_run, pending
from anyorder.decode.sampling import Sampler
from anyorder.masks import Tree
from anyorder.models.capability import CausalLM


@dataclass(frozen=True)
class Guess:
    """A cell of a tree: its token, the cell above it (-1: the root), the odds that it and all above
    it are right, as the draft model has it, and the ranks of all these among their siblings.
    """

    token: int
    parent: int
    odds: float
    ranks: tuple[int, ...]


@dataclass(frozen=True)
class Growing:
    """A tree that grows by levels; a parent stands left of its children. `new`: the cells after
    which nothing was asked yet; without any, it has ended.
    """

    cells: tuple[Guess, ...] = ()
    new: tuple[int, ...] = ()

    @property
    def expected(self) -> float:
        """How many of its guesses are right, as the draft model has it.

        Source: Wang et al. 2024 (arXiv:2406.17276), section 3.1, equation 2.
        """
        return sum((cell.odds for cell in self.cells), 0.0)

    def below(
        self, tokens: Sequence[Sequence[int]], odds: Sequence[Sequence[float]]
    ) -> list[Guess]:
        """What may follow each of the newest cells: tokens, and the odds of each alone."""
        found = []
        for cell, ids, shares in zip(self.new, tokens, odds, strict=False):
            above = Guess(-1, -1, 1.0, ()) if cell < 0 else self.cells[cell]
            for rank, (token, share) in enumerate(zip(ids, shares, strict=True)):
                found.append(Guess(token, cell, above.odds * share, (*above.ranks, rank)))
        return found


@dataclass(frozen=True)
class DraftTree(DraftVerify):
    """What trees of a draft model have in common; subclasses say how one grows.

    The draft model is one as `Speculative` has.
    """

    draft_model: Any
    size: int = 16

    @property
    @abstractmethod
    def ranks(self) -> int:
        """How many guesses after a cell are looked at."""

    @abstractmethod
    def grown(self, tree: Growing, level: list[Guess]) -> Growing:
        """The tree with some of the guesses that may follow its newest cells (there is one)."""

    @property
    def most_drafted(self) -> int:
        return self.size

    @final
    def begin(self, model: CausalLM, canvas: Canvas, sampler: Sampler) -> Small:
        return Small.beside(self.draft_model, model, canvas, more=self.size + 1)

    @final
    def draft(self, memory: Small, canvas: Canvas, sampler: Sampler) -> Draft | None:
        # the last token of a text is the target's own
        most = (open_run(canvas) - 1).where(canvas.live_B, 0).tolist()
        trees = [Growing(new=(-1,)) if deep > 0 else Growing() for deep in most]
        logits_BSV, level = memory.read(pending(canvas, memory.cache))[:, None], 0
        while True:
            tokens, odds = self._likeliest(logits_BSV, canvas, trees, sampler)
            level += 1
            for row, tree in enumerate(trees):
                if tree.new:
                    wider = self.grown(tree, tree.below(tokens[row], odds[row]))
                    trees[row] = wider if level < most[row] else Growing(wider.cells)
            if not any(tree.new for tree in trees):
                return drafted(trees)
            draft = drafted(trees)
            assert draft is not None, "what is new is in the tree"
            logits_BSV = memory.peek(draft.tokens_BK, Tree(draft.parents_BK), _new(trees))

    def _likeliest(
        self,
        logits_BSV: Float[Tensor, "B S V"],
        canvas: Canvas,
        trees: Sequence[Growing],
        sampler: Sampler,
    ) -> tuple[list[list[list[int]]], list[list[list[float]]]]:
        """The likeliest followers of each cell, and their odds, with the user's options; at
        temperature 0 the odds are those of temperature 1.
        """
        past_BSH = None
        if sampler.wants_history:
            B, S = logits_BSV.shape[:2]
            before_BSH = history(canvas, canvas.tokens_BN[:, :0]).expand(B, S, -1)
            past_BSH = torch.cat([before_BSH, _paths_of(trees, S)], -1)
        if sampler.greedy:
            shares_BSV = sampler.logits(logits_BSV, past_BSH).softmax(-1)
        else:
            shares_BSV = sampler.probs(logits_BSV, past_BSH)
        best = shares_BSV.topk(min(self.ranks, shares_BSV.shape[-1]))
        return best.indices.tolist(), best.values.tolist()

    @final
    def observe(self, memory: Small, seen: Seen) -> Small:
        return memory.forget(seen)


@final
@dataclass(frozen=True)
class OptTree(DraftTree):
    """A draft model's best tree: of all guesses the `size` with the highest odds.

    It grows by levels, up to `depth`, as long as a level adds more than `threshold` expected
    tokens: about what a call of the draft model costs, in calls of the target.
    Source: Wang et al. 2024 (arXiv:2406.17276), section 3.2, algorithm 1.
    """

    threshold: float = 0.2
    depth: int = 12

    def __post_init__(self) -> None:
        if min(self.size, self.depth) < 1 or not self.threshold >= 0:
            raise ValueError(
                "an OPT-tree has a size and a depth of 1 or more, and a threshold of 0 or more"
            )

    @property
    def ranks(self) -> int:
        return self.size

    def grown(self, tree: Growing, level: list[Guess]) -> Growing:
        """No guess has higher odds than the one above it; so the best of all are a tree."""
        every = list(enumerate((*tree.cells, *level)))
        best = heapq.nlargest(self.size, every, key=lambda cell: (cell[1].odds, -cell[0]))
        kept = sorted(best, key=lambda cell: cell[0])
        place = {old: new for new, (old, _) in enumerate(kept)} | {-1: -1}
        cells = tuple(replace(cell, parent=place[cell.parent]) for _, cell in kept)
        wider = Growing(cells, tuple(place[old] for old, _ in kept if old >= len(tree.cells)))
        deep = len(level[0].ranks) >= self.depth
        if deep or wider.expected - tree.expected <= self.threshold:
            return Growing(cells)
        if len(cells) < self.size:
            return wider
        least = min(cell.odds for cell in cells)  # what follows a cell that is no likelier is not
        return Growing(cells, tuple(cell for cell in wider.new if cells[cell].odds > least))


@final
@dataclass(frozen=True)
class FixedTree(DraftTree):
    """A draft model's guesses in a tree of one shape: the best where `rank_odds`, how often the
    guess of each rank is right, are alike everywhere.
    """

    rank_odds: tuple[float, ...] = (0.6, 0.15, 0.07, 0.04)

    def __post_init__(self) -> None:
        falls = all(a >= b for a, b in pairwise(self.rank_odds))
        shares = all(0 < odds < 1 for odds in self.rank_odds) and sum(self.rank_odds) <= 1
        if self.size < 1 or not self.rank_odds or not (falls and shares):
            raise ValueError(
                "a fixed tree has a size of 1 or more, and falling rank odds that sum to 1 at most"
            )

    @property
    def ranks(self) -> int:
        return len(self.rank_odds)

    def grown(self, tree: Growing, level: list[Guess]) -> Growing:
        """What the shape has of this level."""
        wanted = _paths(self.size, self.rank_odds)
        above = {path[:-1] for path in wanted}
        cells = (*tree.cells, *(guess for guess in level if guess.ranks in wanted))
        new = range(len(tree.cells), len(cells))
        return Growing(cells, tuple(cell for cell in new if cells[cell].ranks in above))


@lru_cache
def _paths(size: int, rank_odds: tuple[float, ...]) -> frozenset[tuple[int, ...]]:
    """The ranks on the way to each cell of the best shape."""
    shape = best_first(size, rank_odds)
    paths: list[tuple[int, ...]] = []
    for parent, rank in zip(shape.parents, shape.ranks, strict=True):
        paths.append((*(paths[parent] if parent >= 0 else ()), rank))
    return frozenset(paths)


def drafted(trees: Sequence[Growing]) -> Draft | None:
    """A tree for each row, as the loop wants them; None where no row has one.

    >>> tree = Growing((Guess(5, -1, 0.9, (0,)), Guess(6, 0, 0.5, (0, 0))))
    >>> drafted([tree, Growing()]).parents_BK.tolist()
    [[-1, 0], [-2, -2]]
    """
    return of_rows([[(cell.token, cell.parent) for cell in tree.cells] for tree in trees])


def _paths_of(trees: Sequence[Growing], newest: int) -> Tensor:
    """The tokens from the root to each of the newest cells; -1 where there is none."""
    rows: list[list[list[int]]] = []
    for tree in trees:
        paths: list[list[int]] = []
        for cell in tree.new[:newest]:
            path: list[int] = []
            while cell >= 0:
                path.insert(0, tree.cells[cell].token)
                cell = tree.cells[cell].parent
            paths.append(path)
        rows.append(paths + [[]] * (newest - len(paths)))
    W = max(len(path) for paths in rows for path in paths)
    filled = [[path + [-1] * (W - len(path)) for path in paths] for paths in rows]
    return torch.tensor(filled, dtype=torch.long)


def _new(trees: Sequence[Growing]) -> Tensor:
    """The newest cells of each row; where there are fewer, the first cell fills up."""
    S = max(len(tree.new) for tree in trees)
    return torch.tensor([[*tree.new, *[0] * (S - len(tree.new))] for tree in trees])
