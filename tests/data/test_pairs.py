"""A group is in one part, stays there when pairs are added, and no part that is wanted is empty."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anyorder.data.pairs import Example, Splits, place, split

groups = st.lists(st.text(max_size=4), min_size=3, max_size=30, unique=True)


def examples(names: list[str], times: int = 1) -> list[Example]:
    return [Example(f"{name} {i}", ("x",), name) for i in range(times) for name in names]


def names(part: tuple[Example, ...]) -> set[str]:
    return {example.group for example in part}


@given(groups=groups, times=st.integers(1, 3))
def test_every_pair_is_in_one_part_and_no_group_in_two(groups, times):
    pairs = examples(groups, times)
    made = split(pairs, valid=0.2, test=0.3)
    parts = (made.train, made.valid, made.test)
    assert all(parts)
    assert sum(map(len, parts)) == len(pairs)
    assert sum(len(names(part)) for part in parts) == len(groups)
    for part in parts:
        assert sorted(part, key=pairs.index) == [p for p in pairs if p.group in names(part)]
    assert list(made.train) == sorted(made.train, key=pairs.index), "in order"


def test_the_first_held_out_pairs_are_drawn_from_all():
    pairs = examples([f"{i:04}" for i in range(1000)])
    test = split(pairs, valid=0.1, test=0.5).test
    mean = sum(int(pair.group) for pair in test[:100]) / 100
    assert 400 < mean < 600
    assert test == split(pairs[::-1], valid=0.1, test=0.5).test, "whatever order they come in"


@given(groups=groups, seed=st.randoms(use_true_random=False))
def test_the_order_of_the_pairs_does_not_matter(groups, seed):
    pairs = examples(groups)
    mixed = seed.sample(pairs, len(pairs))
    one, other = (split(some, valid=0.2, test=0.3) for some in (pairs, mixed))
    assert names(one.test) == names(other.test)
    assert names(one.valid) == names(other.valid)


def test_a_group_stays_where_it_is_when_others_come():
    few, many = (examples([str(i) for i in range(n)]) for n in (500, 1000))
    before, after = (split(pairs, valid=0.1, test=0.1) for pairs in (few, many))
    assert names(before.test) < names(after.test)
    assert names(before.valid) < names(after.valid)


def test_the_place_of_a_group_is_the_same_everywhere():
    # SHA-256 of "" is e3b0c442..., of "abc" ba7816bf... (FIPS 180-4)
    assert place("") == 0xE3B0C44298FC / 2**48
    assert place("abc") == 0xBA7816BF8F01 / 2**48
    assert all(0 <= place(str(i)) < 1 for i in range(100))
    assert 0.4 < sum(place(str(i)) for i in range(1000)) / 1000 < 0.6


def test_parts_that_are_not_wanted_are_empty():
    pairs = examples(list("abc"))
    assert split(pairs, valid=0.0, test=0.0) == Splits(tuple(pairs), (), ())
    assert split(pairs, valid=0.0, test=0.01).valid == ()


@pytest.mark.parametrize(("valid", "test"), [(-0.1, 0.5), (0.5, 0.5), (0.9, 0.2)])
def test_parts_that_leave_nothing_are_refused(valid, test):
    with pytest.raises(ValueError, match="leave nothing to train on"):
        split(examples(list("abcd")), valid=valid, test=test)


def test_too_few_groups_are_refused():
    with pytest.raises(ValueError, match="2 groups are too few to share out: there must be 3"):
        split(examples(["a", "b"], times=50), valid=0.1, test=0.1)


def test_an_example_without_a_target_is_refused():
    with pytest.raises(ValueError, match="the source 'a' has no target"):
        Example("a", (), "a")
