"""Phrases against all pairs of pieces, and a mistake in them that is noticed."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anyorder.align import phrases as module
from anyorder.align.links import Links, TwoWays, intersection, symmetrised, union
from anyorder.align.phrases import Phrase, phrases

tables = st.tuples(st.integers(1, 5), st.integers(1, 5)).flatmap(
    lambda size: st.lists(
        st.booleans(), min_size=size[0] * size[1], max_size=size[0] * size[1]
    ).map(lambda cells: np.array(cells, dtype=bool).reshape(size))
)


def allowed(links_ST: Links, longest: int) -> list[Phrase]:
    """By the definition: some link inside, none that leads out, over all pairs of pieces."""
    S, T = links_ST.shape
    pieces = (list(itertools.combinations(range(n + 1), 2)) for n in (S, T))
    found = []
    for (a, b), (c, d) in itertools.product(*pieces):
        links = np.argwhere(links_ST).tolist()
        inside = [(a <= i < b, c <= j < d) for i, j in links]
        if (
            (True, True) in inside
            and all(x == y for x, y in inside)
            and max(b - a, d - c) <= longest
        ):
            found.append(Phrase(a, b, c, d))
    return sorted(found)


@given(links_ST=tables, longest=st.integers(1, 5))
def test_phrases_are_all_that_the_links_allow(links_ST: Links, longest: int) -> None:
    assert phrases(links_ST, longest=longest) == allowed(links_ST, longest)


def test_a_link_that_leads_out_of_the_source_piece_is_noticed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The other direction of consistency, forgotten."""
    monkeypatch.setattr(module, "all", lambda _: True, raising=False)
    links_ST = np.array([[True, True], [False, False]])
    assert phrases(links_ST, longest=2) != allowed(links_ST, 2)


def test_a_crossing_makes_no_smaller_phrases_than_there_are() -> None:
    links_ST = np.array([[False, True, False], [True, False, False], [False, False, True]])
    assert [(p.source_first, p.source_last, p.longest) for p in phrases(links_ST, longest=3)] == [
        (0, 1, 1),
        (0, 2, 2),
        (0, 3, 3),
        (1, 2, 1),
        (2, 3, 1),
    ]
    with pytest.raises(ValueError, match="1 word or more"):
        phrases(links_ST, longest=0)


def test_two_ways_link_other_pairs_as_well() -> None:
    sources, targets = [[1, 2], [2, 3], [3, 1]] * 9, [[7, 8], [8, 9], [9, 7]] * 9
    both = TwoWays.fit(sources, targets)
    for one, other in zip(both.links(sources, targets), symmetrised(sources, targets), strict=True):
        assert (one == other).all()
    (few_ST,) = both.links([[3, 2, 1]], [[7, 8, 9]], join=intersection)
    (many_ST,) = both.links([[3, 2, 1]], [[7, 8, 9]], join=union)
    assert few_ST[1, 1]
    assert (few_ST <= many_ST).all()
