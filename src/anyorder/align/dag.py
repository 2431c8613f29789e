"""DAG: all paths through the vertices of a graph that emit a target.

    logp_B = log_likelihood(lattice, target_BN, target_B)           # summed over all paths
    path_BN, fits_B = best_paths(lattice, target_BN, target_B)      # the likeliest of them
    paths = follow(lattice.links_BMM, lattice.count_B)              # step by step, no target
    paths = joint_viterbi(lattice, length_penalty=1.0)              # the likeliest path of all
    beams = dag_beam(lattice, width=8)                              # the likeliest texts

A path begins at vertex 0, goes to the right, ends at a row's last real vertex and emits one token
at each of its vertices: a target of N tokens is emitted by paths of N vertices.
Source: Huang et al. 2022 (arXiv:2205.07459); Viterbi decoding Shao et al. 2022 (arXiv:2210.05193).
Shapes: B rows, M vertices, N target cells, V vocabulary, J = M, K faint sums.
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from anyorder.align.dag_beam import dag_beam
from anyorder.align.dag_sum import path_sum
from anyorder.align.lattice import DAGLattice
from anyorder.align.scorer import Scorer, Spelled

__all__ = [
    "Scorer",
    "Spelled",
    "best_paths",
    "dag_beam",
    "follow",
    "joint_viterbi",
    "log_likelihood",
]


def log_likelihood(
    lattice: DAGLattice, target_BN: Int[Tensor, "B N"], target_B: Int[Tensor, " B"]
) -> Float[Tensor, " B"]:
    """log P(target) = log sum over paths a of prod_n p(a_n after a_(n-1)) p(y_n at a_n).

    -inf, with no gradient, where there is no path of target_B vertices.
    Source: Huang et al. 2022 (arXiv:2205.07459), section 3.2, equations 3 to 5.

    >>> logp_BMV = torch.tensor([[[0.5, 0.5], [1.0, 0.0], [0.0, 1.0]]]).log()
    >>> links_BMM = torch.tensor([[[0.0, 0.3, 0.7], [0.0, 0.0, 1.0], [0.0, 0.0, 0.0]]]).log()
    >>> lattice = DAGLattice(logp_BMV, links_BMM, torch.tensor([3]))
    >>> p_B = log_likelihood(lattice, torch.tensor([[0, 1]]), torch.tensor([2])).exp()
    >>> round(float(p_B), 4)                                        # from 0 to 2: 0.5 * 0.7 * 1
    0.35
    """
    emit_BNM = _emissions(lattice, target_BN, target_B)
    logp_B = path_sum(emit_BNM, _links(lattice), lattice.count_B, target_B)
    return logp_B.to(lattice.logp_BMV.dtype)


@torch.no_grad()
def best_paths(
    lattice: DAGLattice, target_BN: Int[Tensor, "B N"], target_B: Int[Tensor, " B"]
) -> tuple[Int[Tensor, "B N"], Bool[Tensor, " B"]]:
    """The vertices of the likeliest path that emits each target, and whether there is any.

    Vertex 0 where there is none, and behind a target's end.
    Source: Huang et al. 2022 (arXiv:2205.07459), section 3.3.

    >>> logp_BMV = torch.tensor([[[0.5, 0.5], [0.9, 0.1], [0.4, 0.6], [0.0, 1.0]]]).log()
    >>> even_BMM = torch.ones(1, 4, 4).triu(1).log()
    >>> lattice = DAGLattice(logp_BMV, even_BMM, torch.tensor([4]))
    >>> best_paths(lattice, torch.tensor([[0, 0, 1]]), torch.tensor([3]))[0].tolist()
    [[0, 1, 3]]
    """
    emit_BNM = _emissions(lattice, target_BN, target_B)
    N = min(emit_BNM.shape[1], emit_BNM.shape[2])
    best_NBM, back_NBM = _viterbi(emit_BNM[:, :N], _links(lattice))
    last_B = (lattice.count_B - 1).clamp_min(0)
    at_B = (target_B - 1).clamp(0, N - 1)
    score_B = best_NBM[at_B, torch.arange(len(at_B), device=at_B.device), last_B]
    possible_B = (target_B > 0) & (target_B <= N) & (lattice.count_B > 0)
    fits_B = (score_B > -torch.inf) & possible_B
    path_BN = _trace(back_NBM, target_B.where(fits_B, 0), last_B)
    rest_BN = path_BN.new_zeros(len(path_BN), target_BN.shape[1])
    rest_BN[:, : path_BN.shape[1]] = path_BN[:, : target_BN.shape[1]]
    return rest_BN, fits_B


def follow(
    score_BMM: Float[Tensor, "B M M"], count_B: Int[Tensor, " B"]
) -> list[Int[Tensor, " N"]]:
    """From vertex 0 always to the best successor, until the last real vertex.

    `score_BMM[b, i, j]`: how good j is after i; only i < j < count is looked at.
    Source: Huang et al. 2022 (arXiv:2205.07459), section 3.4: greedy with the links as scores,
    lookahead with log p of the likeliest token added.

    >>> score_BMM = torch.tensor([[[0.0, 1.0, 2.0], [0.0, 0.0, 5.0], [0.0, 0.0, 0.0]]])
    >>> [path.tolist() for path in follow(score_BMM, torch.tensor([3]))]
    [[0, 2]]
    """
    M = score_BMM.shape[1]
    open_BMM = _right(M, count_B)
    place_M = torch.arange(M, device=count_B.device)
    # At least one step to the right: also where no successor has a score.
    next_BM = score_BMM.where(open_BMM, -torch.inf).argmax(-1).maximum(place_M + 1)
    paths = []
    for after, count in zip(next_BM.tolist(), count_B.tolist(), strict=True):
        path = [0] if count else []
        while path and path[-1] < count - 1:
            path.append(after[path[-1]])
        paths.append(torch.tensor(path, dtype=torch.long, device=count_B.device))
    return paths


@torch.no_grad()
def joint_viterbi(lattice: DAGLattice, *, length_penalty: float = 1.0) -> list[Int[Tensor, " N"]]:
    """The path, of whatever length n, whose log p, with its likeliest tokens, is the greatest.

    argmax over paths a of (sum_n log p(a_n after a_(n-1)) + max_y log p(y at a_n)) / n ** penalty

    Empty for a row with no path to its last vertex.
    Source: Shao et al. 2022 (arXiv:2210.05193), sections 3.2 and 3.3.

    >>> logp_BMV = torch.tensor([[[0.9, 0.1], [0.9, 0.1], [0.1, 0.9]]]).log()
    >>> links_BMM = torch.tensor([[[0.0, 0.6, 0.4], [0.0, 0.0, 1.0], [0.0, 0.0, 0.0]]]).log()
    >>> [path] = joint_viterbi(DAGLattice(logp_BMV, links_BMM, torch.tensor([3])))
    >>> path.tolist()
    [0, 1, 2]
    """
    B, M, _ = lattice.logp_BMV.shape
    emit_BM = lattice.logp_BMV.amax(-1).where(lattice.real_BM, -torch.inf)
    best_NBM, back_NBM = _viterbi(emit_BM[:, None].expand(-1, M, -1), _links(lattice))
    last_B = (lattice.count_B - 1).clamp_min(0)
    end_NB = best_NBM[:, torch.arange(B, device=last_B.device), last_B]
    length_N1 = torch.arange(1, M + 1, device=last_B.device)[:, None]
    best = (end_NB / length_N1**length_penalty).max(0)
    count_B = (best.indices + 1).where(best.values > -torch.inf, 0)
    path_BN = _trace(back_NBM, count_B, last_B)
    return [path[:count] for path, count in zip(path_BN, count_B.tolist(), strict=True)]


def _viterbi(emit_BNM: Tensor, links_BMM: Tensor) -> tuple[Tensor, Tensor]:
    """The best score of a path whose vertex n is m, and the vertex before it on that path.

    The n-th vertex of a path is n at least, so that ever fewer of them need to be looked at.
    """
    B, N, M = emit_BNM.shape
    best_NBM = emit_BNM.new_full((N, B, M), -torch.inf)
    back_NBM = torch.zeros(N, B, M, dtype=torch.long, device=emit_BNM.device)
    best_NBM[0, :, 0] = emit_BNM[:, 0, 0]
    for n in range(1, N):
        before = (best_NBM[n - 1, :, n - 1 :, None] + links_BMM[:, n - 1 :, n:]).max(1)
        best_NBM[n, :, n:] = before.values + emit_BNM[:, n, n:]
        back_NBM[n, :, n:] = before.indices + (n - 1)
    return best_NBM, back_NBM


def _trace(back_NBM: Tensor, count_B: Tensor, last_B: Tensor) -> Tensor:
    """The path of `count_B` vertices that ends at `last_B`; vertex 0 behind its end."""
    N, B, _ = back_NBM.shape
    path_BN = torch.zeros(B, N, dtype=torch.long, device=last_B.device)
    vertex_B = last_B
    for n in reversed(range(N)):
        on_B = n < count_B
        path_BN[:, n] = vertex_B.where(on_B, 0)
        before_B = back_NBM[n].gather(1, vertex_B[:, None])[:, 0]
        vertex_B = before_B.where(on_B, vertex_B)
    return path_BN


def _emissions(lattice: DAGLattice, target_BN: Tensor, target_B: Tensor) -> Tensor:
    """log p of each target token at each vertex; at least one token, -inf at padding vertices."""
    M = lattice.logp_BMV.shape[1]
    real_BN = torch.arange(target_BN.shape[1], device=target_B.device) < target_B[:, None]
    ids_BN = target_BN.where(real_BN, 0)
    if not ids_BN.shape[1]:
        ids_BN = ids_BN.new_zeros(len(ids_BN), 1)
    emit_BMN = lattice.logp_BMV.gather(2, ids_BN[:, None].expand(-1, M, -1))
    return emit_BMN.where(lattice.real_BM[..., None], -torch.inf).transpose(1, 2)


def _links(lattice: DAGLattice) -> Tensor:
    """The links; -inf unless they lead right, to a real vertex."""
    return lattice.links_BMM.where(_right(lattice.links_BMM.shape[1], lattice.count_B), -torch.inf)


def _right(M: int, count_B: Tensor) -> Bool[Tensor, "B M M"]:
    """Where i < j < count."""
    right_MM = torch.ones(M, M, dtype=torch.bool, device=count_B.device).triu(1)
    real_BM = torch.arange(M, device=count_B.device) < count_B[:, None]
    return right_MM & real_BM[:, None]
