"""CTC: all ways in which tokens and blanks, one a cell, can spell a target.

    logp_B = log_likelihood(lattice, target_BN, target_B)           # summed over all paths
    path_BM, fits_B = best_paths(lattice, target_BN, target_B)      # the likeliest of them
    first_BM = spelled(path_BM, lattice.count_B, lattice.blank)     # path_BM[first_BM]: the text
    beams = prefix_beam(lattice, width=8)                           # the likeliest texts
    often_BP = expected_ngrams(lattice, grams_BPG)                  # how often they stand in one

A path spells what is left when repeats are merged and blanks taken out. It knows no text longer
than a row has cells, less one for every token that equals the one before it.
Source: Graves et al. 2006, section 4.1.
Shapes: B rows, M cells, N target cells, V vocabulary, C columns (the blank, then one for each
target cell), S states (blank, token, blank, ..., token, blank: 2 N + 1).
"""

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable

from anyorder.align.ctc_beam import prefix_beam
from anyorder.align.ctc_ngrams import expected_length, expected_ngrams, expected_unigrams
from anyorder.align.lattice import CTCLattice
from anyorder.align.scorer import Scorer, Spelled

__all__ = [
    "Scorer",
    "Spelled",
    "best_paths",
    "expected_length",
    "expected_ngrams",
    "expected_unigrams",
    "log_likelihood",
    "prefix_beam",
    "spelled",
]


def log_likelihood(
    lattice: CTCLattice, target_BN: Int[Tensor, "B N"], target_B: Int[Tensor, " B"]
) -> Float[Tensor, " B"]:
    """log P(target) = log sum over paths a that spell it of prod_m p_m(a_m).

    -inf, with no gradient, where no path spells the target: the row has fewer cells than
    target_B + repeats. The gradient is the posterior of each cell's token, whether or not the
    log-probabilities come from a softmax.
    Raises ValueError for a target that holds the blank.
    Source: Graves et al. 2006, equations 3 to 8.

    >>> half_BMV = torch.full((1, 2, 2), 0.5).log()                 # two cells: blank or token 1
    >>> lattice = CTCLattice(half_BMV, torch.tensor([2]), blank=0)
    >>> p_B = log_likelihood(lattice, torch.tensor([[1]]), torch.tensor([1])).exp()
    >>> round(float(p_B), 4)                                        # 1-, -1 and 11
    0.75
    """
    ids_BC = _ids(lattice, target_BN, target_B)
    logp_BMC = _columns(lattice, ids_BC)
    # Only equality with the token before matters to CTC: a run of equal tokens is one column.
    place_BC = torch.arange(ids_BC.shape[1], device=ids_BC.device).expand_as(ids_BC)
    run_BC = place_BC.where(_differs(ids_BC), 0).cummax(1).values
    logp_B = _Sum.apply(logp_BMC.double(), run_BC[:, 1:], lattice.count_B, target_B)
    return logp_B.to(lattice.logp_BMV.dtype)


class _Sum(torch.autograd.Function):
    """PyTorch's CTC on few columns, in float64, with the gradient that its input has.

    `F.ctc_loss` returns exp(logp) - posterior, which is right behind a log-softmax alone.
    """

    @staticmethod
    def forward(
        ctx: Any, logp_BMC: Tensor, run_BN: Tensor, count_B: Tensor, target_B: Tensor
    ) -> Tensor:
        wanted = bool(ctx.needs_input_grad[0])
        with torch.set_grad_enabled(wanted):
            leaf_BMC = logp_BMC.detach().requires_grad_(wanted)
            loss_B = F.ctc_loss(
                leaf_BMC.transpose(0, 1), run_BN, count_B.clamp_min(1), target_B, reduction="none"
            )
        if wanted:
            (found_BMC,) = torch.autograd.grad(loss_B, leaf_BMC, torch.ones_like(loss_B))
            post_BMC = logp_BMC.exp() - found_BMC
            # Where log p is -inf, or the target impossible, it is NaN and ought to be none at all.
            possible_B11 = loss_B.detach().isfinite()[:, None, None]
            post_BMC = post_BMC.nan_to_num(0.0).clamp(0.0, 1.0).where(possible_B11, 0.0)
            ctx.save_for_backward(post_BMC)
        return -loss_B.detach()

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, grad_B: Tensor
    ) -> tuple[Tensor, None, None, None]:
        (post_BMC,) = ctx.saved_tensors
        return grad_B[:, None, None] * post_BMC, None, None, None


def best_paths(
    lattice: CTCLattice, target_BN: Int[Tensor, "B N"], target_B: Int[Tensor, " B"]
) -> tuple[Int[Tensor, "B M"], Bool[Tensor, " B"]]:
    """The likeliest path that spells each target, and whether there is any (else all is blank).

    Raises ValueError for a target that holds the blank.
    Source: Viterbi's algorithm on the states of Graves et al. 2006, figure 3.

    >>> logp_BMV = torch.tensor([[[0.3, 0.7], [0.6, 0.4]]]).log()
    >>> lattice = CTCLattice(logp_BMV, torch.tensor([2]), blank=0)
    >>> best_paths(lattice, torch.tensor([[1]]), torch.tensor([1]))[0].tolist()
    [[1, 0]]
    """
    ids_BC = _ids(lattice, target_BN, target_B)
    logp_BMC = _columns(lattice, ids_BC).detach()
    C = ids_BC.shape[1]
    column_S = torch.zeros(2 * C - 1, dtype=torch.long, device=ids_BC.device)
    column_S[1::2] = torch.arange(1, C, device=ids_BC.device)
    # A token may follow the one before it at once, unless they are equal.
    leap_BS = _differs(ids_BC)[:, column_S] & (column_S > 1)
    state_BM, best_B = _viterbi(logp_BMC[..., column_S], leap_BS, target_B)
    fits_B = best_B > -torch.inf
    path_BM = ids_BC[:, column_S].gather(1, state_BM)
    return path_BM.where(lattice.real_BM & fits_B[:, None], lattice.blank), fits_B


def _viterbi(logp_BMS: Tensor, leap_BS: Tensor, target_B: Tensor) -> tuple[Tensor, Tensor]:
    """The state of each cell on the best path, and the path's log-probability."""
    B, M, _ = logp_BMS.shape
    best_BS = torch.full_like(logp_BMS[:, 0], -torch.inf)
    best_BS[:, :2] = logp_BMS[:, 0, :2]
    back: list[Tensor] = []
    for m in range(1, M):
        one_BS = F.pad(best_BS, (1, 0), value=-torch.inf)[:, :-1]
        two_BS = F.pad(best_BS, (2, 0), value=-torch.inf)[:, :-2].where(leap_BS, -torch.inf)
        before = torch.stack([best_BS, one_BS, two_BS]).max(0)
        back.append(before.indices)
        best_BS = before.values + logp_BMS[:, m]
    # A path ends with the last token or with a blank behind it.
    end_B2 = torch.stack([2 * target_B, (2 * target_B - 1).clamp_min(0)], 1)
    best = best_BS.gather(1, end_B2).max(1)
    state_B1 = end_B2.gather(1, best.indices[:, None])
    states = [state_B1]
    for back_BS in reversed(back):
        state_B1 = state_B1 - back_BS.gather(1, state_B1)
        states.append(state_B1)
    return torch.cat(states[::-1], 1), best.values


def spelled(
    path_BM: Int[Tensor, "B M"], count_B: Int[Tensor, " B"], blank: int
) -> Bool[Tensor, "B M"]:
    """True at the first cell of each token that is left when repeats are merged, blanks taken out.

    >>> path_BM = torch.tensor([[5, 5, 0, 5, 6]])
    >>> path_BM[spelled(path_BM, torch.tensor([5]), blank=0)].tolist()
    [5, 5, 6]
    """
    cell_M = torch.arange(path_BM.shape[1], device=path_BM.device)
    return _differs(path_BM) & (path_BM != blank) & (cell_M < count_B[:, None])


def _differs(ids_BN: Tensor) -> Tensor:
    """Whether each token differs from the one before it; the first does."""
    return F.pad(ids_BN[:, 1:] != ids_BN[:, :-1], (1, 0), value=True)


def _ids(lattice: CTCLattice, target_BN: Tensor, target_B: Tensor) -> Tensor:
    """The token of each column: first the blank, then the target; blanks where it is padding."""
    real_BN = torch.arange(target_BN.shape[1], device=target_B.device) < target_B[:, None]
    if bool((real_BN & (target_BN == lattice.blank)).any()):
        raise ValueError(
            f"a CTC target can't hold the blank (token {lattice.blank}): no path spells it"
        )
    ids_BC = F.pad(target_BN.where(real_BN, lattice.blank), (1, 0), value=lattice.blank)
    # At least one token, so that no axis is empty.
    return ids_BC if ids_BC.shape[1] > 1 else F.pad(ids_BC, (0, 1), value=lattice.blank)


def _columns(lattice: CTCLattice, ids_BC: Tensor) -> Tensor:
    """log p of each column's token in each cell; a padding cell is a blank for certain."""
    M = lattice.logp_BMV.shape[1]
    logp_BMC = lattice.logp_BMV.gather(2, ids_BC[:, None].expand(-1, M, -1))
    padding_C = torch.full_like(logp_BMC[0, 0], -torch.inf)
    padding_C[0] = 0.0
    return logp_BMC.where(lattice.real_BM[..., None], padding_C)
