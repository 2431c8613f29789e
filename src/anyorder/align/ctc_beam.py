"""Beam search over the texts of a CTC lattice, each summed over the paths that spell it.

    beams = prefix_beam(lattice, width=8)
    beams[row][0].tokens                                  # the likeliest text
    prefix_beam(lattice, width=8, language_model=bigrams, weight=0.4, bonus=0.2)

After each cell it keeps the `width` best beginnings of a text; wide enough, it finds the best text.
Source: Hannun et al. 2014 (arXiv:1408.2873), algorithm 1.
Shapes: B rows, M cells, V vocabulary, W beginnings, K likeliest tokens of a cell, J = W.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from anyorder.align.lattice import CTCLattice
from anyorder.align.scorer import Prefixes, Scorer, Spelled


@dataclass(frozen=True)
class _Beam:
    """The beginnings that are kept; -inf where a row has fewer.

    `blank_BW` and `token_BW`: log p of the paths that end in a blank, and in the last token.
    """

    node_BW: Int[Tensor, "B W"]  # which text of the tree; -1: none
    up_BW: Int[Tensor, "B W"]  # the text before its last token
    last_BW: Int[Tensor, "B W"]  # that token; -1: the text is empty
    score_BW: Float[Tensor, "B W"]  # what the language model and the bonus say of it
    blank_BW: Float[Tensor, "B W"]
    token_BW: Float[Tensor, "B W"]

    @property
    def both_BW(self) -> Float[Tensor, "B W"]:
        """log p of all paths that spell the beginning."""
        return torch.logaddexp(self.blank_BW, self.token_BW)


@torch.no_grad()
def prefix_beam(
    lattice: CTCLattice,
    *,
    width: int,
    tokens_per_cell: int = 40,
    language_model: Scorer | None = None,
    weight: float = 1.0,
    bonus: float = 0.0,
) -> list[list[Spelled]]:
    """The best texts of each row, best first: log P(text) + weight * log p(text) + bonus * tokens.

    `tokens_per_cell`: a beginning grows by the likeliest tokens of a cell alone; a language model
    is asked about width times as many at each cell. Fewer than `width` texts come back where there
    are no more.
    Raises ValueError for a width or a number of tokens below 1.
    Source: Hannun et al. 2014 (arXiv:1408.2873), algorithm 1.

    >>> logp_BMV = torch.tensor([[[0.6, 0.4], [0.6, 0.4]]]).log()   # blank is likelier everywhere
    >>> [best, second] = prefix_beam(CTCLattice(logp_BMV, torch.tensor([2]), 0), width=2)[0]
    >>> best.tokens, second.tokens                                  # yet 1-, -1 and 11 are 0.64
    ((1,), ())
    """
    if width < 1 or tokens_per_cell < 1:
        raise ValueError(f"a beam of {width} with {tokens_per_cell} tokens a cell keeps nothing")
    tree = Prefixes(language_model, weight=weight, bonus=bonus)
    B, M, V = lattice.logp_BMV.shape
    top = lattice.logp_BMV.topk(min(tokens_per_cell + 1, V), -1)  # the blank may be among them
    top_BMK = top.values.double().where(top.indices != lattice.blank, -torch.inf)
    beam = _empty(B, width, lattice.logp_BMV.device)
    for m in range(M):
        cell = lattice.logp_BMV[:, m].double()
        going_B1 = (m < lattice.count_B)[:, None]
        beam = _step(beam, cell, (top_BMK[:, m], top.indices[:, m]), lattice.blank, going_B1, tree)
    return [_texts(beam, row, tree) for row in range(B)]


def _empty(B: int, W: int, device: torch.device) -> _Beam:
    """Nothing but the empty text, which ends in a blank, so to speak."""
    none_BW = torch.full((B, W), -1, device=device)
    never_BW = torch.full((B, W), -torch.inf, dtype=torch.double, device=device)
    node_BW, blank_BW = none_BW.clone(), never_BW.clone()
    node_BW[:, 0], blank_BW[:, 0] = 0, 0.0
    score_BW = torch.zeros_like(never_BW)
    return _Beam(node_BW, none_BW - 1, none_BW, score_BW, blank_BW, never_BW)


def _step(
    beam: _Beam,
    logp_BV: Tensor,
    top: tuple[Tensor, Tensor],
    blank: int,
    going_B1: Tensor,
    tree: Prefixes,
) -> _Beam:
    """The beam after one more cell; rows without one stay as they are."""
    logp_BK, token_BK = top
    W, K = beam.node_BW.shape[1], logp_BK.shape[1]
    stay_blank_BW = beam.both_BW + logp_BV[:, blank, None]
    grown_BW, is_parent_BJW = _grown(beam, logp_BV)
    said_BW = logp_BV.gather(1, beam.last_BW.clamp_min(0))
    stay_token_BW = torch.logaddexp(beam.token_BW + said_BW, grown_BW)
    # A token after itself is new only when a blank stands between.
    repeats_BWK = beam.last_BW[..., None] == token_BK[:, None]
    fresh_BWK = beam.blank_BW[..., None].where(repeats_BWK, beam.both_BW[..., None])
    fresh_BWK = fresh_BWK + logp_BK[:, None]
    # Texts that the beam holds already were counted with it.
    held_BWK = is_parent_BJW.mT.double() @ repeats_BWK.double() > 0
    fresh_BWK = fresh_BWK.where(~held_BWK, -torch.inf)

    stay_BW = torch.logaddexp(stay_blank_BW, stay_token_BW) + beam.score_BW
    asked_BK = token_BK.where(logp_BK > -torch.inf, -1)
    score_BWK = fresh_BWK + _scores(beam, asked_BK, going_B1, tree)
    best = torch.cat([stay_BW, score_BWK.flatten(1)], 1).topk(W, 1)
    stays_BW = best.indices < W
    new_BW = (best.indices - W).clamp_min(0)
    from_BW = best.indices.where(stays_BW, new_BW // K)
    blank_BW = stay_blank_BW.gather(1, from_BW).where(stays_BW, -torch.inf)
    grow_BW = fresh_BWK.flatten(1).gather(1, new_BW)
    token_BW = stay_token_BW.gather(1, from_BW).where(stays_BW, grow_BW)
    next_BW = token_BK.gather(1, new_BW % K).where(~stays_BW, -1)
    alive_BW = (best.values > -torch.inf) & going_B1
    node_BW = _nodes(beam.node_BW.gather(1, from_BW), next_BW, alive_BW, tree)
    found = _beam(node_BW, blank_BW, token_BW, tree)
    return _Beam(
        *(a.where(going_B1, b) for a, b in zip(_fields(found), _fields(beam), strict=True))
    )


def _grown(beam: _Beam, logp_BV: Tensor) -> tuple[Tensor, Tensor]:
    """log p that each text is written now, from its own beginning, if that is in the beam too;
    and which one [j, w]: w is the beginning of j.
    """
    is_parent_BJW = beam.up_BW[:, :, None] == beam.node_BW[:, None]
    said_BJ = logp_BV.gather(1, beam.last_BW.clamp_min(0))
    repeats_BJW = beam.last_BW[:, :, None] == beam.last_BW[:, None]
    from_BJW = beam.blank_BW[:, None].where(repeats_BJW, beam.both_BW[:, None])
    return from_BJW.where(is_parent_BJW, -torch.inf).amax(-1) + said_BJ, is_parent_BJW


def _scores(beam: _Beam, token_BK: Tensor, going_B1: Tensor, tree: Prefixes) -> Tensor:
    """What the language model and the bonus say of each beginning with each token behind it; a
    token of -1 is none.
    """
    if tree.language_model is None:
        return (beam.score_BW + tree.bonus)[..., None].expand(-1, -1, token_BK.shape[1])

    def score(node: int, token: int) -> float:
        return tree.nodes[tree.child(node, token)].score if min(node, token) >= 0 else 0.0

    nodes = beam.node_BW.where(going_B1, -1).tolist()
    rows = [
        [[score(node, token) for token in tokens] for node in beginnings]
        for beginnings, tokens in zip(nodes, token_BK.tolist(), strict=True)
    ]
    return torch.tensor(rows, dtype=torch.double, device=token_BK.device)


def _nodes(node_BW: Tensor, next_BW: Tensor, alive_BW: Tensor, tree: Prefixes) -> Tensor:
    """The texts of `node_BW`, with the next token behind them where it is not -1."""
    columns = zip(node_BW.tolist(), next_BW.tolist(), alive_BW.tolist(), strict=True)
    rows = [
        [
            -1 if not alive else node if token < 0 else tree.child(node, token)
            for node, token, alive in zip(*row, strict=True)
        ]
        for row in columns
    ]
    return torch.tensor(rows, device=node_BW.device)


def _beam(node_BW: Tensor, blank_BW: Tensor, token_BW: Tensor, tree: Prefixes) -> _Beam:
    """What the tree knows of the texts, beside their log-probabilities."""
    nodes = [[tree.nodes[node] if node >= 0 else None for node in row] for row in node_BW.tolist()]
    device = node_BW.device
    up_BW = torch.tensor([[n.parent if n and n.parent >= 0 else -2 for n in row] for row in nodes])
    last_BW = torch.tensor([[n.token if n else -1 for n in row] for row in nodes])
    score_BW = torch.tensor(
        [[n.score if n else 0.0 for n in row] for row in nodes], dtype=torch.double
    )
    dead_BW = node_BW < 0
    return _Beam(
        node_BW,
        up_BW.to(device),
        last_BW.to(device),
        score_BW.to(device),
        blank_BW.masked_fill(dead_BW, -torch.inf),
        token_BW.masked_fill(dead_BW, -torch.inf),
    )


def _fields(beam: _Beam) -> tuple[Tensor, ...]:
    return (
        beam.node_BW,
        beam.up_BW,
        beam.last_BW,
        beam.score_BW,
        beam.blank_BW,
        beam.token_BW,
    )


def _texts(beam: _Beam, row: int, tree: Prefixes) -> list[Spelled]:
    """What a row found, best first."""
    found = [
        Spelled(tree.text(node), logp, logp + tree.ended(node))
        for node, logp in zip(beam.node_BW[row].tolist(), beam.both_BW[row].tolist(), strict=True)
        if node >= 0
    ]
    return sorted(found, key=lambda text: -text.score)
