"""One vocabulary for both sides: all else is the task's."""

from anyorder.data.copy_or_reverse import CopyOrReverse
from anyorder.data.joint import Joint, joint
from anyorder.data.mixtures import Reversed, TrainedOn
from anyorder.data.own import OwnPairs
from anyorder.data.tasks import Task


def test_both_sides_are_written_with_the_units_of_both(tmp_path):
    path = tmp_path / "mine.tsv"
    path.write_text("".join(f"open file {n}\tÖffnen Sie {n}\n" for n in range(40)))
    own = OwnPairs(str(path), vocabulary=400)
    task = joint(own)
    assert isinstance(task, Task)
    train = task.splits().train
    assert train == own.splits().train
    one, other = task.units(train)
    assert one is other
    alone = own.units(train)
    for text, side in ((train[0].source, 0), (train[0].targets[0], 1)):
        assert len(one.encode(text)) <= len(alone[side].encode(text))  # whole words, of each side
    assert task.scores(["a"], train[:1]) == own.scores(["a"], train[:1])
    assert task.name == f"{own.name}-joint"
    assert joint(task) is task


def test_a_task_with_one_alphabet_keeps_it():
    task = CopyOrReverse(length=3, alphabet=5, pairs=50)
    train = task.splits().train
    row = train[0].source
    assert Joint(task).units(train)[0].encode(row) == task.units(train)[0].encode(row)


def test_what_is_learnt_instead_has_the_vocabulary_of_the_tasks_own_pairs(tmp_path):
    path, other = tmp_path / "mine.tsv", tmp_path / "taught.tsv"
    path.write_text("".join(f"open file {n}\tÖffnen Sie {n}\n" for n in range(40)))
    own = OwnPairs(str(path), vocabulary=400)
    source = own.splits().train[0].source
    other.write_text(f"{source}\tganz anderes\n")
    task = joint(TrainedOn(own, (str(other),)))
    assert joint(task) == task
    one, same = task.units(task.splits().train)
    assert one is same
    plain, _ = Joint(own).units(own.splits().train)
    for text in (source, "Öffnen Sie 3"):
        assert one.encode(text) == plain.encode(text)
    back = joint(Reversed(own))
    assert isinstance(back, Reversed)
    assert back.units(back.splits().train)[0].encode(source) == plain.encode(source)
