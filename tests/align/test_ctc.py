"""CTC against every path: sums, gradients, the best path, beams and n-grams."""

import itertools
import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from anyorder.align.ctc import (
    best_paths,
    expected_length,
    expected_ngrams,
    expected_unigrams,
    log_likelihood,
    prefix_beam,
    spelled,
)
from anyorder.align.lattice import CTCLattice, held
from tests.align.oracles import Text, collapse, ctc_best, ctc_texts, log_sum, often, ranked

V, BLANK = 3, 1
seeds = st.integers(0, 10_000)


def lattice_of(seed: int, counts: list[int], dtype: torch.dtype = torch.double) -> CTCLattice:
    """A random lattice; its padding is full of traps."""
    coins = torch.Generator().manual_seed(seed)
    logits_BMV = 2 * torch.randn(len(counts), max(counts), V, generator=coins, dtype=torch.double)
    lattice = CTCLattice(logits_BMV.log_softmax(-1).to(dtype), torch.tensor(counts), BLANK)
    trap_BMV = torch.full_like(lattice.logp_BMV, math.nan)
    return replace(lattice, logp_BMV=lattice.logp_BMV.where(lattice.real_BM[..., None], trap_BMV))


def targets_of(texts: list[Text]) -> tuple[Tensor, Tensor]:
    rows = [torch.tensor(text, dtype=torch.long) for text in texts]
    return pad_sequence(rows, True, -100), torch.tensor([len(text) for text in texts])


def row_of(lattice: CTCLattice, b: int) -> list[list[float]]:
    return lattice.logp_BMV[b, : int(lattice.count_B[b])].tolist()


TEXTS = [text for n in range(5) for text in itertools.product((0, 2), repeat=n)]


@pytest.mark.parametrize("dtype", [torch.float, torch.double])
@pytest.mark.parametrize("count", range(5))
def test_every_target_is_as_likely_as_all_its_paths(count: int, dtype: torch.dtype) -> None:
    lattice = lattice_of(count, [count, 5], dtype)
    known = ctc_texts(row_of(lattice, 0), BLANK) if count else {(): 0.0}
    both = CTCLattice(
        lattice.logp_BMV[[0]].expand(len(TEXTS), -1, -1), lattice.count_B[[0] * len(TEXTS)], BLANK
    )
    found_B = log_likelihood(both, *targets_of(TEXTS))
    wanted_B = torch.tensor([known.get(text, -math.inf) for text in TEXTS], dtype=dtype)
    assert found_B.dtype == dtype
    torch.testing.assert_close(found_B, wanted_B, rtol=1e-5, atol=1e-6)


def test_a_batch_may_hold_empty_targets_alone() -> None:
    lattice = lattice_of(0, [3, 2])
    empty = torch.zeros(2, 0, dtype=torch.long), torch.zeros(2, dtype=torch.long)
    wanted_B = [sum(cell[BLANK] for cell in row_of(lattice, b)) for b in range(2)]
    assert log_likelihood(lattice, *empty).tolist() == pytest.approx(wanted_B)
    assert best_paths(lattice, *empty)[0].tolist() == [[BLANK] * 3] * 2


@given(seed=seeds, texts=st.lists(st.sampled_from(TEXTS), min_size=1, max_size=3), data=st.data())
def test_a_row_is_the_same_alone_and_in_company(
    seed: int, texts: list, data: st.DataObject
) -> None:
    counts = data.draw(st.lists(st.integers(1, 5), min_size=len(texts), max_size=len(texts)))
    lattice = lattice_of(seed, counts)
    leaf_BMV = lattice.logp_BMV.clone().requires_grad_()
    logp_B = log_likelihood(replace(lattice, logp_BMV=leaf_BMV), *targets_of(texts))
    logp_B[logp_B > -math.inf].sum().backward()
    path_BM, fits_B = best_paths(lattice, *targets_of(texts))
    grams = torch.tensor([[[0, 2], [2, 2]]]).expand(len(texts), -1, -1)
    often_BP, bag_BV = expected_ngrams(lattice, grams), expected_unigrams(lattice)
    beams = prefix_beam(lattice, width=3)
    for b, (count, text) in enumerate(zip(counts, texts, strict=True)):
        alone = CTCLattice(lattice.logp_BMV[b : b + 1, :count], torch.tensor([count]), BLANK)
        one_BMV = alone.logp_BMV.clone().requires_grad_()
        value = log_likelihood(replace(alone, logp_BMV=one_BMV), *targets_of([text]))
        torch.testing.assert_close(logp_B[b : b + 1], value)
        if value.item() > -math.inf:
            value.sum().backward()
            assert leaf_BMV.grad is not None
            assert one_BMV.grad is not None
            torch.testing.assert_close(leaf_BMV.grad[b, :count], one_BMV.grad[0])
            assert not leaf_BMV.grad[b, count:].any()
        path_1M, fits_1 = best_paths(alone, *targets_of([text]))
        assert path_BM[b].tolist() == path_1M[0].tolist() + [BLANK] * (max(counts) - count)
        assert fits_B[b] == fits_1[0]
        torch.testing.assert_close(often_BP[b], expected_ngrams(alone, grams[:1])[0])
        torch.testing.assert_close(bag_BV[b], expected_unigrams(alone)[0])
        assert [s.tokens for s in beams[b]] == [s.tokens for s in prefix_beam(alone, width=3)[0]]


@pytest.mark.parametrize("texts", [[(0, 0), (0, 2, 0)], [(2,), ()], [(2, 2, 2), (0, 0, 0)]])
def test_its_gradient_is_that_of_the_sum(texts: list[Text]) -> None:
    """Free log-probabilities, not behind a softmax."""
    lattice = lattice_of(7, [5, 5])
    targets = targets_of(texts)

    def value(logp_BMV: Tensor) -> Tensor:
        return log_likelihood(replace(lattice, logp_BMV=logp_BMV), *targets)

    torch.autograd.gradcheck(value, lattice.logp_BMV.requires_grad_())


@pytest.mark.parametrize("dtype", [torch.float, torch.double])
def test_gradients_are_numbers_where_cells_are_held(dtype: torch.dtype) -> None:
    """A held cell may agree with the target or make it impossible; -inf may stand anywhere."""
    lattice = lattice_of(3, [4, 4, 4, 4], dtype)
    leaf_BMV = lattice.logp_BMV.clone().requires_grad_()
    tokens_BM = torch.tensor([[0, BLANK, 2, 2]]).expand(4, -1)
    shown_BM = torch.tensor([[1, 0, 0, 1], [1, 1, 1, 1], [0, 1, 0, 0], [0, 0, 0, 0]]).bool()
    seen = held(replace(lattice, logp_BMV=leaf_BMV), tokens_BM, shown_BM)
    forbidden_BMV = seen.logp_BMV.clone()
    forbidden_BMV[3, 1, 0] = -math.inf
    seen = replace(seen, logp_BMV=forbidden_BMV)
    logp_B = log_likelihood(seen, *targets_of([(0, 2), (2, 0), (0, 0, 0), (0, 2)]))
    assert logp_B[1] < -1e8
    assert logp_B[2] == -math.inf
    wanted = ctc_texts([[-1e9 if v == -math.inf else v for v in c] for c in row_of(seen, 3)], BLANK)
    assert logp_B[3].item() == pytest.approx(wanted[0, 2], rel=1e-5)
    logp_B.sum().backward()
    grad_BMV = leaf_BMV.grad
    assert grad_BMV is not None
    assert grad_BMV.isfinite().all()
    assert not grad_BMV[shown_BM].any()
    assert not grad_BMV[2].any()
    # A path has one token in each cell: posteriors of a cell that is not held add up to 1.
    torch.testing.assert_close(grad_BMV[0].sum(-1), (~shown_BM[0]).to(dtype))
    torch.testing.assert_close(grad_BMV[3].sum(-1), torch.ones(4, dtype=dtype))


@given(seed=seeds, count=st.integers(1, 5), text=st.sampled_from(TEXTS))
def test_the_best_path_is_the_best_of_all(seed: int, count: int, text: Text) -> None:
    lattice = lattice_of(seed, [count, 5])
    path_BM, fits_B = best_paths(lattice, *targets_of([text, ()]))
    wanted, _ = ctc_best(row_of(lattice, 0), BLANK, text)
    assert bool(fits_B[0]) == (wanted is not None)
    assert tuple(path_BM[0, :count].tolist()) == (wanted or (BLANK,) * count)
    assert path_BM[0, count:].tolist() == [BLANK] * (5 - count)


@given(path=st.lists(st.integers(0, V - 1), min_size=1, max_size=7), rest=st.integers(0, 2))
def test_what_is_spelled_is_what_collapses(path: list[int], rest: int) -> None:
    path_BM = torch.tensor([path + [0] * rest])
    kept = path_BM[spelled(path_BM, torch.tensor([len(path)]), BLANK)]
    assert tuple(kept.tolist()) == collapse(tuple(path), BLANK)


def test_a_target_with_blanks_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="blank"):
        log_likelihood(lattice_of(0, [3]), *targets_of([(0, BLANK)]))


class Bigrams:
    """A language model that is a table; its state is the last token."""

    def __init__(self, seed: int) -> None:
        coins = torch.Generator().manual_seed(seed)
        self.logp = torch.randn(V + 1, V + 1, generator=coins).log_softmax(-1).tolist()
        self.asked: list[tuple[int, int]] = []

    def start(self) -> int:
        return V

    def extend(self, state: int, token: int) -> tuple[int, float]:
        self.asked.append((state, token))
        return token, self.logp[state][token]

    def end(self, state: int) -> float:
        return self.logp[state][V]

    def score(self, text: Text) -> float:
        pairs = itertools.pairwise((V, *text, V))
        return sum(self.logp[a][b] for a, b in pairs)


@given(seed=seeds, count=st.integers(1, 4), weight=st.sampled_from([0.0, 0.7]))
def test_a_wide_beam_finds_all_texts_in_order(seed: int, count: int, weight: float) -> None:
    lattice, model = lattice_of(seed, [count, 4]), Bigrams(seed)
    bonus = 0.3 * (weight > 0)
    texts = ctc_texts(row_of(lattice, 0), BLANK)
    wanted = ranked(texts, lambda t, logp: logp + weight * model.score(t) + bonus * len(t))
    found = prefix_beam(lattice, width=40, language_model=model, weight=weight, bonus=bonus)[0]
    assert [s.tokens for s in found] == [text for text, _ in wanted]
    assert [s.score for s in found] == pytest.approx([score for _, score in wanted])
    assert [s.logp for s in found] == pytest.approx([texts[s.tokens] for s in found])
    assert all(token != BLANK for _, token in model.asked)
    assert bool(model.asked) == (weight > 0)


def test_a_narrow_beam_keeps_what_is_likeliest() -> None:
    """What a beam says of a text is true but for what it dropped; it never says too much."""
    for seed in range(20):
        lattice = lattice_of(seed, [5])
        texts = ctc_texts(row_of(lattice, 0), BLANK)
        found = prefix_beam(lattice, width=3, tokens_per_cell=2)[0]
        assert len(found) == len({s.tokens for s in found}) == 3
        assert all(s.logp <= texts[s.tokens] + 1e-9 for s in found)


def test_a_beam_never_asks_for_what_cannot_be() -> None:
    certain_BMV = torch.full((1, 2, V), -math.inf)
    certain_BMV[0, 0, 2], certain_BMV[0, 1, BLANK] = 0.0, 0.0
    lattice = CTCLattice(certain_BMV, torch.tensor([2]), BLANK)
    found = prefix_beam(lattice, width=4, language_model=Bigrams(0), weight=0.0)
    assert [[(s.tokens, s.logp) for s in row] for row in found] == [[((2,), 0.0)]]
    with pytest.raises(ValueError, match="keeps nothing"):
        prefix_beam(lattice, width=0)


@given(seed=seeds, count=st.integers(1, 5), size=st.integers(1, 3))
def test_ngrams_stand_as_often_as_in_all_texts(seed: int, count: int, size: int) -> None:
    lattice = lattice_of(seed, [count, 5])
    texts = ctc_texts(row_of(lattice, 0), BLANK)
    grams = list(itertools.product((0, BLANK, 2), repeat=size))
    found_BP = expected_ngrams(lattice, torch.tensor([grams, grams]))
    wanted = [sum(math.exp(p) * often(text, gram) for text, p in texts.items()) for gram in grams]
    assert found_BP[0].tolist() == pytest.approx(wanted, abs=1e-9)
    bag_BV, length_B = expected_unigrams(lattice), expected_length(lattice)
    counts = [sum(math.exp(p) * often(t, (v,)) for t, p in texts.items()) for v in range(V)]
    assert bag_BV[0].tolist() == pytest.approx(counts, abs=1e-9)
    mean = sum(math.exp(p) * len(text) for text, p in texts.items())
    assert float(length_B[0]) == pytest.approx(mean, abs=1e-9)


def test_ngrams_have_a_gradient() -> None:
    lattice = lattice_of(5, [4, 4])
    grams_BPG = torch.tensor([[[0, 2], [2, 2]], [[0, 0], [BLANK, 0]]])

    def value(logp_BMV: Tensor) -> tuple[Tensor, Tensor]:
        seen = replace(lattice, logp_BMV=logp_BMV)
        return expected_ngrams(seen, grams_BPG), expected_unigrams(seen)

    torch.autograd.gradcheck(value, lattice.logp_BMV.requires_grad_())
    leaf_BMV = lattice.logp_BMV.detach().float().requires_grad_()
    shown_BM = torch.tensor([[True, False, True, False]]).expand(2, -1)
    seen = held(replace(lattice, logp_BMV=leaf_BMV), torch.full((2, 4), 2), shown_BM)
    expected_ngrams(seen, grams_BPG).sum().backward()
    assert leaf_BMV.grad is not None
    assert leaf_BMV.grad.isfinite().all()


def test_texts_of_all_lengths_add_up_to_one() -> None:
    assert log_sum([*ctc_texts(row_of(lattice_of(0, [4]), 0), BLANK).values()]) == pytest.approx(0)
