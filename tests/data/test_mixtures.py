"""Other pairs for training never touch what is tested, and a task can be turned round."""

from dataclasses import replace
from pathlib import Path

import pytest

from anyorder.data.copy_or_reverse import CopyOrReverse
from anyorder.data.mixtures import Instead, Reversed, TrainedOn, own_pairs, remarks_of, turned
from anyorder.data.own import OwnPairs
from anyorder.data.pairs import Example, Splits
from anyorder.data.tasks import Task

TASK = CopyOrReverse(length=4, alphabet=5, pairs=200)


def test_pairs_at_hand_leave_the_rest_of_the_task_alone() -> None:
    own = TASK.splits()
    given = (Example("ab", ("ba",), "ab"), replace(own.test[0], group="x"), own.valid[0])
    task = Instead(TASK, given, "pieces")
    assert isinstance(task, Task)
    assert task.splits() == replace(own, train=given[:1])
    assert task.name == "copy-or-reverse (trained on pieces)"
    assert "Example" not in repr(task), "a name, not all the pairs"
    for made, theirs in zip(task.units(task.splits().train), TASK.units(own.train), strict=True):
        assert made.encode("abcd") == theirs.encode("abcd")
    assert task.scores(["ba"], [given[0]]) == TASK.scores(["ba"], [given[0]])


def test_what_is_left_out_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, own = tmp_path / "pairs.tsv", tmp_path / "own.tsv"
    path.write_text("ab\tba\ncd\t \nef\t \n", encoding="utf-8")
    own.write_text("x\t \n" + "".join(f"{n}\t{n}\n" for n in range(60)), encoding="utf-8")
    file = OwnPairs(str(path)).remarks
    assert "2 pairs have an empty" in file[0]
    task = OwnPairs(str(own))
    trained = TrainedOn(task, (str(path), str(path)))
    assert trained.remarks == (*task.remarks, *file, *file)
    assert TrainedOn(TASK, (str(path),)).remarks == file
    assert remarks_of(TASK) == Instead(TASK, TASK.splits().train, "the same").remarks == ()
    given = (Example("ab", ("ba",), "ab"), TASK.splits().test[0])
    told = ("1 of 2 sources are tested, and not learnt",)
    assert Instead(TASK, given, "pieces").remarks == told
    assert Instead(trained, given, "pieces").remarks == trained.remarks
    pairs = Splits(given, (Example("c", ("ba",), "3"),), (Example("d", ("w",), "4"),))
    monkeypatch.setattr(CopyOrReverse, "splits", lambda self: pairs)
    targets = 1 + len(given[1].targets)
    assert Reversed(TASK).remarks == (f"1 of {targets} sources are tested, and not learnt",)


def test_own_pairs_are_those_of_the_task_beneath() -> None:
    task = Instead(TrainedOn(TASK, ("nowhere.jsonl",)), (), "nothing")
    assert own_pairs(task) == own_pairs(TASK) == TASK.splits().train


def test_a_reversed_task_learns_no_text_that_is_tested(monkeypatch: pytest.MonkeyPatch) -> None:
    train = (Example("a", ("x", "y"), "1"), Example("b", ("z",), "2"))
    pairs = Splits(train, (Example("c", ("z",), "3"),), (Example("d", ("w",), "4"),))
    monkeypatch.setattr(CopyOrReverse, "splits", lambda self: pairs)
    found = Reversed(TASK).splits()
    assert found.train == (Example("x", ("a",), "1"), Example("y", ("a",), "1"))
    assert found.valid == (Example("z", ("c",), "3"),)


def test_turned_twice_is_what_it_was() -> None:
    train = TASK.splits().train
    back = Reversed(TASK)
    assert isinstance(back, Task)
    again = turned(turned(train))
    assert {(e.source, *sorted(e.targets)) for e in again} == {
        (e.source, *sorted(e.targets)) for e in train
    }
    source, target = back.units(back.splits().train)
    assert source.encode("abcd") == target.encode("abcd")
    assert back.name == "copy-or-reverse reversed"
