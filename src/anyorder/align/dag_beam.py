"""Beam search over the texts of a DAG lattice, each summed over the paths that emit it.

    beams = dag_beam(lattice, width=8)
    beams[row][0].tokens
    dag_beam(lattice, width=8, language_model=bigrams, weight=0.4)

A hypothesis is a text and the vertex that emits its last token; those that agree in both are one,
and their probabilities are added. All texts of a beam are of the same length.
Source: Huang et al. 2022 (arXiv:2205.07459), section 3.4 and appendix.
Shapes: B rows, M vertices, V vocabulary, W hypotheses, P different texts among them, K likeliest
tokens of a vertex, S candidates.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from anyorder.align.lattice import DAGLattice
from anyorder.align.scorer import Prefixes, Scorer, Spelled


@dataclass(frozen=True)
class _Hypothesis:
    """A text, its last vertex, and log p of the paths that emit the one and end at the other."""

    node: int
    vertex: int
    logp: float


@dataclass(frozen=True)
class _Graph:
    """One row: its links, the likeliest tokens of its vertices, and how it is searched."""

    links_MM: Float[Tensor, "M M"]
    logp_MK: Float[Tensor, "M K"]
    token_MK: Int[Tensor, "M K"]
    width: int
    shortlist: int
    tree: Prefixes


@torch.no_grad()
def dag_beam(
    lattice: DAGLattice,
    *,
    width: int,
    tokens_per_vertex: int = 5,
    length_penalty: float = 1.0,
    language_model: Scorer | None = None,
    weight: float = 1.0,
    bonus: float = 0.0,
    shortlist: int = 8,
) -> list[list[Spelled]]:
    """The best texts of each row, best first:
    (log P(text) + weight * log p(text) + bonus * n) / n ** length_penalty, n tokens.

    `tokens_per_vertex`: a vertex emits one of its likeliest tokens alone. `shortlist`: a language
    model ranks that many candidates for each place in the beam, the best ones without it. No text
    comes back where no path leads to the last vertex.
    Raises ValueError for a width, a number of tokens or a shortlist below 1.
    Source: Huang et al. 2022 (arXiv:2205.07459), section 3.4.

    >>> logp_BMV = torch.tensor([[[1.0, 0.0], [0.4, 0.6], [0.5, 0.5], [0.0, 1.0]]]).log()
    >>> links_BMM = torch.zeros(1, 4, 4)
    >>> links_BMM[0, 0, 1:3], links_BMM[0, 1:3, 3] = 0.5, 1.0
    >>> lattice = DAGLattice(logp_BMV, links_BMM.log(), torch.tensor([4]))
    >>> [[best, second]] = dag_beam(lattice, width=4)
    >>> best.tokens, second.tokens          # 0.5 * 0.6 + 0.5 * 0.5, over the upper and lower way
    ((0, 1, 1), (0, 0, 1))
    """
    if min(width, tokens_per_vertex, shortlist) < 1:
        raise ValueError(f"width, tokens and shortlist must be 1 at least: {width}, {shortlist}")
    tree = Prefixes(language_model, weight=weight, bonus=bonus)
    top = lattice.logp_BMV.topk(min(tokens_per_vertex, lattice.logp_BMV.shape[2]), -1)
    beams = []
    for row, count in enumerate(lattice.count_B.tolist()):
        links_MM = lattice.links_BMM[row, :count, :count].double()
        right_MM = torch.ones_like(links_MM, dtype=torch.bool).triu(1)
        graph = _Graph(
            links_MM.where(right_MM, -torch.inf),
            top.values[row, :count].double(),
            top.indices[row, :count],
            width,
            shortlist if tree.language_model else 1,
            tree,
        )
        beams.append(_search(graph, length_penalty)[:width])
    return beams


def _search(graph: _Graph, length_penalty: float) -> list[Spelled]:
    """All texts that reached the last vertex, best first."""
    found: list[Spelled] = []
    M = len(graph.links_MM)
    mass_PM = torch.full((1, M), -torch.inf, dtype=torch.double, device=graph.links_MM.device)
    mass_PM[:, :1] = 0.0  # a path begins at vertex 0
    nodes = [0]
    for n in range(1, M + 1):
        beam = _best(graph, mass_PM, nodes)
        for end in beam:
            if end.vertex == M - 1:
                score = (end.logp + graph.tree.ended(end.node)) / n**length_penalty
                found.append(Spelled(graph.tree.text(end.node), end.logp, score))
        beam = [one for one in beam if one.vertex < M - 1]
        if not beam:
            break
        mass_PM, nodes = _moved(graph, beam)
    return sorted(found, key=lambda text: -text.score)


def _best(graph: _Graph, mass_PM: Tensor, nodes: list[int]) -> list[_Hypothesis]:
    """The best hypotheses that come of these texts by one token at one vertex."""
    P, M = mass_PM.shape
    K = graph.logp_MK.shape[1]
    base = [graph.tree.nodes[node].score for node in nodes]
    base_P1 = torch.tensor(base, dtype=torch.double, device=mass_PM.device)[:, None]
    logp_S = (mass_PM[..., None] + graph.logp_MK).flatten()
    rank_S = (logp_S.view(P, M * K) + base_P1).flatten()
    top = rank_S.topk(min(graph.width * graph.shortlist, len(rank_S)))
    at_S = top.indices[top.values > -torch.inf]
    token_S = graph.token_MK.flatten()[at_S % (M * K)].tolist()
    ranked = []
    for at, token, logp in zip(at_S.tolist(), token_S, logp_S[at_S].tolist(), strict=True):
        node = graph.tree.child(nodes[at // (M * K)], token)
        one = _Hypothesis(node, at // K % M, logp)
        ranked.append((logp + graph.tree.nodes[node].score, one))
    ranked.sort(key=lambda pair: -pair[0])
    return [one for score, one in ranked[: graph.width] if score > -torch.inf]


def _moved(graph: _Graph, beam: list[_Hypothesis]) -> tuple[Tensor, list[int]]:
    """log p of each different text with each vertex as the next one, and the texts."""
    nodes = list(dict.fromkeys(one.node for one in beam))
    device = graph.links_MM.device
    vertex_W = torch.tensor([one.vertex for one in beam], device=device)
    logp_W = torch.tensor([one.logp for one in beam], dtype=torch.double, device=device)
    same_PW = torch.tensor([[one.node == node for one in beam] for node in nodes], device=device)
    next_WM = logp_W[:, None] + graph.links_MM[vertex_W]
    return next_WM.where(same_PW[..., None], -torch.inf).logsumexp(1), nodes
