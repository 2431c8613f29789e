"""N-gram models: equal to the formulas in plain Python, proper distributions, kept in files."""

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from safetensors.numpy import save_file

from anyorder.align.scorer import Scorer
from anyorder.models.ngram_lm import NGramModel, opened_ngrams, train_ngrams

V = 5
BEGIN, END = -1, V
Gram = tuple[int, ...]
texts = st.lists(st.lists(st.integers(0, V - 1), max_size=6), min_size=1, max_size=12)
orders = st.integers(1, 4)


class Reference:
    """The same model by its equations, with dictionaries, one probability at a time."""

    def __init__(self, rows: Sequence[Sequence[int]], order: int, least: int) -> None:
        self.order, self.least = order, least
        self.raw: Counter[Gram] = Counter()
        before: defaultdict[Gram, set[int]] = defaultdict(set)
        for row in rows:
            text = (BEGIN, *row, END)
            for i in range(len(text)):
                for n in range(1, order + 1):
                    if i + n <= len(text):
                        self.raw[text[i : i + n]] += 1
                        if i:
                            before[text[i : i + n]].add(text[i - 1])
        del self.raw[BEGIN,]
        self.count = {
            gram: often if len(gram) == order or gram[0] == BEGIN else len(before[gram])
            for gram, often in self.raw.items()
        }
        self.discounts = {n: self._discounts(n) for n in range(1, order + 1)}

    def _discounts(self, n: int) -> list[float]:
        of = Counter(c for gram, c in self.count.items() if len(gram) == n)
        if of[1] and of[2] and of[3]:
            y = of[1] / (of[1] + 2 * of[2])
            found = [r - (r + 1) * y * of[r + 1] / of[r] for r in (1, 2, 3)]
            if min(found) >= 0:
                return found
        return [0.5, 1.0, 1.5]

    def discount(self, gram: Gram) -> float:
        count = self.count[gram]
        if len(gram) > 2 and self.raw[gram] < self.least:
            return count
        return self.discounts[len(gram)][min(count, 3) - 1]

    @cache  # noqa: B019
    def p(self, history: Gram, token: int) -> float:
        shorter = self.p(history[1:], token) if history else 1 / (V + 1)
        after = [gram for gram in self.count if gram[:-1] == history]
        total = sum(self.count[gram] for gram in after)
        if not total:
            return shorter
        gram = (*history, token)
        kept = self.count[gram] - self.discount(gram) if gram in self.count else 0.0
        weight = sum(map(self.discount, after)) / total
        return kept / total + weight * shorter

    def log_likelihood(self, row: Sequence[int]) -> float:
        text = (BEGIN, *row, END)
        n = self.order - 1
        found = [self.p(text[max(0, i - n) : i] if n else (), text[i]) for i in range(1, len(text))]
        return sum(math.log(p) if p else -math.inf for p in found)


def corpus(count: int, seed: int) -> list[list[int]]:
    """Rows in which some tokens follow others often."""
    coins = np.random.default_rng(seed)
    rows = []
    for _ in range(count):
        row = [int(coins.integers(V))]
        while coins.random() < 0.8:
            row.append(int((row[-1] + coins.choice(3, p=[0.1, 0.7, 0.2])) % V))
        rows.append(row)
    return rows


@example(  # nothing is spared for what was not seen
    rows=[[], [], [], [], [2], [3], [2, 3], [1, 0, 3], [2, 0, 0, 0, 3, 1]],
    asked=[[]],
    order=2,
    least=1,
)
@given(rows=texts, asked=texts, order=orders, least=st.integers(1, 3))
def test_it_is_what_the_equations_say(
    rows: list[list[int]], asked: list[list[int]], order: int, least: int
) -> None:
    model = train_ngrams(rows, vocab_size=V, order=order, least=least)
    reference = Reference(rows, order, least)
    for row in rows + asked:
        assert model.log_likelihood(row) == pytest.approx(reference.log_likelihood(row), rel=1e-5)


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_the_perplexity_is_that_of_the_reference_where_discounts_are_estimated(order: int) -> None:
    rows, asked = corpus(60, 0), corpus(20, 1)
    model, reference = train_ngrams(rows, vocab_size=V, order=order), Reference(rows, order, 1)
    total = sum(map(reference.log_likelihood, asked))
    wanted = math.exp(-total / sum(len(row) + 1 for row in asked))
    assert model.perplexity(asked) == pytest.approx(wanted, rel=1e-6)
    if order == 3:
        assert reference.discounts[3] != [0.5, 1.0, 1.5]


@given(rows=texts, history=st.lists(st.integers(0, V - 1), max_size=5), order=orders)
def test_after_every_history_all_tokens_and_the_end_add_up_to_one(
    rows: list[list[int]], history: list[int], order: int
) -> None:
    for least in (1, 2):
        model = train_ngrams(rows, vocab_size=V, order=order, least=least)
        state = model.start()
        for token in history:
            state, _ = model.extend(state, token)
        logps = [model.extend(state, token)[1] for token in range(V)] + [model.end(state)]
        assert math.fsum(map(math.exp, logps)) == pytest.approx(1, abs=1e-5)


def test_a_longer_memory_helps_where_there_is_something_to_remember() -> None:
    rows, asked = corpus(400, 0), corpus(100, 1)
    one, two = (train_ngrams(rows, vocab_size=V, order=n).perplexity(asked) for n in (1, 2))
    assert two < 0.75 * one
    whole, small = (train_ngrams(rows, vocab_size=V, least=least) for least in (1, 3))
    assert len(small.tables[3].key_G) < len(whole.tables[3].key_G)
    assert small.perplexity(asked) < 1.1 * whole.perplexity(asked)


def test_it_is_a_scorer_and_the_same_from_its_file(tmp_path: Path) -> None:
    model = train_ngrams(corpus(40, 2), vocab_size=V, order=3)
    assert isinstance(model, Scorer)
    path = tmp_path / "deep" / "ngrams.safetensors"
    model.save(path)
    again = opened_ngrams(path)
    assert (again.vocab_size, again.order) == (V, 3)
    for row in corpus(10, 3):
        assert again.log_likelihood(row) == model.log_likelihood(row)


def test_what_can_not_be_counted_or_read_is_a_sentence(tmp_path: Path) -> None:
    for rows in ([[V]], [[-1]], [[V + 1]]):
        with pytest.raises(ValueError, match="beyond a vocabulary of 5"):
            train_ngrams(rows, vocab_size=V)
    for rows, order in (([], 2), ([[1]], 0)):
        with pytest.raises(ValueError, match="needs rows to count"):
            train_ngrams(rows, vocab_size=V, order=order)
    model = train_ngrams([[1]], vocab_size=V)
    with pytest.raises(ValueError, match="token 5 is beyond"):
        model.extend(model.start(), V)
    path = tmp_path / "ngrams.safetensors"
    with pytest.raises(ValueError, match="no n-gram model, or it is damaged"):
        opened_ngrams(path)
    save_file({"x": np.zeros(3)}, path)
    with pytest.raises(ValueError, match="holds no n-gram model that this version reads"):
        opened_ngrams(path)
    model.save(path)
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(ValueError, match="no n-gram model, or it is damaged"):
        opened_ngrams(path)


def test_no_history_is_too_long_for_a_short_row() -> None:
    model: NGramModel = train_ngrams([[], [2]], vocab_size=V, order=6)
    assert model.order == 6
    assert all(math.isfinite(model.log_likelihood(row)) for row in ([], [2], [3] * 9))
