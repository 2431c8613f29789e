import json

import pytest

from anyorder.systems.prompts import FILE, groups, kinds, prompts


def test_names_are_kinds_with_numbers() -> None:
    names = [prompt.name for prompt in prompts()]
    assert len(set(names)) == len(names)
    assert all(prompt.name.startswith(prompt.kind + "-") for prompt in prompts())
    assert set(kinds()) == {"story", "question", "summary", "code", "translation", "edit"}


def test_groups_are_disjoint_and_alike() -> None:
    parted = groups(("story", "edit"), 3)
    assert [len(group) for group in parted] == [6, 6, 6]
    assert len({name for group in parted for name in group}) == 18


def test_a_quick_group_has_one_of_each_kind() -> None:
    parted = groups(("story", "edit"), 2, each=1)
    assert [list(group) for group in parted] == [["story-1", "edit-1"], ["story-2", "edit-2"]]


def test_too_many_seeds_are_too_many() -> None:
    with pytest.raises(ValueError, match=r"7 seeds are 7 groups.*choose 6 seeds or fewer"):
        groups(("edit", "story"), 7)


def test_every_line_is_complete() -> None:
    for line in FILE.read_text(encoding="utf-8").splitlines():
        assert set(json.loads(line)) == {"name", "kind", "prompt"}
        assert len(line) < 1000
