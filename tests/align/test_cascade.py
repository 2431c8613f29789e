"""The cascade against all texts, one by one: the best text, max-marginals, and what is kept."""

import itertools
import math
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from anyorder.align import cascade as pruning
from anyorder.align.cascade import Lengths, Spans, first_spans
from anyorder.align.crf import Chain, max_marginals_of_moves, path_score, viterbi
from anyorder.models.tables.lattices import TableMarkov
from tests.laws.cases import examples

Padded = tuple[int, ...]
V, EOS, PAD = 3, 2, 3
EVERY = 32  # states: as many as there are spans of four tokens, so that nothing is pruned
SOURCES = ((1, 2), (2,), (0, 1, 1))
LOW, HIGH = [2, 3, 2], [4, 5, 2]
CELLS = max(HIGH)


def model_of(seed: int) -> TableMarkov:
    return TableMarkov(seed, SOURCES, V, order=CELLS)


def scores_of(model: TableMarkov, b: int, order: int) -> dict[Padded, float]:
    """log p of every text of a row, filled up with pads, if `order` tokens of context are seen."""
    alone = TableMarkov(model.seed, (SOURCES[b],), V)
    found: dict[Padded, float] = {}
    said: dict[tuple[int, Padded], list[float]] = {}
    for cells in range(LOW[b], HIGH[b] + 1):
        for text in itertools.product(range(EOS), repeat=cells - 1):
            score = 0.0
            for n, token in enumerate((*text, EOS)):
                begin = max(0, n - order)
                if (begin, text[begin:n]) not in said:
                    read_BNKT = torch.zeros(1, begin + 1, 1, 1 + n - begin, dtype=torch.long)
                    read_BNKT[0, begin, 0, 1:] = torch.tensor(text[begin:n])
                    said[begin, text[begin:n]] = alone.after(read_BNKT)[0, begin, 0].tolist()
                score += said[begin, text[begin:n]][token]
            found[(*text, EOS, *[PAD] * (CELLS - cells))] = score
    return found


def cascade(
    model: TableMarkov, order: int, states: Callable[[int], int], *, parallel: bool = False
) -> tuple[Spans, Chain]:
    """The spans of the last order, and their chain."""
    B = len(SOURCES)
    none_BN11 = torch.zeros(B, CELLS, 1, 1, dtype=torch.long)
    lengths = Lengths(torch.tensor(LOW), torch.tensor(HIGH))
    logp_BNV = model.after(none_BN11)[:, :, 0]
    spans, chain = first_spans(logp_BNV, lengths, eos=EOS, states=states(0))
    for m in range(1, order + 1):
        if m > 1:
            path_BN, _ = viterbi(chain, parallel=parallel)
            spans = spans.pruned(chain, path_BN, states=states(m - 1), parallel=parallel)
        read_BNKT = F.pad(spans.tokens_BNKT.where(spans.tokens_BNKT != PAD, 0), (1, 0))
        chain = spans.chain(model.after(read_BNKT))
    return spans, chain


def row_of(spans: Spans, chain: Chain, path_BN: torch.Tensor, b: int) -> Padded:
    text = spans.text(chain, path_BN)
    tokens = text.tokens_BP[b, : int(text.count_B[b])].tolist()
    return (*tokens, EOS, *[PAD] * (CELLS - 1 - len(tokens)))


@examples(12)
@given(seed=st.integers(0, 10_000), order=st.integers(0, 4), parallel=st.booleans())
def test_without_pruning_it_is_the_best_of_all_texts(seed: int, order: int, parallel: bool) -> None:
    model = model_of(seed)
    spans, chain = cascade(model, order, lambda m: EVERY, parallel=parallel)
    path_BN, score_B = viterbi(chain, parallel=parallel)
    text = spans.text(chain, path_BN)
    for b in range(len(SOURCES)):
        scores = scores_of(model, b, order)
        best = max(scores, key=lambda text: scores[text])
        assert row_of(spans, chain, path_BN, b) == best
        assert float(score_B[b]) == pytest.approx(scores[best])
        end = scores[best] - float(text.logprobs_BP[b].sum())  # that of the end token
        assert end <= 1e-9
        assert not text.logprobs_BP[b, int(text.count_B[b]) :].any()


def test_with_all_context_it_is_the_best_text_of_the_model() -> None:
    """m = L: no cell is further than `order` from the first one."""
    whole, longer = (scores_of(model_of(1), 1, order) for order in (CELLS - 1, 50))
    assert whole == longer
    spans, chain = cascade(model_of(1), CELLS - 1, lambda m: EVERY)
    path_BN, score_B = viterbi(chain)
    best = max(whole, key=lambda text: whole[text])
    assert row_of(spans, chain, path_BN, 1) == best
    assert float(score_B[1]) == pytest.approx(whole[best])


@examples(12)
@given(seed=st.integers(0, 10_000), order=st.integers(1, 2), parallel=st.booleans())
def test_max_marginals_are_those_of_all_texts(seed: int, order: int, parallel: bool) -> None:
    model = model_of(seed)
    spans, chain = cascade(model, order, lambda m: EVERY)
    best_BTKK = max_marginals_of_moves(chain, parallel=parallel)
    for b in range(len(SOURCES)):
        scores = scores_of(model, b, order)
        for n in range(best_BTKK.shape[1]):
            values: dict[Padded, float] = {}
            for text, score in scores.items():
                span = text[n : n + order + 1]
                values[span] = max(score, values.get(span, -math.inf))
            found: dict[Padded, float] = {}
            for i, j in (best_BTKK[b, n] > -torch.inf).nonzero().tolist():
                span = spans.tokens_BNKT[b, n, i].tolist()
                span.append(int(spans.tokens_BNKT[b, n + 1, j, -1]))
                found[tuple(span)] = float(best_BTKK[b, n, i, j])
            assert found == pytest.approx(values)


def keeps_the_best(seed: int, states: int, parallel: bool) -> None:
    """Of order 1, the spans that the best texts have."""
    model = model_of(seed)
    spans, _ = cascade(model, 2, lambda m: states if m else EVERY, parallel=parallel)
    for b, n in itertools.product(range(len(SOURCES)), range(CELLS - 1)):
        values: dict[Padded, float] = {}
        for text, score in scores_of(model, b, 1).items():
            values[text[n : n + 2]] = max(score, values.get(text[n : n + 2], -math.inf))
        alive_K = spans.alive_BNK[b, n]
        kept = {tuple(span) for span in spans.tokens_BNKT[b, n][alive_K].tolist()}
        assert kept == set(sorted(values, key=lambda span: -values[span])[:states])


@examples(12)
@given(seed=st.integers(0, 10_000), states=st.integers(1, 12), parallel=st.booleans())
def test_the_spans_with_the_best_texts_are_kept(seed: int, states: int, parallel: bool) -> None:
    keeps_the_best(seed, states, parallel)


def test_pruning_by_what_a_move_itself_scores_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pruning, "max_marginals_of_moves", lambda chain, parallel: chain.moves_BTVV)
    with pytest.raises(AssertionError):
        keeps_the_best(0, 3, False)


@examples(12)
@given(seed=st.integers(0, 10_000), order=st.integers(0, 4), states=st.integers(1, 5))
def test_a_text_is_always_left(seed: int, order: int, states: int) -> None:
    spans, chain = cascade(model_of(seed), order, lambda m: states)
    path_BN, score_B = viterbi(chain)
    assert bool(score_B.isfinite().all())
    torch.testing.assert_close(path_score(chain, path_BN), score_B)
    for b in range(len(SOURCES)):
        text = row_of(spans, chain, path_BN, b)
        scores = scores_of(model_of(seed), b, order)
        assert float(score_B[b]) == pytest.approx(scores[text])


@pytest.mark.parametrize("states", [1, 2, 30])
def test_a_text_is_left_where_all_are_equally_good(states: int) -> None:
    """Ties would otherwise be kept from one text here, and from another there."""
    logp_BNV = torch.zeros(1, 6, V)
    lengths = Lengths(torch.tensor([2]), torch.tensor([6]))
    for parallel in (False, True):
        spans, chain = first_spans(logp_BNV, lengths, eos=EOS, states=states)
        for _ in range(3):
            path_BN, _ = viterbi(chain, parallel=parallel)
            spans = spans.pruned(chain, path_BN, states=states, parallel=parallel)
            chain = spans.chain(torch.zeros(*spans.alive_BNK.shape, V))
            assert float(viterbi(chain)[1]) == 0.0
