"""A task goes by its name, one's own by their place, and a slip of the pen is answered."""

import pytest

from anyorder.data.own import Fields, OwnPairs
from anyorder.data.tasks import TASKS, Task, task


@pytest.mark.parametrize("name", TASKS)
def test_a_task_is_found_by_its_name(name):
    found = task(name)
    assert isinstance(found, Task)
    assert found.name == {"translate": "translate-en-de"}.get(name, name)


def test_a_file_of_pairs_is_a_task(tmp_path):
    path = tmp_path / "mine.tsv"
    path.write_text("a\tb\n")
    found = task(str(path), fields=Fields("x", "y"))
    assert found == OwnPairs(str(path), Fields("x", "y"))
    assert isinstance(found, Task)


def test_a_folder_or_the_name_of_a_data_set_is_a_task(tmp_path):
    assert task(str(tmp_path)) == OwnPairs(str(tmp_path))
    assert task("owner/pairs") == OwnPairs("owner/pairs")


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("pronunce", "there is no task 'pronunce'; did you mean pronounce?"),
        ("translate-en-es", "did you mean translate-en-de or translate-en-fr"),
        ("xyz", "there is pronounce, translate, translate-en-de, .*, or give the path"),
        ("mine.jsonl", r"there is no file mine\.jsonl"),
        ("some/where/mine.tsv", r"there is no file some/where/mine\.tsv"),
    ],
)
def test_what_is_no_task_is_answered_with_what_there_is(name, says):
    with pytest.raises(ValueError, match=says):
        task(name)


def test_a_built_in_task_has_its_own_fields():
    with pytest.raises(ValueError, match="pronounce has its own fields"):
        task("pronounce", fields=Fields())
