"""Models that are trained for a measurement: once a seed, kept, gone on with."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from anyorder.data.copy_or_reverse import CopyOrReverse
from anyorder.decode.one_shot.ctc_fluency import CTCFluency
from anyorder.decode.one_shot.fertility import NoisyParallel
from anyorder.measure.translation import translate
from anyorder.nets.layers import Width
from anyorder.systems.bench import Bench
from anyorder.systems.experiments import school as school_module
from anyorder.systems.experiments.decoders import Fluent, Rescored
from anyorder.systems.experiments.lessons import Together, Words
from anyorder.systems.experiments.school import NARROW, TINY, School, Taught, Way
from anyorder.systems.experiments.trained import Trained
from anyorder.train.schedule import InverseRoot

TASK = CopyOrReverse(length=3, alphabet=5, pairs=50)
EXPERIMENT = Trained(
    TASK,
    {"ctc": Way("ctc"), "beam": Way("ctc", "ctc-beam:width=2"), "plain": Way("deep-shallow")},
    recipe=TINY,
    width=Width(channels=16, heads=2, middle=32),
    test=3,
)


def test_a_model_is_trained_once_whoever_asks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANYORDER_CACHE", str(tmp_path))
    monkeypatch.setattr(School, "longest", 8)
    rows: dict[tuple[int, str], dict[str, float]] = {}
    for part in EXPERIMENT.parts(Bench(seeds=2)):
        for name, numbers in part.run().items():
            rows.setdefault((part.seed, name), {}).update(numbers)
        if not isinstance(part.stands_for, str):  # speeds are of the machine that measures
            assert part.stands_for() == "initialisation, trained on CPU"
    assert set(rows) == {(seed, name) for seed in (0, 1) for name in EXPERIMENT.ways}
    assert len(list((tmp_path / "trained").iterdir())) == 4  # two networks, two seeds
    for numbers in rows.values():
        assert set(numbers) >= {"exact", "calls", "latency_ms", "per_second"}
    assert rows[0, "ctc"]["calls"] == 1.0 < rows[0, "plain"]["calls"]
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("model.safetensors")}
    log = next(tmp_path.rglob("log.jsonl")).read_text()
    EXPERIMENT.quality(Bench(seeds=2), "ctc", 0)
    assert next(tmp_path.rglob("log.jsonl")).read_text() == log
    assert set(before) == set(tmp_path.rglob("model.safetensors"))


def test_another_recipe_is_another_model() -> None:
    school = School(TASK, EXPERIMENT.width, TINY, None, None)
    ctc, beam = Way("ctc"), Way("ctc", "ctc-beam")
    assert school.folder(ctc) == school.folder(beam), "how it is read is another matter"
    others = [
        replace(school, task=replace(TASK, seed=1)).folder(ctc),
        replace(school, recipe=replace(TINY, seed=1)).folder(ctc),
        replace(school, width=Width()).folder(ctc),
        school.folder(Way("ctc-glancing")),
        school.folder(Way("ctc", begins_with=ctc)),
        school.folder(Way("ctc", begins_with=Way("ctc-glancing"))),
        school.folder(Way("ctc", recipe=replace(TINY, steps=9))),
        school.folder(Way("ctc", lessons=Taught(Way("deep-shallow")))),
        school.folder(Way("ctc", lessons=Taught(Way("deep-shallow"), own=True))),
    ]
    assert len({school.folder(ctc), *others}) == 10


def test_another_teacher_is_another_pupil(monkeypatch: pytest.MonkeyPatch) -> None:
    school = School(TASK, EXPERIMENT.width, TINY, None, None)
    taught = Taught(Way("deep-shallow"))
    pupils = Way("ctc", lessons=taught), Way("ctc", lessons=Together((taught, Words(taught))))
    before = [school.folder(pupil) for pupil in (*pupils, Way("ctc"))]
    deeper = replace(school_module.paradigms()["deep-shallow"], encoder_layers=2)
    known = {**school_module.paradigms(), "deep-shallow": deeper}
    monkeypatch.setattr(school_module, "paradigms", lambda: known)
    after = [school.folder(pupil) for pupil in (*pupils, Way("ctc"))]
    assert [one == other for one, other in zip(before, after, strict=True)] == [False, False, True]


def test_a_second_training_begins_with_the_weights_of_the_first(tmp_path: Path) -> None:
    school = School(TASK, EXPERIMENT.width, TINY, tmp_path, None)
    still = replace(TINY, schedule=InverseRoot(peak=1e-12, warmup=2))
    first = school.translator(Way("ctc"))
    second = school.translator(Way("nmla", begins_with=Way("ctc"), recipe=still))
    for one, other in zip(first.net.parameters(), second.net.parameters(), strict=True):
        assert torch.allclose(one, other, atol=1e-6)


def test_decoders_that_learn(tmp_path: Path) -> None:
    school = School(TASK, EXPERIMENT.width, TINY, tmp_path, None)
    fluent = Fluent(width=2, pairs=4).made(school.translator(Way("ctc")), TASK, school)
    assert isinstance(fluent, CTCFluency)
    teacher = Way("deep-shallow")
    pupil = school.translator(Way("fertility"))
    rescored = Rescored(3, teacher).made(pupil, TASK, school)
    assert isinstance(rescored, NoisyParallel)
    assert rescored.teacher.kind == "seq2seq"
    assert Rescored(3).made(pupil, TASK, school).teacher is None  # type: ignore[attr-defined]
    for decoder, model in ((fluent, school.translator(Way("ctc"))), (rescored, pupil)):
        assert len(translate(model, ["abc", "cab"], decoder=decoder, max_new_tokens=6)) == 2


def test_a_pupil_learns_what_the_teacher_of_the_first_seed_writes(tmp_path: Path) -> None:
    first = School(TASK, EXPERIMENT.width, replace(TINY, steps=60), tmp_path, None)
    second = replace(first, recipe=replace(first.recipe, seed=1))
    taught = Taught(Way("deep-shallow"))
    lessons = taught.task(first)
    assert lessons.name == taught.task(second).name
    sources = [example.source for example in lessons.splits().train]
    own = {example.source: example.targets for example in TASK.splits().train}
    assert sorted(sources) == sorted(own)
    texts = translate(
        first.translator(taught.teacher), sources[:9], decoder="beam:width=4", whole=True
    )
    assert [example.targets for example in lessons.splits().train[:9]] == [(t,) for t in texts]
    both = Taught(Way("deep-shallow"), own=True).task(first).splits().train
    assert len(both) == 2 * len(sources)
    assert lessons.splits().test == TASK.splits().test
    pupil = second.translator(Way("ctc", lessons=taught))
    assert pupil.kind == "ctc"


def test_a_quick_run_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANYORDER_CACHE", str(tmp_path))
    numbers = EXPERIMENT.speed(Bench(seeds=1, quick=True), 0)
    assert numbers["plain"]["latency_ms"] > 0
    assert "exact" in EXPERIMENT.quality(Bench(seeds=1, quick=True), "plain", 0)["plain"]
    assert not list(tmp_path.iterdir())
    assert NARROW.channels < Width().channels
