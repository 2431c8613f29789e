"""The beam that judges fluency: the plain one without weights, all paths counted, lazily right."""

import itertools
import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from anyorder.align.ctc import prefix_beam
from anyorder.align.ctc_fluency import Features, Free, Told, Weights, fluent_beam
from anyorder.align.lattice import CTCLattice
from tests.align.oracles import Row, Text, collapse, ctc_paths, log_sum

V, BLANK = 4, 1
seeds = st.integers(0, 2**31 - 1)
some = st.sampled_from([0.0, 0.3, 1.0])


def lattice_of(seed: int, counts: list[int], vocabulary: int = V) -> CTCLattice:
    """A random lattice; its padding is full of traps."""
    coins = torch.Generator().manual_seed(seed)
    shape = (len(counts), max(counts), vocabulary)
    logits_BMV = 2 * torch.randn(shape, generator=coins, dtype=torch.double)
    lattice = CTCLattice(logits_BMV.log_softmax(-1), torch.tensor(counts), BLANK)
    trap_BMV = torch.full_like(lattice.logp_BMV, math.nan)
    return replace(lattice, logp_BMV=lattice.logp_BMV.where(lattice.real_BM[..., None], trap_BMV))


class Bigrams:
    """A language model that is a table; its state is the last token."""

    def __init__(self, seed: int, vocabulary: int = V) -> None:
        coins = torch.Generator().manual_seed(seed)
        self.size = vocabulary
        size = (vocabulary + 1, vocabulary + 1)
        self.logp = (2 * torch.randn(size, generator=coins)).log_softmax(-1).tolist()
        self.asked = 0

    def start(self) -> int:
        return self.size

    def extend(self, state: int, token: int) -> tuple[int, float]:
        self.asked += 1
        return token, self.logp[state][token]

    def end(self, state: int) -> float:
        return self.logp[state][self.size]

    def mean(self, text: Text) -> float:
        pairs = itertools.pairwise((self.size, *text, self.size))
        return sum(self.logp[a][b] for a, b in pairs) / (len(text) + 1)

    def so_far(self, text: Text) -> float:
        """The mean of a beginning, whose end is not known."""
        pairs = itertools.pairwise((self.size, *text))
        return sum(self.logp[a][b] for a, b in pairs) / len(text)


def features_of(logp: list[Row], model: Bigrams, free: Free) -> dict[Text, Features]:
    """Of every text, from all paths that spell it."""
    spelled: dict[Text, list[tuple[Text, float]]] = {}
    for path, value in ctc_paths(logp):
        spelled.setdefault(collapse(path, BLANK), []).append((path, value))
    found = {}
    for text, paths in spelled.items():
        total = log_sum([value for _, value in paths])
        shares = [(path, math.exp(value - total)) for path, value in paths]
        blanks = sum(share * path.count(BLANK) for path, share in shares)
        late = sum(share * trailing(path) for path, share in shares)
        found[text] = Features(
            ctc=total / len(logp),
            language_model=model.mean(text),
            blanks=-max(0.0, blanks / len(text) - free.blanks) if text else 0.0,
            trailing=-max(0.0, late - free.trailing * len(logp)),
        )
    return found


def trailing(path: Text) -> int:
    return len(list(itertools.takewhile(lambda token: token == BLANK, reversed(path))))


def same(one: list[Told], other: list[Told]) -> bool:
    return [t.tokens for t in one] == [t.tokens for t in other]


@given(
    seed=seeds, counts=st.lists(st.integers(1, 7), min_size=1, max_size=3), width=st.integers(1, 5)
)
def test_without_weights_it_is_the_plain_beam(seed: int, counts: list[int], width: int) -> None:
    lattice = lattice_of(seed, counts, vocabulary=30)
    found = fluent_beam(lattice, width=width, weights=Weights(), language_model=Bigrams(0, 30))
    plain = prefix_beam(lattice, width=width)
    for one, other in zip(found, plain, strict=True):
        assert [text.tokens for text in one] == [text.tokens for text in other]
        assert [text.logp for text in one] == pytest.approx([text.logp for text in other])


@given(seed=seeds, count=st.integers(1, 5), lm=some, blanks=some, trail=some)
def test_a_wide_beam_finds_all_texts_with_the_features_of_all_their_paths(
    seed: int, count: int, lm: float, blanks: float, trail: float
) -> None:
    lattice, model = lattice_of(seed, [count, 5]), Bigrams(seed)
    weights, free = Weights(lm, blanks, trail), Free(blanks=0.5, trailing=0.2)
    found = fluent_beam(
        lattice, width=400, weights=weights, language_model=model, tokens_per_cell=V, free=free
    )[0]
    wanted = features_of(lattice.logp_BMV[0, :count].tolist(), model, free)
    assert {told.tokens for told in found} == set(wanted)
    for told in found:
        for name, value in vars(wanted[told.tokens]).items():
            assert getattr(told.features, name) == pytest.approx(value, abs=1e-9)
        assert told.logp == pytest.approx(told.features.ctc * count)
    scores = [told.features.score(weights) for told in found]
    assert scores == sorted(scores, reverse=True)


@given(seed=seeds, lm=some, blanks=some, trail=some, width=st.integers(1, 4))
def test_a_row_is_the_same_in_company_and_padding_is_not_read(
    seed: int, lm: float, blanks: float, trail: float, width: int
) -> None:
    lattice, weights = lattice_of(seed, [3, 6, 1]), Weights(lm, blanks, trail)
    options = {"width": width, "weights": weights, "free": Free(0.5, 0.2)}
    together = fluent_beam(lattice, language_model=Bigrams(1), **options)  # type: ignore[arg-type]
    for row, count in enumerate(lattice.count_B.tolist()):
        alone = CTCLattice(lattice.logp_BMV[row : row + 1, :count], torch.tensor([count]), BLANK)
        [told] = fluent_beam(alone, language_model=Bigrams(1), **options)  # type: ignore[arg-type]
        assert same(told, together[row])


@given(seed=seeds, width=st.integers(1, 4), lm=st.sampled_from([0.2, 1.0, 3.0]))
def test_what_it_does_not_ask_would_change_nothing(seed: int, width: int, lm: float) -> None:
    """One cell after another, against the best of all texts that grow from those that were kept."""
    lattice, model = lattice_of(seed, [4], vocabulary=9), Bigrams(seed, 9)
    weights = Weights(language_model=lm)
    for count in range(1, 4):
        first, then = (
            CTCLattice(lattice.logp_BMV[:, :m], torch.tensor([m]), BLANK)
            for m in (count, count + 1)
        )
        options = {"width": width, "weights": weights, "tokens_per_cell": 9}
        before = fluent_beam(first, language_model=model, **options)[0]  # type: ignore[arg-type]
        after = fluent_beam(then, language_model=model, **options)[0]  # type: ignore[arg-type]
        kept = {told.tokens for told in before}
        reach = kept | {(*text, v) for text in kept for v in range(9) if v != BLANK}
        assert {told.tokens for told in after} <= reach
        sure = min(_judged(told, model, lm, count + 1) for told in after)
        cell = lattice.logp_BMV[0, count].tolist()
        for told in before:  # what a beginning becomes by its least likely way is worth no more
            for v in range(9):
                text = (*told.tokens, v)
                if v == BLANK or text in {t.tokens for t in after} or told.tokens[-1:] == (v,):
                    continue
                worth = (told.logp + cell[v]) / (count + 1) + lm * model.so_far(text)
                assert worth <= sure + 1e-9


def _judged(told: Told, model: Bigrams, lm: float, cells: int) -> float:
    mean = model.so_far(told.tokens) if told.tokens else model.end(model.start())
    return told.logp / cells + lm * mean


def test_the_language_model_is_asked_seldom() -> None:
    lattice, model = lattice_of(3, [12] * 4, vocabulary=60), Bigrams(0, 60)
    fluent_beam(lattice, width=4, weights=Weights(0.1), language_model=model, tokens_per_cell=40)
    assert model.asked < 4 * 12 * 4 * 40 / 5


def test_each_weight_bears_on_what_is_found() -> None:
    lattice, model = lattice_of(8, [6]), Bigrams(2)
    free = Free(0.0, 0.0)

    def best(weights: Weights) -> Told:
        return fluent_beam(
            lattice, width=200, weights=weights, language_model=model, tokens_per_cell=V, free=free
        )[0][0]

    plain = best(Weights())
    for name in ("language_model", "blanks", "trailing"):
        other = best(Weights(**{name: 20.0}))
        assert getattr(other.features, name) > getattr(plain.features, name)


def test_what_can_not_be_is_a_sentence() -> None:
    lattice = lattice_of(0, [2])
    with pytest.raises(ValueError, match="keeps nothing"):
        fluent_beam(lattice, width=0, weights=Weights())
    with pytest.raises(ValueError, match="needs a language model"):
        fluent_beam(lattice, width=1, weights=Weights(language_model=0.5))
    for odd in (-0.1, math.nan):
        with pytest.raises(ValueError, match="0 or more"):
            Weights(blanks=odd)
