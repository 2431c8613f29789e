"""Models that are trained for a measurement: once a seed, kept, gone on with."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from anyorder.data.copy_or_reverse import CopyOrReverse
from anyorder.decode.one_shot.ctc_fluency import CTCFluency
from anyorder.decode.one_shot.fertility import NoisyParallel
from anyorder.measure.translation import judge
from anyorder.nets.layers import Width
from anyorder.systems.bench import Bench
from anyorder.systems.experiments import trained
from anyorder.systems.experiments.trained import TINY, Fluent, Rescored, School, Trained, Way
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
    rows = {}
    for part in EXPERIMENT.parts(Bench(seeds=2)):
        assert part.stands_for == "initialisation"
        rows |= {(part.seed, name): numbers for name, numbers in part.run().items()}
    assert set(rows) == {(seed, name) for seed in (0, 1) for name in EXPERIMENT.ways}
    assert len(list((tmp_path / "trained").iterdir())) == 4  # two networks, two seeds
    for numbers in rows.values():
        assert set(numbers) >= {"exact", "calls", "latency_ms", "per_second"}
    assert rows[0, "ctc"]["calls"] == 1.0 < rows[0, "plain"]["calls"]
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("model.safetensors")}
    log = next(tmp_path.rglob("log.jsonl")).read_text()
    EXPERIMENT.run(Bench(seeds=2), "ctc", 0)
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
    ]
    assert len({school.folder(ctc), *others}) == 8


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
        assert judge(model, ["abc", "cab"], decoder=decoder, max_new_tokens=6).latency > 0


def test_a_quick_run_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANYORDER_CACHE", str(tmp_path))
    numbers = EXPERIMENT.run(Bench(seeds=1, quick=True), "plain", 0)
    assert numbers["plain"]["latency_ms"] > 0
    assert not list(tmp_path.iterdir())
    assert trained.NARROW.channels < Width().channels
