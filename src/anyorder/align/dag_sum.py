"""The sum over all paths of a DAG, fast and in little memory.

    logp_B = path_sum(emit_BNM, links_BMM, count_B, target_B)

One step of the forward algorithm is a matrix product of probabilities, in float64, relative to the
likeliest vertex. What it loses is exp(-700) of that; where so little is all there is, the step is
repeated with logarithms for those vertices alone. What is kept for the way back are the forward
sums, B N M numbers, rather than B N M M.
Source: Huang et al. 2022 (arXiv:2205.07459), section 3.2 and appendix; the sums are Baum's.
Shapes: B rows, N target cells, M vertices, K faint sums.
"""

from typing import Any, Final

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable

# Below it a sum may have lost terms of its own size: each lost one is below 1e-304.
FAINT: Final = 1e-250


def path_sum(
    emit_BNM: Float[Tensor, "B N M"],
    links_BMM: Float[Tensor, "B M M"],
    count_B: Int[Tensor, " B"],
    target_B: Int[Tensor, " B"],
) -> Float[Tensor, " B"]:
    """log sum over paths of exp(sum of links and emissions), in float64.

    A path has `target_B` vertices, the first 0, the last `count_B` - 1, with a link from each to
    the next; its n-th vertex m emits `emit_BNM[b, n, m]`. Links to the left must be -inf. -inf,
    with no gradient, where there is no path; gradients are posteriors.

    >>> links_BMM = torch.ones(1, 3, 3).triu(1).log()
    >>> three = path_sum(torch.zeros(1, 3, 3), links_BMM, torch.tensor([3]), torch.tensor([3]))
    >>> three.exp().tolist()
    [1.0]
    """
    logp_B = _PathSum.apply(emit_BNM.double(), links_BMM.double(), count_B, target_B)
    assert isinstance(logp_B, Tensor)
    return logp_B


class _PathSum(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, emit_BNM: Tensor, links_BMM: Tensor, count_B: Tensor, target_B: Tensor
    ) -> Tensor:
        alpha_BNM, out_BNM = _forward(emit_BNM, links_BMM, count_B, target_B)
        row_B = torch.arange(len(count_B), device=count_B.device)
        end_B, last_B = (target_B - 1).clamp_min(0), (count_B - 1).clamp_min(0)
        logp_B = alpha_BNM[row_B, end_B, last_B]
        ctx.save_for_backward(alpha_BNM, out_BNM, links_BMM, end_B, last_B, logp_B)
        return logp_B

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, grad_B: Tensor
    ) -> tuple[Tensor, Tensor, None, None]:
        post_BNM, post_BMM = _backward(*ctx.saved_tensors)
        # 0 times whatever comes from above would be no number if that is infinite
        grad_B11 = grad_B.where(ctx.saved_tensors[-1] > -torch.inf, 0.0)[:, None, None]
        return grad_B11 * post_BNM, grad_B11 * post_BMM, None, None


def _forward(
    emit_BNM: Tensor, links_BMM: Tensor, count_B: Tensor, target_B: Tensor
) -> tuple[Tensor, Tensor]:
    """log of the sums over the beginnings of paths whose n-th vertex is m, emission included; and
    the sums over the vertex before, relative to the likeliest of those.
    """
    B, N, M = emit_BNM.shape
    p_BMM = links_BMM.exp()
    on_BNM = _useful(N, M, count_B, target_B)
    alpha_BM = torch.full_like(emit_BNM[:, 0], -torch.inf)
    alpha_BM[:, 0] = emit_BNM[:, 0, 0]
    alphas = [alpha_BM.where(on_BNM[:, 0], -torch.inf)]
    outs = [torch.ones_like(alpha_BM)]
    for n in range(1, N):
        near_BM, top_B1 = _near(alphas[-1])
        out_BM = (near_BM[:, None] @ p_BMM)[:, 0]
        log_BM = out_BM.log() + top_B1
        faint_BM = (out_BM < FAINT) & on_BNM[:, n]
        if int(faint_BM.sum()) > M:  # with links that lead not far, most have no beginning at all
            faint_BM = faint_BM & _reached(alphas[-1], links_BMM)
        row_K, at_K = faint_BM.nonzero(as_tuple=True)
        if len(row_K):
            log_BM[row_K, at_K] = (alphas[-1][row_K] + links_BMM[row_K, :, at_K]).logsumexp(-1)
        alphas.append((log_BM + emit_BNM[:, n]).where(on_BNM[:, n], -torch.inf))
        outs.append(out_BM)
    return torch.stack(alphas, 1), torch.stack(outs, 1)


def _backward(
    alpha_BNM: Tensor,
    out_BNM: Tensor,
    links_BMM: Tensor,
    end_B: Tensor,
    last_B: Tensor,
    logp_B: Tensor,
) -> tuple[Tensor, Tensor]:
    """Posteriors: that vertex m is the n-th, and that a link is taken; 0 where there is no path.

    Each step shares the posterior of a vertex out among those before it, in proportion to what
    they gave to its sum.
    """
    N = alpha_BNM.shape[1]
    row_B = torch.arange(len(end_B), device=end_B.device)
    p_BMM, (near_BNM, _) = links_BMM.exp(), _near(alpha_BNM)
    post_BNM, share_BNM = torch.zeros_like(alpha_BNM), torch.zeros_like(alpha_BNM)
    post_BNM[row_B, end_B, last_B] = (logp_B > -torch.inf).to(alpha_BNM.dtype)
    extra_BMM = torch.zeros_like(links_BMM)
    for n in reversed(range(1, N)):
        post_BM, out_BM = post_BNM[:, n], out_BNM[:, n]
        share_BM = (post_BM / out_BM).where((post_BM > 0) & (out_BM >= FAINT), 0.0)
        share_BNM[:, n] = share_BM
        post_BNM[:, n - 1] += near_BNM[:, n - 1] * (share_BM[:, None] @ p_BMM.mT)[:, 0]
        row_K, at_K = ((post_BM > 0) & (out_BM < FAINT)).nonzero(as_tuple=True)
        if len(row_K):
            part_KM = (alpha_BNM[row_K, n - 1] + links_BMM[row_K, :, at_K]).softmax(-1)
            part_KM = part_KM * post_BM[row_K, at_K, None]
            post_BNM[:, n - 1].index_add_(0, row_K, part_KM)
            extra_BMM[row_K, :, at_K] += part_KM  # a vertex of a row is there once
    taken_BMM = near_BNM[:, :-1].mT @ share_BNM[:, 1:]
    return post_BNM, taken_BMM.mul_(p_BMM).add_(extra_BMM)


def _useful(N: int, M: int, count_B: Tensor, target_B: Tensor) -> Tensor:
    """Whether the n-th vertex of a path can be m, by its distance from both ends."""
    n_N1, m_M = (torch.arange(size, device=count_B.device) for size in (N, M))
    n_N1 = n_N1[:, None]
    left_BN1 = target_B[:, None, None] - 1 - n_N1  # vertices that are still to come
    room_B1M = count_B[:, None, None] - 1 - m_M
    return (n_N1 <= m_M) & (left_BN1 >= 0) & (left_BN1 <= room_B1M)


def _near(alpha: Tensor) -> tuple[Tensor, Tensor]:
    """exp(alpha - top) and top, the greatest of the last axis; 0 where all are -inf."""
    top = alpha.amax(-1, keepdim=True).clamp_min(-1e300)
    return (alpha - top).exp(), top


def _reached(alpha_BM: Tensor, links_BMM: Tensor) -> Tensor:
    """Which vertices have a link from one that has a beginning."""
    begun_B1M = (alpha_BM > -torch.inf).to(alpha_BM.dtype)[:, None]
    return (begun_B1M @ (links_BMM > -torch.inf).to(alpha_BM.dtype))[:, 0] > 0
