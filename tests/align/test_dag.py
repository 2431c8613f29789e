"""Paths through a DAG against every path: sums, gradients, the best path, beams."""

import itertools
import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from anyorder.align.dag import best_paths, dag_beam, follow, joint_viterbi, log_likelihood
from anyorder.align.lattice import DAGLattice, held
from tests.align.oracles import Text, dag_joint, dag_target, dag_texts, log_sum, ranked
from tests.align.test_ctc import Bigrams

V = 3
seeds = st.integers(0, 10_000)
TEXTS = [text for n in range(6) for text in itertools.product((0, 2), repeat=n)]


def lattice_of(
    seed: int, counts: list[int], dtype: torch.dtype = torch.double, spread: float = 2.0
) -> DAGLattice:
    """A random lattice; the tokens of padding vertices are traps, links as the lattice asks."""
    coins = torch.Generator().manual_seed(seed)
    B, M = len(counts), max(counts)
    logp_BMV = torch.randn(B, M, V, generator=coins, dtype=torch.double).mul(spread).log_softmax(-1)
    score_BMM = spread * torch.randn(B, M, M, generator=coins, dtype=torch.double)
    count_B = torch.tensor(counts)
    real_BM = torch.arange(M) < count_B[:, None]
    open_BMM = torch.ones(M, M, dtype=torch.bool).triu(1) & real_BM[:, None]
    links_BMM = score_BMM.where(open_BMM, -1e30).log_softmax(-1).where(open_BMM, -math.inf)
    logp_BMV = logp_BMV.where(real_BM[..., None], math.nan)
    return DAGLattice(logp_BMV.to(dtype), links_BMM.to(dtype), count_B)


def row_of(lattice: DAGLattice, b: int) -> tuple[list[list[float]], list[list[float]], int]:
    count = int(lattice.count_B[b])
    links = lattice.links_BMM[b, :count, :count].tolist()
    return lattice.logp_BMV[b, :count].tolist(), links, count


def targets_of(texts: list[Text]) -> tuple[Tensor, Tensor]:
    rows = [torch.tensor(text, dtype=torch.long) for text in texts]
    return pad_sequence(rows, True, -100), torch.tensor([len(text) for text in texts])


def repeated(lattice: DAGLattice, b: int, times: int) -> DAGLattice:
    row = slice(b, b + 1)
    return DAGLattice(
        lattice.logp_BMV[row].expand(times, -1, -1),
        lattice.links_BMM[row].expand(times, -1, -1),
        lattice.count_B[row].expand(times),
    )


@pytest.mark.parametrize("dtype", [torch.float, torch.double])
@pytest.mark.parametrize("count", range(6))
def test_every_target_is_as_likely_as_all_its_paths(count: int, dtype: torch.dtype) -> None:
    lattice = lattice_of(count, [count, 5], dtype)
    found_B = log_likelihood(repeated(lattice, 0, len(TEXTS)), *targets_of(TEXTS))
    rows = row_of(lattice, 0)
    wanted = [log_sum([*dag_target(*rows, text).values()]) for text in TEXTS]
    assert found_B.dtype == dtype
    torch.testing.assert_close(found_B, torch.tensor(wanted, dtype=dtype), rtol=1e-5, atol=1e-6)


def test_a_chain_is_as_likely_as_its_cells() -> None:
    """Law 8: where each vertex leads to the next one, a target has one token a cell, or none."""
    lattice = lattice_of(7, [4, 2, 1])
    chain_BMM = torch.full((3, 4, 4), -math.inf).double()
    chain_BMM[:, [0, 1, 2], [1, 2, 3]] = 0.0
    lattice = replace(lattice, links_BMM=chain_BMM)
    texts: list[Text] = [(0, 2, 2, 0), (2, 2), (0,)]
    wanted = [
        sum(float(lattice.logp_BMV[b, m, token]) for m, token in enumerate(text))
        for b, text in enumerate(texts)
    ]
    assert log_likelihood(lattice, *targets_of(texts)).tolist() == pytest.approx(wanted)
    assert log_likelihood(lattice, *targets_of([(0, 2), (0,), (0, 0)])).tolist() == [-math.inf] * 3
    paths = [best_paths(lattice, *targets_of(texts))[0][b, : len(t)] for b, t in enumerate(texts)]
    assert [path.tolist() for path in paths] == [[0, 1, 2, 3], [0, 1], [0]]


def test_a_batch_may_hold_empty_targets_alone() -> None:
    """A path has a vertex at least, so that they are impossible."""
    empty = torch.zeros(1, 0, dtype=torch.long), torch.zeros(1, dtype=torch.long)
    assert log_likelihood(lattice_of(0, [2]), *empty).tolist() == [-math.inf]
    path_BN, fits_B = best_paths(lattice_of(0, [2]), *empty)
    assert path_BN.shape == (1, 0)
    assert not fits_B.any()


@pytest.mark.parametrize("spread", [2.0, 400.0, 4000.0])
def test_nothing_is_lost_where_probabilities_are_tiny(spread: float) -> None:
    """With 4000 most of them are below the least number of float64."""
    for seed in range(30):
        lattice = lattice_of(seed, [6], spread=spread)
        leaf = lattice.logp_BMV.clone().requires_grad_()
        links = lattice.links_BMM.clone().requires_grad_()
        text = (0, 2, 2, 0)
        value = log_likelihood(DAGLattice(leaf, links, lattice.count_B), *targets_of([text]))
        ways = dag_target(*row_of(lattice, 0), text)
        total = log_sum([*ways.values()])
        assert value.item() == pytest.approx(total, rel=1e-9)
        value.sum().backward()
        assert leaf.grad is not None
        assert links.grad is not None
        wanted_MV, wanted_MM = torch.zeros(6, V).double(), torch.zeros(6, 6).double()
        for path, logp in ways.items():
            for vertex, token in zip(path, text, strict=True):
                wanted_MV[vertex, token] += math.exp(logp - total)
            for i, j in itertools.pairwise(path):
                wanted_MM[i, j] += math.exp(logp - total)
        torch.testing.assert_close(leaf.grad[0], wanted_MV, rtol=1e-6, atol=1e-9)
        torch.testing.assert_close(links.grad[0], wanted_MM, rtol=1e-6, atol=1e-9)


def test_links_may_lead_not_far() -> None:
    """Then most vertices have no beginning, some a tiny one, in many rows at once."""
    lattice = lattice_of(4, [6], spread=4000.0)
    near_MM = torch.ones(6, 6, dtype=torch.bool).triu(3)
    lattice = replace(lattice, links_BMM=lattice.links_BMM.masked_fill(near_MM, -math.inf))
    found_B = log_likelihood(repeated(lattice, 0, len(TEXTS)), *targets_of(TEXTS))
    wanted = [log_sum([*dag_target(*row_of(lattice, 0), text).values()]) for text in TEXTS]
    assert found_B.tolist() == pytest.approx(wanted, rel=1e-9)
    assert min(value for value in wanted if value > -math.inf) < -2000


@given(seed=seeds, texts=st.lists(st.sampled_from(TEXTS), min_size=1, max_size=3), data=st.data())
def test_a_row_is_the_same_alone_and_in_company(
    seed: int, texts: list, data: st.DataObject
) -> None:
    counts = data.draw(st.lists(st.integers(1, 6), min_size=len(texts), max_size=len(texts)))
    lattice = lattice_of(seed, counts)
    leaf_BMV = lattice.logp_BMV.clone().requires_grad_()
    logp_B = log_likelihood(replace(lattice, logp_BMV=leaf_BMV), *targets_of(texts))
    logp_B.sum().backward()
    assert leaf_BMV.grad is not None
    path_BN, fits_B = best_paths(lattice, *targets_of(texts))
    joint, beams = joint_viterbi(lattice), dag_beam(lattice, width=3)
    for b, (count, text) in enumerate(zip(counts, texts, strict=True)):
        alone = DAGLattice(
            lattice.logp_BMV[b : b + 1, :count],
            lattice.links_BMM[b : b + 1, :count, :count],
            torch.tensor([count]),
        )
        one_BMV = alone.logp_BMV.clone().requires_grad_()
        value = log_likelihood(replace(alone, logp_BMV=one_BMV), *targets_of([text]))
        value.sum().backward()
        assert one_BMV.grad is not None
        torch.testing.assert_close(logp_B[b : b + 1], value)
        torch.testing.assert_close(leaf_BMV.grad[b, :count], one_BMV.grad[0])
        assert not leaf_BMV.grad[b, count:].any()
        path_1N, fits_1 = best_paths(alone, *targets_of([text]))
        assert path_BN[b, : len(text)].tolist() == path_1N[0].tolist()
        assert fits_B[b] == fits_1[0]
        assert joint[b].tolist() == joint_viterbi(alone)[0].tolist()
        assert [s.tokens for s in beams[b]] == [s.tokens for s in dag_beam(alone, width=3)[0]]


@pytest.mark.parametrize("texts", [[(0, 2, 2), (0, 0)], [(2, 0, 0, 2), (0,) * 5]])
def test_its_gradient_is_that_of_the_sum(texts: list[Text]) -> None:
    lattice = lattice_of(1, [5, 5])
    open_BMM = lattice.links_BMM > -math.inf

    def value(logp_BMV: Tensor, free_BMM: Tensor) -> Tensor:
        links_BMM = free_BMM.where(open_BMM, -math.inf)
        return log_likelihood(DAGLattice(logp_BMV, links_BMM, lattice.count_B), *targets_of(texts))

    free_BMM = lattice.links_BMM.where(open_BMM, 0.0).requires_grad_()
    torch.autograd.gradcheck(value, (lattice.logp_BMV.requires_grad_(), free_BMM))


@pytest.mark.parametrize("dtype", [torch.float, torch.double])
def test_gradients_are_numbers_where_vertices_are_held(dtype: torch.dtype) -> None:
    """A held vertex may agree with the target, be left out, or make it impossible."""
    lattice = lattice_of(3, [4, 4, 4], dtype)
    leaf_BMV = lattice.logp_BMV.clone().requires_grad_()
    links_BMM = lattice.links_BMM.clone().requires_grad_()
    tokens_BM = torch.tensor([[0, 2, 0, 2]]).expand(3, -1)
    shown_BM = torch.tensor([[1, 1, 0, 0], [0, 0, 0, 1], [0, 0, 0, 0]]).bool()
    seen = held(DAGLattice(leaf_BMV, links_BMM, lattice.count_B), tokens_BM, shown_BM)
    logp_B = log_likelihood(seen, *targets_of([(0, 2, 0), (0, 0), (0,) * 5]))
    for b, text in enumerate([(0, 2, 0), (0, 0)]):
        wanted = log_sum([*dag_target(*row_of(seen, b), text).values()])
        assert logp_B[b].item() == pytest.approx(wanted, rel=1e-5)
    assert logp_B[1] < -1e8
    assert logp_B[2] == -math.inf
    logp_B.sum().backward()
    for grad in (leaf_BMV.grad, links_BMM.grad):
        assert grad is not None
        assert grad.isfinite().all()
        assert not grad[2].any()
    assert leaf_BMV.grad is not None
    assert not leaf_BMV.grad[shown_BM].any()


@given(seed=seeds, count=st.integers(1, 6), text=st.sampled_from(TEXTS))
def test_the_best_path_is_the_best_of_all(seed: int, count: int, text: Text) -> None:
    lattice = lattice_of(seed, [count, 6])
    path_BN, fits_B = best_paths(lattice, *targets_of([text, (0,) * 7]))
    ways = dag_target(*row_of(lattice, 0), text)
    assert fits_B.tolist() == [bool(ways), False]
    wanted = max(ways, key=lambda path: ways[path]) if ways else (0,) * len(text)
    assert tuple(path_BN[0].tolist()) == wanted + (0,) * (7 - len(text))


@given(seed=seeds, count=st.integers(1, 6))
def test_following_takes_the_best_link_of_each_vertex(seed: int, count: int) -> None:
    lattice = lattice_of(seed, [count, 6])
    _, links, _ = row_of(lattice, 0)
    path = [0]
    while path[-1] < count - 1:
        path.append(max(range(path[-1] + 1, count), key=links[path[-1]].__getitem__))
    assert follow(lattice.links_BMM, lattice.count_B)[0].tolist() == path


def test_following_ends_whatever_the_scores_are() -> None:
    """Nothing to the left, and on to the right where no link is open."""
    none_BMM = torch.full((2, 3, 3), -math.inf)
    none_BMM[0, 1, 0] = 9.0
    paths = follow(none_BMM, torch.tensor([3, 0]))
    assert [path.tolist() for path in paths] == [[0, 1, 2], []]


@given(seed=seeds, count=st.integers(1, 6), penalty=st.sampled_from([0.0, 1.0, 1.5]))
def test_joint_viterbi_finds_the_best_path_of_any_length(
    seed: int, count: int, penalty: float
) -> None:
    lattice = lattice_of(seed, [count, 6])
    ways = dag_joint(*row_of(lattice, 0), penalty)
    found = joint_viterbi(lattice, length_penalty=penalty)[0]
    assert tuple(found.tolist()) == max(ways, key=lambda path: ways[path])


def test_no_path_is_an_empty_path() -> None:
    lattice = replace(lattice_of(0, [3]), links_BMM=torch.full((1, 3, 3), -math.inf).double())
    assert joint_viterbi(lattice)[0].tolist() == []
    assert dag_beam(lattice, width=2) == [[]]
    assert not best_paths(lattice, *targets_of([(0, 0)]))[1].any()


@given(seed=seeds, count=st.integers(1, 5), weight=st.sampled_from([0.0, 0.7]))
def test_a_wide_beam_finds_all_texts_in_order(seed: int, count: int, weight: float) -> None:
    lattice, model = lattice_of(seed, [count, 5]), Bigrams(seed)
    bonus, penalty = 0.3 * (weight > 0), 0.5
    texts = dag_texts(*row_of(lattice, 0))
    wanted = ranked(
        texts, lambda t, p: (p + weight * model.score(t) + bonus * len(t)) / len(t) ** penalty
    )
    found = dag_beam(
        lattice,
        width=600,
        length_penalty=penalty,
        language_model=model,
        weight=weight,
        bonus=bonus,
    )[0]
    assert [s.tokens for s in found] == [text for text, _ in wanted]
    assert [s.score for s in found] == pytest.approx([score for _, score in wanted])
    assert [s.logp for s in found] == pytest.approx([texts[s.tokens] for s in found])


def test_a_narrow_beam_never_says_too_much() -> None:
    for seed in range(20):
        lattice = lattice_of(seed, [5])
        texts = dag_texts(*row_of(lattice, 0))
        found = dag_beam(lattice, width=2, tokens_per_vertex=2)[0]
        assert 1 <= len(found) == len({s.tokens for s in found}) <= 2
        assert all(s.logp <= texts[s.tokens] + 1e-9 for s in found)
    with pytest.raises(ValueError, match="width"):
        dag_beam(lattice_of(0, [2]), width=0)


def test_all_texts_add_up_to_one() -> None:
    assert log_sum([*dag_texts(*row_of(lattice_of(0, [5]), 0)).values()]) == pytest.approx(0)
