"""What models learn from: pieces of sentences, and teachers of both directions."""

from dataclasses import replace
from pathlib import Path

import pytest

from anyorder.data.copy_or_reverse import CopyOrReverse
from anyorder.data.granules import granules
from anyorder.data.pairs import Example, Splits
from anyorder.measure.translation import translate
from anyorder.nets.layers import Width
from anyorder.systems.experiments.lessons import (
    DEEP,
    TAUGHT,
    TEACHER,
    Phrases,
    SelfTaught,
    TaughtBack,
    Together,
    Words,
)
from anyorder.systems.experiments.school import TINY, Lessons, Raw, School, Taught, Way

TASK = CopyOrReverse(length=3, alphabet=5, pairs=50)


def school(folder: Path, steps: int | None = None) -> School:
    return School(TASK, Width(channels=16, heads=2, middle=32), TINY, folder, steps)


def test_words_and_phrases_are_those_of_the_lesson(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train = (
        Example("a b", ("x y",), "1"),
        Example("b a", ("y x",), "2"),
        Example("a", ("x",), "3"),
    )
    pairs = Splits(train * 9, (Example("c", ("z",), "4"),), (Example("b", ("y",), "5"),))
    monkeypatch.setattr(CopyOrReverse, "splits", lambda self: pairs)
    words, phrases = (kind(Raw()).task(school(tmp_path)).splits() for kind in (Words, Phrases))
    found = granules(pairs.train)
    assert {example.source for example in found.words} == {"a", "b"}
    assert [example.source for example in words.train] == ["a"], "b is tested"
    assert {example.source for example in phrases.train} == {"a b", "b a"}
    assert words.valid == phrases.valid == pairs.valid
    assert isinstance(Words(Raw()), Lessons)


def test_words_stand_in_for_phrases_in_a_short_training_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train = (Example("a", ("x",), "1"), Example("b", ("y",), "2")) * 9
    pairs = Splits(train, (Example("c", ("z",), "4"),), (Example("d", ("w",), "5"),))
    monkeypatch.setattr(CopyOrReverse, "splits", lambda self: pairs)
    found = granules(pairs.train)
    assert found.words
    assert not found.phrases
    assert Phrases(Raw()).task(school(tmp_path, steps=4)).splits().train == found.words
    assert Phrases(Raw()).task(school(tmp_path)).splits().train == ()


def test_both_directions_are_learnt_together(tmp_path: Path) -> None:
    ours = school(tmp_path, steps=4)
    own = TASK.splits()
    back = TaughtBack()
    real = {target for example in own.train for target in example.targets}
    assert {t for e in back.task(ours).splits().train for t in e.targets} <= real
    assert set(back.task(ours).splits().train) >= set(own.train), "a teacher of few steps"
    later = replace(ours, recipe=replace(ours.recipe, seed=3))
    assert back.file(later) == back.file(ours), "the teacher of the first seed"
    assert "reversed" in back.file(ours).parent.name
    assert "reversed" in back.file(ours).parent.name
    both = Together((TAUGHT, back)).task(ours).splits()
    forward = TAUGHT.task(ours).splits().train
    assert len(both.train) == len(forward) + len(back.task(ours).splits().train)
    assert both.test == own.test
    assert ours.translator(Way("vanilla", lessons=Together((TAUGHT, back)))).kind == "parallel"


def test_a_model_teaches_its_own_parts_what_it_writes(tmp_path: Path) -> None:
    first = school(tmp_path)
    first = replace(first, recipe=replace(TINY, steps=60))
    second = replace(first, recipe=replace(first.recipe, seed=1))
    own = SelfTaught(Way("deep-shallow"))
    assert own.file(first) != own.file(second), "each seed its own"
    task = own.task(second)
    for example in task.splits().train[:5]:
        (written,) = translate(second.translator(own.model), [example.source], max_new_tokens=200)
        assert example.targets == (written,)
    assert task.splits().test == TASK.splits().test


def test_each_lesson_is_another_model(tmp_path: Path) -> None:
    lessons = (
        Raw(),
        TAUGHT,
        Taught(Way("deep-shallow", recipe=TINY.until(2))),
        Words(Raw()),
        Words(TAUGHT),
        Phrases(TAUGHT),
        TaughtBack(TEACHER),
        Together((TAUGHT, TaughtBack())),
        SelfTaught(),
        SelfTaught(DEEP),
    )
    ours = school(tmp_path)
    assert len({ours.folder(Way("masked", lessons=each)) for each in lessons}) == len(lessons)
