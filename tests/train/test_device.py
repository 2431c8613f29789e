"""Trainings on a device of its own: nothing is mixed with what lies on the CPU."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from anyorder.data.copy_or_reverse import CopyOrReverse
from anyorder.nets.device import device
from anyorder.nets.layers import Width
from anyorder.train.fit import fit
from anyorder.train.paradigms import paradigms
from anyorder.train.recipe import Recipe
from tests.elsewhere import elsewhere
from tests.train.made import frozen, one_of_each

TASK = CopyOrReverse(length=3, alphabet=5, pairs=20)
WIDTH = Width(channels=16, heads=2, middle=32, dropout=0.0)
RECIPE = Recipe(steps=3, cells=200, check_every=2, average=2, precision="float32")


@pytest.fixture(autouse=True)
def no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("anyorder.train.fit.plot", lambda folder: None)


def weights(folder: Path, name: str, where: torch.device, steps: int = 3) -> dict[str, Tensor]:
    """Of a small model after a short training."""
    paradigm = replace(paradigms()[name], width=WIDTH)
    recipe, before = replace(RECIPE, steps=steps), None
    if frozen(name):  # heads are nothing alone
        base = "deep" if paradigm.decoder_layers == 6 else "deep-shallow"
        before = folder.parent / "before"
        fit(TASK, replace(paradigms()[base], width=WIDTH), recipe, before)
    translator = fit(TASK, paradigm, recipe, folder, begin_from=before, device=where)
    return {k: x.detach().clone() for k, x in translator.net.state_dict().items()}


@pytest.mark.parametrize("name", one_of_each())
def test_a_training_elsewhere_is_that_of_the_cpu(name: str, tmp_path: Path) -> None:
    here = weights(tmp_path / "here", name, torch.device("cpu"))
    with elsewhere() as where:
        there = weights(tmp_path / "there", name, where)
    assert here.keys() == there.keys()
    for key, x in here.items():
        assert there[key].device.type == "cpu", "a trained model is on the CPU"
        assert type(there[key]) is Tensor
        torch.testing.assert_close(there[key], x, rtol=0, atol=2e-4, msg=key)


def test_a_training_elsewhere_goes_on(tmp_path: Path) -> None:
    with elsewhere() as where:
        whole = weights(tmp_path / "whole", "ctc-glancing", where)

        def stop(step: int, *_: float) -> None:
            if step == 3:
                raise KeyboardInterrupt

        paradigm = replace(paradigms()["ctc-glancing"], width=WIDTH)
        with pytest.raises(KeyboardInterrupt):
            fit(TASK, paradigm, RECIPE, tmp_path / "cut", device=where, on_step=stop)
        gone_on = weights(tmp_path / "cut", "ctc-glancing", where)
    assert all(torch.equal(gone_on[key], x) for key, x in whole.items())


def test_what_is_mixed_is_noticed() -> None:
    with elsewhere() as where:
        x = torch.ones(3, device=where)
        assert (x + x).tolist() == [2.0, 2.0, 2.0]
        with pytest.raises(RuntimeError, match="two devices"):
            x + torch.ones(3)
        with pytest.raises(RuntimeError, match="two devices"):
            torch.arange(5)[x.long()]
        with pytest.raises(TypeError):
            x.numpy()


def test_a_device_that_is_not_there_is_named() -> None:
    for name in ("gpu", "meta", "mps"):
        with pytest.raises(ValueError, match=f"'{name}' is no device: say cpu, cuda"):
            device(name)
    with pytest.raises(ValueError, match="there is no cuda:99 here"):
        device("cuda:99")
    assert device("cpu").type == "cpu"


def test_a_training_that_began_elsewhere_goes_on_there_alone(tmp_path: Path) -> None:
    weights(tmp_path / "m", "ctc", torch.device("cpu"))
    state = tmp_path / "m" / "training" / "state" / "state.json"
    state.write_text(state.read_text().replace('"device": "cpu"', '"device": "cuda"'))
    with pytest.raises(ValueError, match="began on cuda: go on with --device cuda"):
        weights(tmp_path / "m", "ctc", torch.device("cpu"))
