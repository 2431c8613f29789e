"""What is seen inside trained models: counted by hand where that is possible."""

import math
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from anyorder.canvas import Canvas
from anyorder.data.copy_or_reverse import CopyOrReverse
from anyorder.decode.one_shot.early_exit import EarlyExit
from anyorder.models.parallel.length_based import LengthTransformer
from anyorder.nets.layers import EncoderDecoder, Width
from anyorder.nets.local_attention import AroundPeak
from anyorder.systems.bench import Bench
from anyorder.systems.experiments.early_exit import ExitsWithin, Layers
from anyorder.systems.experiments.inside import Inside, LayersRun, Locality, Look
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


@pytest.mark.parametrize("look", [Locality(), Layers(), LayersRun()])
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
        assert numbers["layers_passed"] == layers
        assert (numbers["layers"] == layers) == (name != "exits")


def test_a_quick_bench_looks_at_short_texts() -> None:
    asked = list[int]()

    class Listening:
        def of(self, *_: object, longest: int = 200) -> dict[str, float]:
            asked.append(longest)
            return {}

    inside = Inside(Trained(TASK, {"plain": WAYS["plain"]}), Listening())
    inside.parts(Bench(quick=True, seeds=1))[0].run()
    assert asked == [8]


def test_layers_that_are_run_are_counted_cell_by_cell(school: School) -> None:
    """Whether compiled code would run them or not."""
    for name, layers in {"plain": 3.0, "left to right": 1.0, "all": 6.0}.items():
        made = school.translator(WAYS[name])
        found = LayersRun().of(made, school.decoder(WAYS[name]), SOURCES, longest=20)
        assert found == {"layers_per_token": layers}
        assert made.is_compiled == (name == "left to right")
        assert not any(module._forward_hooks for module in made.net.modules())


def test_layers_are_what_is_multiplied_at_the_most(school: School) -> None:
    """All linear parts of the decoder, and the head, seen at work on sources one by one."""
    way = WAYS["exits"]
    made = school.translator(way)
    net, done, heads = made.net, list[int](), list[int]()
    assert isinstance(net, LengthTransformer)
    C, V = WIDTH.channels, made.units.vocab_size

    def watch(part: nn.Module, given: tuple, _found: Tensor) -> None:
        assert isinstance(part, nn.Linear)
        done.append(part.weight.numel() * given[0][..., 0].numel())

    crosses = [layer.cross.key_value for layer in net.decoder.each if layer.cross]
    parts = [each for each in net.decoder.modules() if isinstance(each, nn.Linear)]
    watched = [each for each in parts if all(each is not cross for cross in crosses)]
    handles = [part.register_forward_hook(watch) for part in watched]
    for entropy in (1.0, 1.5, 1.9, 2.0, 2.1, 2.2, 99.0):
        done.clear()
        heads.clear()
        cells = 0
        for source in SOURCES:
            model, _ = made.begin([source], max_new_tokens=1)
            count = int(model.lengths().argmax(-1)) + 1
            layer_BM = model.exiting(entropy).layers(
                Canvas.of_prompts([[model.bos]], new_cells=[count])
            )
            cells += int((layer_BM > 0).sum())
            heads.append(int(layer_BM.clamp_max(5).sum()))
        whole = 6 * C**2 + 2 * C * WIDTH.middle
        seen = (sum(done) + sum(heads) * C * V) / (whole * cells)
        numbers = Layers().of(made, EarlyExit(entropy), SOURCES)
        assert numbers["layers_passed"] < seen <= numbers["layers"] + 1e-9
    for handle in handles:
        handle.remove()


def test_exits_are_learnt_from_held_out_pairs(school: School) -> None:
    with pytest.raises(ValueError, match="after one layer costs"):
        ExitsWithin(layers=2.0).made(school.translator(WAYS["exits"]), TASK, school)
    with pytest.raises(ValueError, match="can't leave early"):
        ExitsWithin(layers=2.5).made(school.translator(Way("ctc")), TASK, school)
    for layers in (2.5, 9.0):
        made = ExitsWithin(layers=layers).made(school.translator(WAYS["exits"]), TASK, school)
        assert isinstance(made, EarlyExit)
        assert (made.entropy == 0.0) == (layers == 9.0)
        held_out = [example.source for example in TASK.splits().valid]
        assert Layers().of(school.translator(WAYS["exits"]), made, held_out)["layers"] <= layers
