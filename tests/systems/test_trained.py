"""Models that are trained for a measurement: once a seed, kept, gone on with."""

from dataclasses import replace
from pathlib import Path

import pytest

from anyorder.data.copy_or_reverse import CopyOrReverse
from anyorder.nets.layers import Width
from anyorder.systems.bench import Bench
from anyorder.systems.experiments import trained
from anyorder.systems.experiments.trained import TINY, Trained, Way, kept
from anyorder.train.paradigms import paradigms

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
    paradigm = paradigms()["ctc"]
    one = kept(TASK, paradigm, TINY)
    assert one == kept(TASK, paradigm, TINY)
    others = {
        kept(replace(TASK, seed=1), paradigm, TINY),
        kept(TASK, paradigms()["ctc-glancing"], TINY),
        kept(TASK, paradigm, replace(TINY, seed=1)),
    }
    assert len(others | {one}) == 4


def test_a_quick_run_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANYORDER_CACHE", str(tmp_path))
    numbers = EXPERIMENT.run(Bench(seeds=1, quick=True), "plain", 0)
    assert numbers["plain"]["latency_ms"] > 0
    assert not list(tmp_path.iterdir())
    assert trained.NARROW.channels < Width().channels
