"""Beam search over a CTC lattice in which fluency counts at every cell, not the lattice alone.

    weights = Weights(language_model=0.1, blanks=0.05, trailing=0.05)
    texts = fluent_beam(lattice, width=8, weights=weights, language_model=ngrams)
    texts[row][0].tokens                                  # the best text

A text is judged by a log-linear model of four features. With no weights it is the plain prefix
beam. The language model is asked only where its answer can still change what is kept.
Source: Kasner et al. 2020 (arXiv:2004.03227), the scoring model; what is free of charge (4 blanks a
token, trailing blanks in a third of the cells) is as in the authors' code.
Shapes: B rows, M cells, W beginnings, K likeliest tokens of a cell, X = W + W K.
"""

from dataclasses import dataclass, fields, replace
from heapq import heappush, heappushpop

import torch
from torch import Tensor

from anyorder.align.ctc_masses import Held, chosen, columns, grown, nothing, stayed
from anyorder.align.lattice import CTCLattice
from anyorder.align.scorer import Prefixes, Scorer


@dataclass(frozen=True)
class Weights:
    """How much each feature counts beside the lattice's own, which counts 1; none is negative."""

    language_model: float = 0.0
    blanks: float = 0.0
    trailing: float = 0.0

    def __post_init__(self) -> None:
        if not all(weight >= 0 for weight in vars(self).values()):
            raise ValueError(f"the weights of fluency are 0 or more: {self}")


@dataclass(frozen=True)
class Free:
    """What costs nothing: so many blanks a token, and trailing blanks in this part of the cells."""

    blanks: float = 4.0
    trailing: float = 1 / 3


@dataclass(frozen=True)
class Features:
    """What a text is judged by; the more the better.

    `ctc`: log P(text) / cells. `language_model`: mean log p of its tokens and its end. `blanks`:
    - max(0, blanks / tokens - 4). `trailing`: - max(0, trailing blanks - cells / 3). Blanks are
    counted on average over the paths that spell the text.
    """

    ctc: float
    language_model: float
    blanks: float
    trailing: float

    def score(self, weights: Weights) -> float:
        """
        >>> Features(-1.0, -2.0, 0.0, -3.0).score(Weights(language_model=0.5))
        -2.0
        """
        rest = [(getattr(weights, f.name), getattr(self, f.name)) for f in fields(weights)]
        return self.ctc + sum(weight * value for weight, value in rest if weight)


@dataclass(frozen=True)
class Told:
    """A text that was found: its log-probability over the paths that were kept, its features."""

    tokens: tuple[int, ...]
    logp: float
    features: Features


@torch.no_grad()
def fluent_beam(
    lattice: CTCLattice,
    *,
    width: int,
    weights: Weights,
    language_model: Scorer | None = None,
    tokens_per_cell: int | None = None,
    free: Free | None = None,
) -> list[list[Told]]:
    """The best texts of each row by `Features.score`, best first.

    `tokens_per_cell`: a beginning grows by the likeliest tokens of a cell alone (None: twice the
    width, as in the paper, with which no weights give the plain beam whatever the vocabulary).
    Raises ValueError for a width or a number of tokens below 1, and for a weight of a language
    model that is not there.
    Source: Kasner et al. 2020 (arXiv:2004.03227); sums over paths as in Hannun et al. 2014
    (arXiv:1408.2873), algorithm 1.

    >>> logp_BMV = torch.tensor([[[0.6, 0.4], [0.6, 0.4]]]).log()
    >>> lattice = CTCLattice(logp_BMV, torch.tensor([2]), blank=0)
    >>> best = fluent_beam(lattice, width=2, weights=Weights())[0][0]
    >>> best.tokens, round(best.features.ctc, 3)                    # log(0.64) / 2
    ((1,), -0.223)
    """
    K = 2 * width if tokens_per_cell is None else tokens_per_cell
    if width < 1 or K < 1:
        raise ValueError(f"a beam of {width} with {K} tokens a cell keeps nothing")
    if weights.language_model and language_model is None:
        raise ValueError(f"a weight of {weights.language_model} needs a language model")
    search = _Search(lattice, weights, language_model, free or Free())
    B, M, V = lattice.logp_BMV.shape
    top = lattice.logp_BMV.double().topk(min(K + 1, V), -1)  # the blank may be among them
    top_BMK = top.values.where(top.indices != lattice.blank, -torch.inf)
    held = nothing(B, width, lattice.logp_BMV.device)
    for m in range(M):
        held = search.step(held, m, top_BMK[:, m], top.indices[:, m])
    return search.texts(held)


class _Search:
    """One search: what is searched, how texts are judged, and those that were met."""

    def __init__(
        self, lattice: CTCLattice, weights: Weights, language_model: Scorer | None, free: Free
    ) -> None:
        self.lattice, self.weights, self.free = lattice, weights, free
        self.tree = Prefixes(language_model)
        self.limit_B1 = free.trailing * lattice.count_B[:, None].double()

    def step(self, held: Held, m: int, logp_BK: Tensor, token_BK: Tensor) -> Held:
        """The beam after cell `m`; rows without it stay as they are."""
        going_B1 = (m < self.lattice.count_B)[:, None]
        stay = stayed(held, self.lattice.logp_BMV[:, m].double(), self.lattice.blank)
        more = grown(held, logp_BK, token_BK)
        says_BW, said_BW = self._says(held.node_BW)
        count_BW = held.count_BW
        stay_BW = self._score(stay, m + 1)
        stay_BW = stay_BW + self.weights.language_model * says_BW / count_BW.clamp_min(1)
        # as if the language model were certain of the next token: no text is worth more
        bound_BW1 = (self.weights.language_model * said_BW / (count_BW + 1))[..., None]
        beyond_BWK = self._beyond(more[1], count_BW[..., None] + 1)
        more_BWK = more[0] / (m + 1) - self.weights.blanks * beyond_BWK + bound_BW1
        at_most_BX = torch.cat([stay_BW, more_BWK.flatten(1)], 1).where(going_B1, -torch.inf)
        found, next_BW = chosen(stay, more, token_BK, self._best(at_most_BX, held, token_BK))
        found = replace(found, node_BW=self._nodes(found.node_BW, next_BW))
        both = zip(columns(found), columns(held), strict=True)
        return Held(*(new.where(going_B1, old) for new, old in both))

    def _score(self, held: Held, cells: int) -> Tensor:
        """What each text is worth but for the language model."""
        late_BW = (held.ending_BW - self.limit_B1).clamp_min(0.0)
        beyond_BW = self._beyond(held.blanks_BW, held.count_BW)
        score_BW = held.both_BW / cells - self.weights.blanks * beyond_BW
        return score_BW - self.weights.trailing * late_BW

    def _says(self, node_BW: Tensor) -> tuple[Tensor, Tensor]:
        """log p of each beginning; of the empty one first that it ends there, lest it win by
        silence, then 0.
        """
        if not self.weights.language_model:
            return node_BW * 0.0, node_BW * 0.0
        silence = self.tree.ended(0)
        said = [[self.tree.nodes[max(node, 0)].score for node in row] for row in node_BW.tolist()]
        said_BW = torch.tensor(said, dtype=torch.double, device=node_BW.device)
        return said_BW.where(node_BW != 0, silence), said_BW

    def _beyond(self, blanks: Tensor, tokens: Tensor) -> Tensor:
        """Blanks a token beyond what is free; none in an empty text."""
        ratio = blanks / tokens.clamp_min(1)
        return (ratio - self.free.blanks).clamp_min(0.0).where(tokens > 0, 0.0)

    def _best(self, at_most_BX: Tensor, held: Held, token_BK: Tensor) -> Tensor:
        """The best W of each row, best first; -1 where there are fewer.

        The language model is asked about texts in the order of the most that they can be worth,
        until nothing can be better than what is found.
        """
        W, K = held.node_BW.shape[1], token_BK.shape[1]
        order = torch.sort(at_most_BX, dim=1, descending=True, stable=True)
        seen = (order.values, order.indices, held.node_BW, held.count_BW, token_BK)
        rows = zip(*(x.tolist() for x in seen), strict=True)
        found: list[list[int]] = []
        for bounds, indices, nodes, counts, tokens in rows:
            heap: list[tuple[float, int, int]] = []
            for place, (worth, x) in enumerate(zip(bounds, indices, strict=True)):
                full = len(heap) == W
                if worth == -torch.inf or (full and worth <= heap[0][0]):
                    break
                if x >= W and self.weights.language_model:
                    w, k = divmod(x - W, K)
                    worth += self._asked(nodes[w], tokens[k]) / (counts[w] + 1)
                (heappushpop if full else heappush)(heap, (worth, -place, x))
            best = [x for _, _, x in sorted(heap, reverse=True)]
            found.append(best + [-1] * (W - len(best)))
        return torch.tensor(found, device=at_most_BX.device)

    def _asked(self, node: int, token: int) -> float:
        """The weighed log p of `token` behind a text."""
        logp = self.tree.nodes[self.tree.child(node, token)].score - self.tree.nodes[node].score
        return self.weights.language_model * logp

    def _nodes(self, node_BW: Tensor, next_BW: Tensor) -> Tensor:
        """The texts of `node_BW`, with the next token behind them where it is not -1."""
        rows = [
            [
                node if token < 0 else self.tree.child(node, token)
                for node, token in zip(*row, strict=True)
            ]
            for row in zip(node_BW.tolist(), next_BW.tolist(), strict=True)
        ]
        return torch.tensor(rows, device=node_BW.device)

    def texts(self, held: Held) -> list[list[Told]]:
        """What each row found, best first."""
        late_BW = (held.ending_BW - self.limit_B1).clamp_min(0.0)
        beyond_BW = self._beyond(held.blanks_BW, held.count_BW)
        seen = (held.node_BW, held.both_BW, held.count_BW, beyond_BW, late_BW)
        found = []
        rows = zip(*(x.tolist() for x in seen), self.lattice.count_B.tolist(), strict=True)
        for *row, cells in rows:
            told = [
                Told(
                    self.tree.text(node),
                    logp,
                    Features(
                        ctc=logp / max(cells, 1),
                        language_model=self.tree.ended(node) / (count + 1),
                        blanks=-beyond,
                        trailing=-late,
                    ),
                )
                for node, logp, count, beyond, late in zip(*row, strict=True)
                if node >= 0
            ]
            found.append(sorted(told, key=lambda text: -text.features.score(self.weights)))
        return found
