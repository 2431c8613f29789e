"""Two targets are right, a mixture of them is not, and a row never meets its reverse in a test."""

import pytest

from anyorder.data.copy_or_reverse import CopyOrReverse
from anyorder.data.pairs import Example

TASK = CopyOrReverse(length=6, alphabet=4, pairs=500)


def test_the_targets_are_the_row_and_its_reverse():
    splits = TASK.splits()
    every = [*splits.train, *splits.valid, *splits.test]
    assert len({example.source for example in every}) == len(every) == 500
    for example in every:
        assert set(example.targets) == {example.source, example.source[::-1]}
        assert len(example.source) == 6
        assert set(example.source) <= set("abcd")


def test_a_row_and_its_reverse_are_in_one_part():
    splits = TASK.splits()
    seen = {target for example in splits.train for target in example.targets}
    assert not seen & {example.source for example in (*splits.valid, *splits.test)}


def test_the_seed_decides_the_rows():
    assert TASK.splits() == CopyOrReverse(length=6, alphabet=4, pairs=500).splits()
    assert TASK.splits() != CopyOrReverse(length=6, alphabet=4, pairs=500, seed=1).splits()


def test_one_token_a_letter():
    source, target = TASK.units(TASK.splits().train)
    assert len(source.encode("abca")) == 4
    assert target.decode(target.encode("dcba")) == "dcba"


def test_a_mixture_of_both_targets_is_told_from_other_errors():
    row = Example("abcd", ("abcd", "dcba"), "abcd")
    written = ["abcd", "dcba", "abba", "dbca", "abca", "xbcd", "abc"]
    scores = TASK.scores(written, [row] * len(written))
    assert scores == {"exact": 2 / 7, "mixed": 3 / 7, "copied": 0.5}


def test_without_a_right_one_there_is_no_share_of_copies():
    assert TASK.scores(["x"], [Example("ab", ("ab", "ba"), "ab")])["copied"] == 0


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"alphabet": 27}, "an alphabet of 27 letters"),
        ({"alphabet": 1}, "an alphabet of 1 letters"),
        ({"length": 1}, "rows of 1 letters"),
        ({"length": 2, "alphabet": 3, "pairs": 9}, r"9 different rows .*; there can be 3 to 4"),
    ],
)
def test_rows_that_do_not_exist_are_refused(options, says):
    with pytest.raises(ValueError, match=says):
        CopyOrReverse(**options)
