"""Linear chains against every sequence, one cell after the other and in parallel."""

import itertools
import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from anyorder.align.crf import (
    Chain,
    log_marginals,
    log_partition,
    max_marginals,
    max_marginals_of_moves,
    path_score,
    viterbi,
)
from tests.align.oracles import chain_scores, log_sum

V = 3
both = pytest.mark.parametrize("parallel", [False, True])


def chain_of(seed: int, counts: list[int], alike: tuple[bool, bool] = (False, False)) -> Chain:
    """Random scores; moves may be alike in all rows, and at all steps. Padding is full of traps."""
    coins = torch.Generator().manual_seed(seed)
    B, N = len(counts), max(counts)
    shape = (1 if alike[0] else B, 1 if alike[1] else N - 1, V, V)
    emit_BNV = torch.randn(B, N, V, generator=coins, dtype=torch.double)
    move_BTVV = torch.randn(shape, generator=coins, dtype=torch.double)
    chain = Chain(emit_BNV, move_BTVV, torch.tensor(counts))
    return replace(chain, emit_BNV=emit_BNV.where(chain.real_BN[..., None], 1e6))


def scores_of(chain: Chain, b: int) -> dict[tuple[int, ...], float]:
    count = int(chain.count_B[b])
    return chain_scores(chain.emit_BNV[b, :count].tolist(), chain.moves_BTVV[b].tolist())


@given(
    seed=st.integers(0, 10_000),
    counts=st.lists(st.integers(1, 6), min_size=1, max_size=3),
    alike=st.tuples(st.booleans(), st.booleans()),
    parallel=st.booleans(),
)
def test_it_is_a_sum_over_all_sequences(
    seed: int, counts: list[int], alike: tuple[bool, bool], parallel: bool
) -> None:
    chain = chain_of(seed, counts, alike)
    z_B = log_partition(chain, parallel=parallel)
    logp_BNV = log_marginals(chain, parallel=parallel)
    best_BNV = max_marginals(chain, parallel=parallel)
    best_BTVV = max_marginals_of_moves(chain, parallel=parallel)
    path_BN, top_B = viterbi(chain, parallel=parallel)
    own_B = path_score(chain, path_BN)
    for b, count in enumerate(counts):
        scores = scores_of(chain, b)
        z = log_sum([*scores.values()])
        assert float(z_B[b]) == pytest.approx(z)
        best = max(scores, key=lambda path: scores[path])
        assert path_BN[b].tolist() == [*best, *[0] * (max(counts) - count)]
        assert float(top_B[b]) == pytest.approx(scores[best])
        assert float(own_B[b]) == pytest.approx(scores[best])
        for n, v in itertools.product(range(count), range(V)):
            through = [score for path, score in scores.items() if path[n] == v]
            assert float(logp_BNV[b, n, v]) == pytest.approx(log_sum(through) - z)
            assert float(best_BNV[b, n, v]) == pytest.approx(max(through))
        for t, i, j in itertools.product(range(count - 1), range(V), range(V)):
            along = [score for path, score in scores.items() if path[t : t + 2] == (i, j)]
            assert float(best_BTVV[b, t, i, j]) == pytest.approx(max(along))
        assert (best_BTVV[b, count - 1 :] == -math.inf).all()
        assert (logp_BNV[b, count:] == -math.inf).all()
        assert (best_BNV[b, count:] == -math.inf).all()


@both
def test_its_gradient_is_that_of_the_sum(parallel: bool) -> None:
    chain = chain_of(0, [4, 2])

    def value(emit_BNV: Tensor, move_BTVV: Tensor) -> tuple[Tensor, Tensor]:
        free = Chain(emit_BNV, move_BTVV, chain.count_B)
        some_BNV = log_marginals(free, parallel=parallel).where(chain.real_BN[..., None], 0.0)
        return log_partition(free, parallel=parallel), some_BNV

    inputs = (chain.emit_BNV.clamp_max(9.0).requires_grad_(), chain.move_BTVV.requires_grad_())
    torch.autograd.gradcheck(value, inputs)


@both
def test_what_is_forbidden_is_never_taken(parallel: bool) -> None:
    """-inf may stand anywhere; where nothing is left, the sum is -inf and gradients are numbers."""
    move_BTVV = torch.full((2, 3, V, V), -math.inf)
    move_BTVV[0, :, 0, 1] = move_BTVV[0, :, 1, 0] = 0.0
    emit_BNV = torch.zeros(2, 4, V).requires_grad_()
    chain = Chain(emit_BNV, move_BTVV, torch.tensor([4, 4]))
    z_B = log_partition(chain, parallel=parallel)
    assert z_B.exp().tolist() == pytest.approx([2.0, 0.0])  # 0101 and 1010
    z_B.sum().backward()
    assert emit_BNV.grad is not None
    assert emit_BNV.grad[0].tolist() == [[0.5, 0.5, 0.0]] * 4
    assert not emit_BNV.grad[1].any()
    assert viterbi(chain)[0][0].tolist() in ([0, 1, 0, 1], [1, 0, 1, 0])


@given(seed=st.integers(0, 10_000), cells=st.integers(1, 9))
def test_of_equally_good_sequences_one_is_taken_whole(seed: int, cells: int) -> None:
    coins = torch.Generator().manual_seed(seed)
    move_BTVV = torch.randint(0, 2, (2, cells - 1, V, V), generator=coins).float()
    chain = Chain(torch.zeros(2, cells, V), move_BTVV, torch.tensor([cells, max(cells - 2, 1)]))
    for parallel in (False, True):
        path_BN, score_B = viterbi(chain, parallel=parallel)
        assert torch.equal(path_score(chain, path_BN), score_B)
    assert torch.equal(score_B, viterbi(chain)[1])


@both
def test_a_row_may_be_empty(parallel: bool) -> None:
    chain = replace(chain_of(0, [3, 2]), count_B=torch.tensor([3, 0]))
    assert float(log_partition(chain, parallel=parallel)[1]) == 0.0
    path_BN, score_B = viterbi(chain, parallel=parallel)
    assert path_BN[1].tolist() == [0, 0, 0]
    assert float(score_B[1]) == 0.0


def test_steps_must_lie_between_cells() -> None:
    with pytest.raises(ValueError, match="steps"):
        Chain(torch.zeros(1, 4, V), torch.zeros(1, 4, V, V), torch.tensor([4]))


@pytest.mark.parametrize("cells", [2, 31, 64])
def test_both_ways_agree_on_long_chains(cells: int) -> None:
    chain = chain_of(1, [cells, cells // 2])
    for found in (log_partition, log_marginals, max_marginals):
        torch.testing.assert_close(found(chain), found(chain, parallel=True))
    assert viterbi(chain)[0].tolist() == viterbi(chain, parallel=True)[0].tolist()
