"""The whole path in seconds, for every system; and that what was measured is not lost."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import pytest

from anyorder.measure.results import read
from anyorder.systems import reproduce as module
from anyorder.systems.bench import QUICK_SEEDS, Bench
from anyorder.systems.catalogue import listed, system
from anyorder.systems.claims import AtMost, Claim
from anyorder.systems.experiments.prompted import Prompted
from anyorder.systems.reproduce import Done, gathered, reproduce
from anyorder.systems.system import Numbers, Part, System

BUILT = [line.slug for line in listed() if line.file.is_file()]
KINDS = {slug: frozenset(map(type, system(slug).experiments)) for slug in BUILT}
# How seeds are put together is the experiments' own: one system of each kind shows it.
# Where guesses are counted, the tiny model of one seed may make none.
TWICE = {
    *{kinds: slug for slug, kinds in reversed(KINDS.items())}.values(),
    *(slug for slug in BUILT if any(getattr(e, "guesses", 0) for e in system(slug).experiments)),
}


@dataclass(frozen=True)
class Counted:
    """An experiment of two parts a seed; the log says which ones ran, and one may fail."""

    log: list[str] = field(default_factory=list, repr=False)
    fails: list[str] = field(default_factory=list, repr=False)
    recipe: str = "first"

    def parts(self, bench: Bench) -> Sequence[Part]:
        names = [(f"{part} {s}", s) for part in ("a", "b") for s in range(bench.seeds)]
        return [Part(name, s, f"seed {s}", partial(self.measure, name)) for name, s in names]

    def measure(self, name: str) -> Numbers:
        if name in self.fails:
            raise KeyboardInterrupt
        self.log.append(name)
        return {"token-recycling": {name[0]: len(self.log)}}


def counted(experiment: Counted) -> System:
    claims = (Claim("Few.", AtMost("a", 9.0)),)
    return replace(system("token-recycling"), experiments=(experiment,), claims=claims)


@pytest.fixture
def experiment(monkeypatch: pytest.MonkeyPatch) -> Counted:
    made = Counted()
    monkeypatch.setattr(module, "system_of", lambda slug: counted(made))
    return made


@pytest.fixture(scope="module")
def school(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What several systems ask for, a teacher or a baseline, is trained once, as in a full run."""
    return tmp_path_factory.mktemp("school")


def inexact(slug: str) -> set[str]:
    """Rows of decoders that may write another text."""
    decoders = [e.decoders.items() for e in system(slug).experiments if isinstance(e, Prompted)]
    return {name for items in decoders for name, decoder in items if not decoder.exact}


@pytest.mark.parametrize("slug", BUILT)
def test_the_quick_path_is_whole(
    slug: str, school: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Bench, "scratch", school)
    monkeypatch.setattr("anyorder.train.fit.plot", lambda folder: None)  # see tests/train
    told: list[tuple[str, int, int]] = []
    seeds = 2 if slug in TWICE else 1
    result = reproduce(
        slug, quick=True, seeds=seeds, out=tmp_path, on_progress=lambda *at: told.append(at)
    )
    assert [claim.text for claim in result.claims] == [c.text for c in system(slug).claims]
    assert len(result.seeds) == seeds
    assert slug in {row.system for row in result.rows}
    assert [done for _, done, _ in told] == list(range(told[-1][2] + 1))
    assert not list(tmp_path.iterdir()), "a quick run writes nothing"
    exact = [row for row in result.rows if row.system.split(" (")[0] not in inexact(slug)]
    assert {x for row in exact for x in row.metric.get("same_text", [])} <= {1.0}


@pytest.mark.parametrize("slug", BUILT)
def test_no_two_parts_have_one_name(slug: str) -> None:
    bench = Bench(quick=True, seeds=3)
    names = [part.name for each in system(slug).experiments for part in each.parts(bench)]
    assert len(set(names)) == len(names)


def test_a_quick_run_has_two_seeds(tmp_path: Path) -> None:
    result = reproduce("aggressive-decoding", quick=True, out=tmp_path)
    assert len(result.seeds) == QUICK_SEEDS == 2


def test_a_full_run_writes_its_result(experiment: Counted, tmp_path: Path) -> None:
    result = reproduce("token-recycling", out=tmp_path, model="some/where/model.gguf")
    assert read(tmp_path / "token-recycling.json") == result
    assert result.seeds == ["seed 0", "seed 1", "seed 2"]
    assert result.rows[0].metric == {"a": [1.0, 2.0, 3.0], "b": [4.0, 5.0, 6.0]}
    assert result.versions["model"] == "model.gguf", "no paths in a result"
    assert [path.name for path in tmp_path.iterdir()] == ["token-recycling.json"]


def test_a_run_that_was_stopped_goes_on(experiment: Counted, tmp_path: Path) -> None:
    experiment.fails.append("b 1")
    with pytest.raises(KeyboardInterrupt):
        reproduce("token-recycling", out=tmp_path)
    assert experiment.log == ["a 0", "a 1", "a 2", "b 0"]
    experiment.fails.clear()
    result = reproduce("token-recycling", out=tmp_path)
    assert experiment.log == ["a 0", "a 1", "a 2", "b 0", "b 1", "b 2"]
    assert result.rows[0].metric["b"] == [4.0, 5.0, 6.0]
    assert not (tmp_path / "token-recycling.partial.json").exists()


@pytest.mark.parametrize("spoiled", ["{", "[]", '{"recipe": "other", "parts": {}}'])
def test_what_is_no_beginning_of_this_run_is_measured_again(
    experiment: Counted, tmp_path: Path, spoiled: str
) -> None:
    (tmp_path / "token-recycling.partial.json").write_text(spoiled)
    reproduce("token-recycling", seeds=1, out=tmp_path)
    assert experiment.log == ["a 0", "b 0"]


def test_another_recipe_starts_afresh(
    experiment: Counted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment.fails.append("b 0")
    with pytest.raises(KeyboardInterrupt):
        reproduce("token-recycling", seeds=1, out=tmp_path)
    assert list(json.loads((tmp_path / "token-recycling.partial.json").read_text())["parts"])
    other = Counted(recipe="second")
    monkeypatch.setattr(module, "system_of", lambda slug: counted(other))
    reproduce("token-recycling", seeds=1, out=tmp_path)
    assert other.log == ["a 0", "b 0"]


def test_other_code_starts_afresh_and_says_so(
    experiment: Counted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What two versions of the code have measured is never one result."""
    said: list[str] = []
    run = partial(reproduce, "token-recycling", seeds=1, out=tmp_path, on_remark=said.append)
    experiment.fails.append("b 0")
    for code in ("one", "one", "other"):
        monkeypatch.setattr(module, "code", lambda code=code: code)
        with pytest.raises(KeyboardInterrupt):
            run()
    assert experiment.log == ["a 0", "a 0"]
    (sentence,) = said
    assert "token-recycling.partial.json is of other code or another recipe" in sentence
    experiment.fails.clear()
    run()
    assert experiment.log == ["a 0", "a 0", "b 0"]
    assert len(said) == 1


def test_a_seed_that_guessed_nothing_kept_no_guess() -> None:
    numbers = [{"bleu": 3.0}, {"bleu": 4.0, "acceptance_length": 2.5, "accepted_1": 0.5}]
    done = [Done(seed, "", 0.0, "", {"row": of}) for seed, of in enumerate(numbers)]
    (row,) = gathered(done, 2)
    assert row.metric == {
        "bleu": [3.0, 4.0],
        "acceptance_length": [1.0, 2.5],
        "accepted_1": [0.0, 0.5],
    }
    (lacks,) = gathered(done[1:], 2)
    assert lacks.metric["bleu"] == [4.0], "what a seed must have is not made up"


def test_who_asks_for_nothing_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="give 1 or more"):
        reproduce("token-recycling", seeds=0, out=tmp_path)
    with pytest.raises(ValueError, match="there is no system 'nothing-like-it'"):
        reproduce("nothing-like-it", out=tmp_path)
    assert not list(tmp_path.iterdir())
