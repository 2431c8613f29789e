"""A folder's training is of one thing; another is refused, and the difference told."""

from dataclasses import replace
from pathlib import Path

import pytest

from anyorder.train.job import differences, keep_job
from anyorder.train.paradigms import paradigms
from anyorder.train.recipe import Recipe
from anyorder.train.schedule import Cosine, InverseRoot


def test_a_setting_that_differs_is_told_with_both_values(tmp_path: Path) -> None:
    path, ctc = tmp_path / "m" / "training" / "job.json", paradigms()["ctc"]
    recipe = Recipe(steps=400, schedule=InverseRoot(peak=2e-3, warmup=200))
    job = ["copy", "0af3", repr(ctc), repr(recipe)]
    keep_job(path, job)
    keep_job(path, job)
    longer = repr(replace(recipe, steps=500, schedule=InverseRoot(peak=2e-3, warmup=250)))
    words = (
        r"its recipe \(steps: 400 there, 500 now, schedule.warmup: 200 there, 250 now\); to go on"
    )
    with pytest.raises(ValueError, match=words):
        keep_job(path, [*job[:3], longer])
    narrow = repr(ctc.resized(channels=32))
    with pytest.raises(
        ValueError, match=r"its pairs and model \(width.channels: 192 there, 32 now"
    ):
        keep_job(path, ["copy", "77c1", narrow, job[3]])
    with pytest.raises(ValueError, match="differs in its earlier model; to go on"):
        keep_job(path, [*job, "e4b8"])


def test_options_of_another_kind_are_told() -> None:
    one, other = (repr(Recipe(schedule=each)) for each in (InverseRoot(), Cosine()))
    assert "schedule: InverseRoot there, Cosine now" in differences(one, other)


def test_every_paradigm_is_read_from_its_words() -> None:
    every = [repr(each) for each in paradigms().values()]
    assert all(differences(one, "Paradigm()") for one in every)
    assert all(not differences(one, one) for one in every)
