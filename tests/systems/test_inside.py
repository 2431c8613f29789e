"""What is seen inside trained models: counted by hand where that is possible."""

import math
from pathlib import Path

import pytest
import torch

from anyorder.data.copy_or_reverse import CopyOrReverse
from anyorder.decode.one_shot.early_exit import EarlyExit
from anyorder.nets.layers import EncoderDecoder, Width
from anyorder.nets.local_attention import AroundPeak
from anyorder.systems.bench import Bench
from anyorder.systems.experiments.early_exit import ExitsWithin, Layers
from anyorder.systems.experiments.inside import Inside, Locality, Look
from anyorder.systems.experiments.school import TINY, School, Way
from anyorder.systems.experiments.trained import Trained

TASK = CopyOrReverse(length=3, alphabet=5, pairs=50)
WIDTH = Width(channels=16, heads=2, middle=32)
WAYS = {
    "near": Way("context-aware"),
    "plain": Way("vanilla"),
    "left to right": Way("deep-shallow"),
    "exits": Way("elmer", "early-exit:entropy=99.0"),
    "all": Way("elmer", "parallel"),
}
SOURCES = ["abc", "cabd", "e"]


@pytest.fixture(scope="module")
def school(tmp_path_factory: pytest.TempPathFactory) -> School:
    return School(TASK, WIDTH, TINY, tmp_path_factory.mktemp("school"), None)


@pytest.mark.parametrize("look", [Locality(), Layers()])
def test_all_ways_are_looked_at_in_every_seed(
    look: Look, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANYORDER_CACHE", str(tmp_path))
    ways = {name: WAYS[name] for name in ("near", "plain")}
    inside = Inside(Trained(TASK, ways, recipe=TINY, width=WIDTH), look, test=2)
    parts = inside.parts(Bench(seeds=2))
    assert [part.seed for part in parts] == [0, 1]
    assert set(parts[1].run()) == set(ways)
    assert len(list((tmp_path / "trained").iterdir())) == 2


def test_attention_that_sees_all_alike_has_the_entropy_of_its_source(school: School) -> None:
    plain = school.translator(WAYS["plain"])
    assert isinstance(plain.net, EncoderDecoder)
    kept = {name: weight.clone() for name, weight in plain.net.state_dict().items()}
    with torch.no_grad():
        for layer in plain.net.decoder.each:
            assert layer.cross is not None
            layer.cross.query.weight.zero_()
            layer.cross.query.bias.zero_()
    numbers = Locality().of(plain, "parallel", SOURCES)
    mean = (math.log(3) + math.log(4) + math.log(1)) / 3
    assert numbers == {"locality_entropy": pytest.approx(mean, abs=1e-5)}
    plain.net.load_state_dict(kept)
    assert Locality().of(plain, "parallel", SOURCES)["locality_entropy"] < mean


def test_the_gate_is_told(school: School) -> None:
    near = school.translator(WAYS["near"])
    for module in near.net.modules():
        if isinstance(module, AroundPeak):
            with torch.no_grad():
                module.gate.weight.zero_()
                module.gate.bias.fill_(1.0)
    numbers = Locality().of(near, None, SOURCES)
    assert numbers["global_share"] == pytest.approx(torch.tensor(1.0).sigmoid().item())
    for module in near.net.modules():
        assert not module._forward_hooks, "nobody looks any more"


def test_layers_are_counted(school: School) -> None:
    wanted = {"plain": 3.0, "left to right": 1.0, "exits": 1.0, "all": 6.0}
    for name, layers in wanted.items():
        numbers = Layers().of(school.translator(WAYS[name]), school.decoder(WAYS[name]), SOURCES)
        assert numbers == {"layers": layers}


def test_exits_are_learnt_from_held_out_pairs(school: School) -> None:
    for layers in (2.0, 9.0):
        made = ExitsWithin(layers=layers).made(school.translator(WAYS["exits"]), TASK, school)
        assert isinstance(made, EarlyExit)
        assert (made.entropy == 0.0) == (layers == 9.0)
        held_out = [example.source for example in TASK.splits().valid]
        assert Layers().of(school.translator(WAYS["exits"]), made, held_out)["layers"] <= layers
