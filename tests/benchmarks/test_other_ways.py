"""Other ways to claims: experiments run, and leave rows as a system's own result has them."""

import json
from pathlib import Path

import pytest

from anyorder.systems import reproduce
from anyorder.systems.bench import Bench
from anyorder.systems.catalogue import system
from anyorder.systems.experiments.trained import Trained
from anyorder.train.paradigms import paradigms
from benchmarks import other_ways
from benchmarks.other_ways import LONGER, WAYS, main


@pytest.mark.parametrize("slug", sorted(WAYS))
def test_a_row_for_each_way_and_seed(slug: str, tmp_path: Path) -> None:
    assert main([slug, "--quick", "--seeds", "1", "--out", str(tmp_path)]) == 0
    found = json.loads((tmp_path / f"other-ways-{slug}.json").read_text(encoding="utf-8"))
    rows = {row["system"]: row["metric"] for row in found["rows"]}
    (trained, *_) = WAYS[slug]
    assert isinstance(trained, Trained)
    assert set(rows) >= set(trained.ways)
    assert all(len(rows[name][of]) == 1 for name in trained.ways for of in ("bleu", "calls"))
    assert not list(tmp_path.glob("*.partial.json"))


def test_a_run_that_was_stopped_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slug, bench = "tandem-transformers", Bench(seeds=1, quick=True)
    parts = [part for experiment in WAYS[slug] for part in experiment.parts(bench)]
    left = iter(parts[:2])

    def until_it_stops(part: reproduce.Part) -> reproduce.Done:
        next(left)  # StopIteration: the machine goes off
        return reproduce.Done(0, "x", 1.0, "abc", {part.name: {"bleu": 1.0}})

    monkeypatch.setattr(reproduce, "measured", until_it_stops)
    with pytest.raises(StopIteration):
        main([slug, "--quick", "--seeds", "1", "--out", str(tmp_path)])
    left = iter(parts[2:])
    assert main([slug, "--quick", "--seeds", "1", "--out", str(tmp_path)]) == 0
    assert next(left, None) is None


def test_what_is_tried_is_another_training_of_the_same_kind() -> None:
    recipe = other_ways.TANDEM.recipe
    assert recipe is not None
    assert recipe.steps * 3 == LONGER.steps
    named = paradigms()
    assert named["tandem-twos"].kind == named[other_ways.TANDEM.paradigm].kind
    assert all(system(slug).experiments != WAYS[slug] for slug in WAYS)
