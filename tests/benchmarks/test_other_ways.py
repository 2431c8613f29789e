"""Other ways to claims: experiments run, and leave rows as a system's own result has them."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from anyorder.systems import reproduce
from anyorder.systems.bench import Bench
from anyorder.systems.catalogue import system
from anyorder.systems.draft import opt_tree
from anyorder.systems.experiments.groups import ByGroups, Sampled
from anyorder.systems.experiments.pairs import DraftPair
from anyorder.systems.experiments.ranks import RanksOfPair
from anyorder.systems.experiments.trained import Trained
from anyorder.systems.experiments.training_time import TrainingTime
from anyorder.systems.system import Experiment
from anyorder.train.paradigms import paradigms
from benchmarks import other_ways
from benchmarks.other_ways import LONGER, WAYS, main


@pytest.mark.parametrize("slug", sorted(WAYS))
def test_a_row_for_each_way_and_seed(slug: str, tmp_path: Path) -> None:
    assert main([slug, "--quick", "--seeds", "1", "--out", str(tmp_path)]) == 0
    found = json.loads((tmp_path / f"other-ways-{slug}.json").read_text(encoding="utf-8"))
    rows = {row["system"]: row["metric"] for row in found["rows"]}
    names, metrics = expected(WAYS[slug][0])
    assert set(rows) >= set(names)
    assert all(len(rows[name][of]) == 1 for name in names for of in metrics)
    assert not list(tmp_path.glob("*.partial.json"))


def expected(experiment: Experiment) -> tuple[list[str], tuple[str, ...]]:
    """Rows of an experiment, and metrics that each of them has."""
    if isinstance(experiment, Trained):
        return list(experiment.ways), ("bleu", "calls")
    if isinstance(experiment, Sampled):
        return list(experiment.decoders), ("tokens_per_call", "nats_per_token")
    if isinstance(experiment, TrainingTime):
        return list(experiment.ways), ("step_ms",)
    assert isinstance(experiment, RanksOfPair)
    return [*experiment.pair.decoders, *experiment.made], ("tokens_per_call", "draft_calls")


def test_ranks_are_counted_of_the_models_that_the_system_has() -> None:
    (counted,) = WAYS["opt-tree"]
    (own,) = system("opt-tree").experiments
    assert isinstance(counted, RanksOfPair)
    assert isinstance(own, DraftPair)
    assert replace(counted.pair, decoders={}) == replace(own, decoders={})
    assert {name: repr(own.decoders[name]) for name in counted.pair.decoders} == {
        name: repr(make) for name, make in counted.pair.decoders.items()
    }
    assert counted.ranks == len(opt_tree.RANK_ODDS)


def test_the_curve_of_distances_stands_beside_what_the_system_has() -> None:
    (curve,) = WAYS["grouped-speculative"]
    (own,) = (
        each for each in system("grouped-speculative").experiments if isinstance(each, Sampled)
    )
    assert isinstance(curve, Sampled)
    assert replace(curve, decoders={}) == replace(own, decoders={})
    beside = {name: make for name, make in curve.decoders.items() if "distance" not in name}
    assert {name: repr(make) for name, make in beside.items()} == {
        name: repr(own.decoders[name]) for name in ("text, exact", "text, gap 0.15")
    }
    for name in ("text, near", "text, static"):
        one = own.decoders[name]
        assert isinstance(one, ByGroups)
        assert one.distance in other_ways.DISTANCES
        assert all(
            replace(one, distance=x) in curve.decoders.values() for x in other_ways.DISTANCES
        )


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
    assert all(system(slug.removesuffix("-training")).experiments != WAYS[slug] for slug in WAYS)


def test_a_quick_run_is_no_result(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(other_ways, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(other_ways, "ROOT", tmp_path / "nowhere")
    assert main(["pard-training", "--quick", "--seeds", "1"]) == 0
    assert [path.parent.name for path in tmp_path.rglob("*.json")] == ["anyorder-quick"]


def test_what_can_not_be_measured_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["pard-training", "--seeds", "0"]) == 1
    assert "0 seeds measure nothing" in capsys.readouterr().err
