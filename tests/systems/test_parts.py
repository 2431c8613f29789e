"""How parts become rows, and which of them may be kept from an earlier run."""

from dataclasses import replace
from typing import Any

import pytest

from anyorder.decode.draft_verify.from_text.prompt_copy import PromptCopy
from anyorder.measure.results import Measured
from anyorder.systems import reproduce as module
from anyorder.systems.bench import Bench
from anyorder.systems.catalogue import listed, system
from anyorder.systems.claims import AtMost, Claim
from anyorder.systems.experiments.prompted import Prompted, group_name
from anyorder.systems.reproduce import Done, fingerprint, finished, gathered, named

SYSTEM = system("token-recycling")
RECIPES = SYSTEM.experiments
SIMPLE = replace(SYSTEM, claims=(Claim("Nothing.", AtMost("calls", 9.0)),))
BUILT = [line.slug for line in listed() if line.file.is_file()]


def done(seed: int, numbers: Any, says: str = "a group", commit: str = "abc") -> Done:
    return Done(seed, says, 2.0, commit, numbers)


def test_values_stand_in_the_order_of_the_seeds() -> None:
    parts = [
        done(1, {"x": {"calls": 11.0}}),
        done(0, {"x": {"calls": 10.0}, "y": {"calls": 20.0}}),
        done(0, {"x": {"memory": 1.0}}),
        done(1, {"y": {"calls": 21.0}, "x": {"memory": 2.0}}),
    ]
    assert gathered(parts, 2) == [
        Measured("x", {"calls": [10.0, 11.0], "memory": [1.0, 2.0]}),
        Measured("y", {"calls": [20.0, 21.0]}),
    ]


def test_a_metric_without_a_value_for_each_seed_is_refused() -> None:
    parts = [done(0, {"token-recycling": {"calls": 1.0}}), done(1, {"token-recycling": {}})]
    with pytest.raises(ValueError, match="calls of token-recycling has 1 values for 2 seeds"):
        finished(SIMPLE, Bench(seeds=2), parts)


def test_a_seed_is_named_by_all_that_it_stood_for() -> None:
    parts = [done(0, {}, "tables"), done(0, {}, "prompts"), done(0, {}, "tables"), done(1, {}, "x")]
    assert (named(parts, 0), named(parts, 1)) == ("tables; prompts", "x")
    assert group_name(0, 3) == "prompt group 1 of 3"


def test_the_result_names_every_commit_and_adds_up_the_time() -> None:
    numbers = {"token-recycling": {"calls": 1.0}}
    parts = [done(0, numbers), done(1, numbers, commit="def+"), done(0, {}, commit="abc")]
    result = finished(SIMPLE, Bench(model="a/b/c", seeds=2), parts)
    assert (result.commit, result.seconds) == ("abc, def+", 6.0)
    assert result.versions["model"] == "c"


@pytest.mark.parametrize(
    "bench", [Bench(), Bench(seeds=2), Bench(model="other")], ids=["same", "seeds", "model"]
)
def test_what_decides_a_measurement_is_in_the_fingerprint(bench: Bench) -> None:
    same = bench.seeds == 3 and bench.model == "smollm2"
    assert (fingerprint(RECIPES, bench) == fingerprint(RECIPES, Bench())) is same


def test_another_recipe_or_version_has_another_fingerprint(monkeypatch: pytest.MonkeyPatch) -> None:
    before = fingerprint(RECIPES, Bench())
    recipe = Prompted(kinds=("story",), decoders={"x": PromptCopy()})
    assert fingerprint((recipe,), Bench()) != before
    monkeypatch.setattr(module, "versions", lambda: {"torch": "99"})
    assert fingerprint(RECIPES, Bench()) != before


@pytest.mark.parametrize("slug", BUILT)
@pytest.mark.parametrize("seeds", [1, 3])
def test_parts_have_names_of_their_own_and_reach_every_seed(slug: str, seeds: int) -> None:
    for experiment in system(slug).experiments:
        parts = experiment.parts(Bench(seeds=seeds))
        assert {part.seed for part in parts} == set(range(seeds))
        assert len({part.name for part in parts}) == len(parts)
        assert all(part.stands_for for part in parts)


@pytest.mark.parametrize("slug", BUILT)
def test_a_recipe_has_one_fingerprint_in_every_process(slug: str) -> None:
    assert " at 0x" not in repr(system(slug).experiments), "an address is no recipe"
