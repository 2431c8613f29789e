"""Linear-chain CRF: scores of values and of moves between neighbours, summed over all sequences.

    chain = Chain(emit_BNV, move_VV[None, None], count_B)      # the same moves everywhere
    chain = Chain(emit_BNV, move_BTVV, count_B)                # or others at each step
    loss_B = log_partition(chain) - path_score(chain, target_BN)
    path_BN, score_B = viterbi(chain)
    logp_BNV, best_BNV = log_marginals(chain), max_marginals(chain)
    best_BTVV = max_marginals_of_moves(chain)

`parallel=True` replaces the walk over N cells by O(log N) products of V x V matrices (a tree or an
associative scan): fewer steps in sequence, more work, B N V^3 numbers in memory. It is meant for a
GPU; on two CPU cores the walk is many times as fast.
Source: Lafferty et al. 2001; max-marginals in parallel Deng & Rush 2020 (arXiv:2006.01112).
Shapes: B rows, N cells, V values, T = N - 1 steps (or 1, if they are all alike).
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

# What stands for the sum over sequences: (scores, axis) -> scores without that axis
Total = Callable[[Tensor, int], Tensor]


@dataclass(frozen=True)
class Chain:
    """score(a) = sum_n emit_n(a_n) + sum_n move_n(a_n, a_(n+1)), over the row's first cells.

    `move_BTVV[b, n, i, j]`: from value i in cell n to value j in cell n + 1; -inf forbids it.
    Raises ValueError for a number of steps that is neither N - 1 nor 1.
    """

    emit_BNV: Float[Tensor, "B N V"]
    move_BTVV: Float[Tensor, "#B #T V V"]
    count_B: Int[Tensor, " B"]

    def __post_init__(self) -> None:
        N, T = self.emit_BNV.shape[1], self.move_BTVV.shape[1]
        if T not in (1, N - 1):
            raise ValueError(f"{N} cells have {N - 1} steps (or one for all), not {T}")

    @property
    def moves_BTVV(self) -> Float[Tensor, "B T V V"]:
        """The moves of every row and step."""
        B, N, _ = self.emit_BNV.shape
        return self.move_BTVV[:, : N - 1].expand(B, N - 1, -1, -1)

    @property
    def real_BN(self) -> Bool[Tensor, "B N"]:
        """The cells that are no padding."""
        place_N = torch.arange(self.emit_BNV.shape[1], device=self.count_B.device)
        return place_N < self.count_B[:, None]


def log_partition(chain: Chain, *, parallel: bool = False) -> Float[Tensor, " B"]:
    """log sum over all sequences a of exp score(a); 0 for a row without cells.

    Source: Lafferty et al. 2001, section 3.

    >>> chain = Chain(torch.zeros(1, 3, 2), torch.zeros(1, 1, 2, 2), torch.tensor([3]))
    >>> log_partition(chain).exp().round().tolist()
    [8.0]
    """
    return _total(chain, _logsumexp, parallel)


def path_score(chain: Chain, path_BN: Int[Tensor, "B N"]) -> Float[Tensor, " B"]:
    """The score of one sequence a row.

    >>> chain = Chain(torch.zeros(1, 3, 2), torch.eye(2)[None, None], torch.tensor([3]))
    >>> path_score(chain, torch.tensor([[0, 0, 1]])).tolist()
    [1.0]
    """
    ids_BN = path_BN.where(chain.real_BN, 0)
    emit_BN = chain.emit_BNV.gather(2, ids_BN[..., None])[..., 0]
    from_BTV = chain.moves_BTVV.gather(
        2, ids_BN[:, :-1, None, None].expand(-1, -1, 1, chain.emit_BNV.shape[2])
    )[:, :, 0]
    move_BT = from_BTV.gather(2, ids_BN[:, 1:, None])[..., 0]
    real_BN = chain.real_BN
    return emit_BN.where(real_BN, 0.0).sum(1) + move_BT.where(real_BN[:, 1:], 0.0).sum(1)


def log_marginals(chain: Chain, *, parallel: bool = False) -> Float[Tensor, "B N V"]:
    """log p(a_n = v); -inf in padding cells."""
    through_BNV = _through(chain, _logsumexp, parallel)
    z_B11 = log_partition(chain, parallel=parallel)[:, None, None]
    return (through_BNV - z_B11).where(chain.real_BN[..., None], -torch.inf)


def max_marginals(chain: Chain, *, parallel: bool = False) -> Float[Tensor, "B N V"]:
    """The score of the best sequence with value v in cell n; -inf in padding cells.

    Source: Deng & Rush 2020 (arXiv:2006.01112), section 3: cascades prune by it.
    """
    return _through(chain, _largest, parallel).where(chain.real_BN[..., None], -torch.inf)


def max_marginals_of_moves(chain: Chain, *, parallel: bool = False) -> Float[Tensor, "B T V V"]:
    """The score of the best sequence with value i in cell n and j in cell n + 1; -inf in padding.

    Source: Deng & Rush 2020 (arXiv:2006.01112), section 3: what order m + 1 prunes by.

    >>> chain = Chain(torch.zeros(1, 2, 2), torch.eye(2)[None, None], torch.tensor([2]))
    >>> max_marginals_of_moves(chain).tolist()
    [[[[1.0, 0.0], [0.0, 1.0]]]]
    """
    before_BNV, after_BNV = _sides(chain, _largest, parallel)
    ends_BTV = chain.emit_BNV[:, 1:] + after_BNV[:, 1:]
    best_BTVV = before_BNV[:, :-1, :, None] + chain.moves_BTVV + ends_BTV[:, :, None]
    return best_BTVV.where(chain.real_BN[:, 1:, None, None], -torch.inf)


@torch.no_grad()
def viterbi(
    chain: Chain, *, parallel: bool = False
) -> tuple[Int[Tensor, "B N"], Float[Tensor, " B"]]:
    """The best sequence of each row, 0 in padding cells, and its score.

    Of sequences that are equally good, `parallel` may take another one.

    >>> emit_BNV = torch.tensor([[[0.0, 2.0], [0.0, 0.0]]])
    >>> viterbi(Chain(emit_BNV, torch.eye(2)[None, None], torch.tensor([2])))[0].tolist()
    [[1, 1]]
    """
    if parallel:
        path_BN, score_B = _from_the_top(chain)
        return path_BN.where(chain.real_BN, 0), score_B.where(chain.count_B > 0, 0.0)
    moves = chain.moves_BTVV.unbind(1)
    score_BV = chain.emit_BNV[:, 0]
    back: list[Tensor] = []
    here_V = torch.arange(score_BV.shape[1], device=score_BV.device)
    for n, move_BVV in enumerate(moves, 1):
        on_B1 = (n < chain.count_B)[:, None]
        best = (score_BV[:, :, None] + move_BVV).max(1)
        score_BV = (best.values + chain.emit_BNV[:, n]).where(on_B1, score_BV)
        back.append(best.indices.where(on_B1, here_V))
    value_B1 = score_BV.argmax(1, keepdim=True)
    path = [value_B1]
    for back_BV in reversed(back):
        value_B1 = back_BV.gather(1, value_B1)
        path.append(value_B1)
    path_BN = torch.cat(path[::-1], 1)
    return path_BN.where(chain.real_BN, 0), score_BV.amax(1).where(chain.count_B > 0, 0.0)


def _logsumexp(score: Tensor, axis: int) -> Tensor:
    """log sum exp, with a gradient of 0, not none, where all are -inf."""
    top = score.detach().amax(axis, keepdim=True).clamp_min(torch.finfo(score.dtype).min)
    sum_ = (score - top).exp().sum(axis)
    some = sum_ > 0
    return (sum_.where(some, 1.0).log() + top.squeeze(axis)).where(some, -torch.inf)


def _largest(score: Tensor, axis: int) -> Tensor:
    return score.amax(axis)


def _total(chain: Chain, total: Total, parallel: bool) -> Tensor:
    """The sum over all sequences, or what stands for it."""
    N = chain.emit_BNV.shape[1]
    if parallel and N > 1:
        step_BTVV = _steps(chain)
        while (T := step_BTVV.shape[1]) > 1:  # halve it: two neighbours become one
            pairs_BTVV = _product(step_BTVV[:, : T - 1 : 2], step_BTVV[:, 1::2], total)
            step_BTVV = torch.cat([pairs_BTVV, step_BTVV[:, T - T % 2 :]], 1)
        end_BV = total(chain.emit_BNV[:, 0, :, None] + step_BTVV[:, 0], 1)
    else:
        end_BV = _forward(chain, total)[:, -1]
    return total(end_BV, 1).where(chain.count_B > 0, 0.0)


def _from_the_top(chain: Chain) -> tuple[Tensor, Tensor]:
    """The best sequence and its score, in O(log N) steps: neighbouring steps are joined, with the
    best value between them, until one is left; then its ends are known, and so, from the top down,
    are the values between.
    """
    first_BV, V = chain.emit_BNV[:, 0], chain.emit_BNV.shape[2]
    if chain.emit_BNV.shape[1] == 1:
        return first_BV.argmax(1, keepdim=True), first_BV.amax(1)
    step_BTVV, between = _steps(chain), []
    while (T := step_BTVV.shape[1]) > 1:
        left_BTVV, right_BTVV = step_BTVV[:, : T - 1 : 2], step_BTVV[:, 1::2]
        best = (left_BTVV[..., None] + right_BTVV[..., None, :, :]).max(-2)
        between.append(best.indices)
        step_BTVV = torch.cat([best.values, step_BTVV[:, T - T % 2 :]], 1)
    best = (first_BV[:, :, None] + step_BTVV[:, 0]).flatten(1).max(1)
    path_BX = torch.stack([best.indices // V, best.indices % V], 1)
    row_B1 = torch.arange(len(path_BX), device=path_BX.device)[:, None]
    for middle_BTVV in reversed(between):
        T = middle_BTVV.shape[1]
        at_T = torch.arange(T, device=path_BX.device)
        middle_BT = middle_BTVV[row_B1, at_T, path_BX[:, :T], path_BX[:, 1 : T + 1]]
        pairs_BT2 = torch.stack([path_BX[:, :T], middle_BT], 2)
        path_BX = torch.cat([pairs_BT2.flatten(1), path_BX[:, T:]], 1)
    return path_BX, best.values


def _through(chain: Chain, total: Total, parallel: bool) -> Tensor:
    """The sum over the sequences that pass through each value of each cell."""
    before_BNV, after_BNV = _sides(chain, total, parallel)
    return before_BNV + after_BNV


def _sides(chain: Chain, total: Total, parallel: bool) -> tuple[Tensor, Tensor]:
    """The sums over all beginnings, the cell itself included, and over all ends without it."""
    if not parallel or chain.emit_BNV.shape[1] == 1:
        return _forward(chain, total), _backward(chain, total)
    first_BV = chain.emit_BNV[:, 0]
    before_BTVV, after_BTVV = _scans(_steps(chain), total)
    before_BTV = total(first_BV[:, None, :, None] + before_BTVV, 2)
    after_BTV = total(after_BTVV, 3)
    before_BNV = torch.cat([first_BV[:, None], before_BTV], 1)
    return before_BNV, torch.cat([after_BTV, torch.zeros_like(first_BV)[:, None]], 1)


def _forward(chain: Chain, total: Total) -> Tensor:
    """Sums over all beginnings, the cell itself included; padding repeats the last one."""
    sums = [chain.emit_BNV[:, 0]]
    for n, move_BVV in enumerate(chain.moves_BTVV.unbind(1), 1):
        next_BV = total(sums[-1][:, :, None] + move_BVV, 1) + chain.emit_BNV[:, n]
        sums.append(next_BV.where((n < chain.count_B)[:, None], sums[-1]))
    return torch.stack(sums, 1)


def _backward(chain: Chain, total: Total) -> Tensor:
    """Sums over all ends, the cell itself not included: 0 at the last real cell and beyond."""
    sums = [torch.zeros_like(chain.emit_BNV[:, 0])]
    moves = chain.moves_BTVV.unbind(1)
    for n in reversed(range(len(moves))):
        ends_BV = chain.emit_BNV[:, n + 1] + sums[-1]
        before_BV = total(moves[n] + ends_BV[:, None], 2)
        sums.append(before_BV.where((n + 1 < chain.count_B)[:, None], 0.0))
    return torch.stack(sums[::-1], 1)


def _steps(chain: Chain) -> Tensor:
    """Each step as a matrix: its move and what the next cell emits; padding is the unit matrix."""
    step_BTVV = chain.moves_BTVV + chain.emit_BNV[:, 1:, None]
    unit_VV = torch.full_like(step_BTVV[0, 0], -torch.inf).fill_diagonal_(0.0)
    return step_BTVV.where(chain.real_BN[:, 1:, None, None], unit_VV)


def _scans(step_BTVV: Tensor, total: Total) -> tuple[Tensor, Tensor]:
    """Products of the steps up to each, and from each on, by doubling how far they reach."""
    before_BTVV = after_BTVV = step_BTVV
    reach = 1
    while reach < step_BTVV.shape[1]:
        far_BTVV = _product(before_BTVV[:, :-reach], before_BTVV[:, reach:], total)
        before_BTVV = torch.cat([before_BTVV[:, :reach], far_BTVV], 1)
        far_BTVV = _product(after_BTVV[:, :-reach], after_BTVV[:, reach:], total)
        after_BTVV = torch.cat([far_BTVV, after_BTVV[:, -reach:]], 1)
        reach *= 2
    return before_BTVV, after_BTVV


def _product(left_BTVV: Tensor, right_BTVV: Tensor, total: Total) -> Tensor:
    """The matrix product in which sums are totals, and products sums."""
    return total(left_BTVV[..., None] + right_BTVV[..., None, :, :], -2)
