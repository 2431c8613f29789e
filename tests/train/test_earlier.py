"""A training that begins with an earlier model: its weights, its units, and clear refusals."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from anyorder.corrupt.glancing import Glancing
from anyorder.data.own import OwnPairs
from anyorder.models.translator import Translator
from anyorder.nets.layers import Width
from anyorder.objectives.ctc import CTC
from anyorder.objectives.masked_lm import MaskedTexts
from anyorder.objectives.nmla import NonMonotonic
from anyorder.train.earlier import Earlier
from anyorder.train.fit import fit
from anyorder.train.paradigm import Paradigm
from anyorder.train.paradigms import paradigms
from anyorder.train.recipe import Recipe
from anyorder.train.schedule import InverseRoot
from tests.train.made import WIDTH

RECIPE = Recipe(steps=8, cells=200, check_every=4, schedule=InverseRoot(peak=3e-3, warmup=2))
STILL = replace(RECIPE, steps=1, check_every=1, schedule=InverseRoot(peak=0.0, warmup=1))
SMALL = replace(paradigms()["ctc"], encoder_layers=1, decoder_layers=1, width=WIDTH)


def pairs_of(path: Path, base: int) -> OwnPairs:
    lines = [f"{base + n} and {n * n % 17}\t{n * n % 17} und {base + n}\n" for n in range(80)]
    path.write_text("".join(lines), encoding="utf-8")
    return OwnPairs(str(path), vocabulary=320)


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> OwnPairs:
    return pairs_of(tmp_path_factory.mktemp("own") / "pairs.tsv", 0)


@pytest.fixture(scope="module")
def folder(own: OwnPairs, tmp_path_factory: pytest.TempPathFactory) -> Path:
    where = tmp_path_factory.mktemp("earlier") / "m"
    fit(own, SMALL, RECIPE, where)
    return where


def same(one: Translator, other: Translator) -> bool:
    pairs = zip(one.net.parameters(), other.net.parameters(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def test_it_begins_with_the_weights_and_units_of_the_earlier_model(
    own: OwnPairs, folder: Path, tmp_path: Path
) -> None:
    earlier = Earlier(folder).translator
    tuned = replace(SMALL, objective=NonMonotonic())
    assert same(fit(own, tuned, STILL, tmp_path / "still", begin_from=folder), earlier)
    moved = fit(own, tuned, RECIPE, tmp_path / "moved", begin_from=folder)
    assert not same(moved, earlier)
    others = pairs_of(tmp_path / "others.tsv", 7000)  # whose own units would be others
    made = fit(others, tuned, STILL, tmp_path / "others", begin_from=folder)
    assert made.units.encode("9 und 8") == earlier.units.encode("9 und 8")
    assert same(made, earlier)


def test_it_goes_on_with_the_same_call_alone(own: OwnPairs, folder: Path, tmp_path: Path) -> None:
    first = fit(own, SMALL, RECIPE, tmp_path / "m", begin_from=folder)
    assert same(fit(own, SMALL, RECIPE, tmp_path / "m", begin_from=folder), first)
    with pytest.raises(ValueError, match="differs in its earlier model"):
        fit(own, SMALL, RECIPE, tmp_path / "m")
    with pytest.raises(ValueError, match="earlier model"):
        fit(own, SMALL, RECIPE, folder, begin_from=folder)


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (replace(paradigms()["dag"], encoder_layers=1, decoder_layers=1, width=WIDTH), "'dag'"),
        (replace(SMALL, decoder_layers=2), "decoder_layers 1, not 2"),
        (
            replace(SMALL, width=Width(channels=8, heads=2, middle=16)),
            r"other sizes: channels 16, not 8; middle 32, not 16$",
        ),
    ],
)
def test_another_kind_or_size_is_refused(
    own: OwnPairs, folder: Path, tmp_path: Path, other: Paradigm, words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        fit(own, other, RECIPE, tmp_path / "m", begin_from=folder)


def test_what_was_refused_is_in_nobodys_way(own: OwnPairs, folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="other sizes"):
        fit(own, replace(SMALL, encoder_layers=2), STILL, tmp_path / "m", begin_from=folder)
    assert same(
        fit(own, SMALL, STILL, tmp_path / "m", begin_from=folder), Earlier(folder).translator
    )


def test_a_masked_language_model_lends_its_layers_and_units(own: OwnPairs, tmp_path: Path) -> None:
    texts = replace(
        paradigms()["masked-lm"], encoder_layers=1, width=WIDTH, objective=MaskedTexts(share=0.3)
    )
    lm = fit(own, texts, RECIPE, tmp_path / "lm")
    assert not lm.writes
    assert (tmp_path / "lm/source.json").read_bytes() == (tmp_path / "lm/target.json").read_bytes()
    for name in ("ctc", "vanilla", "dag"):
        small = replace(paradigms()[name], encoder_layers=1, decoder_layers=1, width=WIDTH)
        made = fit(own, small, STILL, tmp_path / name, begin_from=tmp_path / "lm")
        weights, lent = made.net.state_dict(), lm.net.state_dict()
        assert made.units.encode("7 und 9") == lm.units.encode("7 und 9")
        for side in ("source", "target"):
            assert torch.equal(weights[f"{side}.table.weight"], lent["words.table.weight"])
        for stack in ("encoder", "decoder"):
            middle = "layers.0.middle.0.weight"
            assert torch.equal(weights[f"{stack}.{middle}"], lent[f"encoder.{middle}"])
    again = fit(own, texts, STILL, tmp_path / "again", begin_from=tmp_path / "lm")
    assert same(again, lm)
    other = replace(paradigms()["any-subset"], encoder_layers=1, width=WIDTH)
    with pytest.raises(ValueError, match="trains one of the kind 'any-subset'"):
        fit(own, other, STILL, tmp_path / "other", begin_from=tmp_path / "lm")
    with pytest.raises(ValueError, match="1 layers to lend, not 2"):
        fit(
            own, replace(SMALL, decoder_layers=2), STILL, tmp_path / "m", begin_from=tmp_path / "lm"
        )


def test_a_language_model_that_is_adopted_is_not_trained(own: OwnPairs, tmp_path: Path) -> None:
    small = {
        name: replace(paradigms()[name], encoder_layers=1, width=WIDTH)
        for name in ("masked-lm", "semantic-guided")
    }
    lm = fit(own, small["masked-lm"], RECIPE, tmp_path / "lm")
    still, made = (
        fit(own, small["semantic-guided"], recipe, tmp_path / name, begin_from=tmp_path / "lm")
        for name, recipe in (("still", STILL), ("made", RECIPE))
    )
    for name, weight in made.net.named_parameters():
        if name.startswith("lm."):
            assert torch.equal(weight, lm.net.get_parameter(name.removeprefix("lm.")))
        else:
            assert not torch.equal(weight, still.net.get_parameter(name)), name
    assert (made.decoder, made.kind) == ("align-denoise", "semantic-guided")
    more = fit(own, small["semantic-guided"], RECIPE, tmp_path / "m", begin_from=tmp_path / "made")
    hole = more.net.get_parameter("lm.hole")
    assert not torch.equal(hole, lm.net.get_parameter("hole")), "a second training tunes all"


def test_other_units_and_no_model_are_refused(own: OwnPairs, folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="nothing to begin from"):
        fit(own, SMALL, RECIPE, tmp_path / "m", begin_from=tmp_path / "nowhere")
    assert not (tmp_path / "m").exists()
    odd = tmp_path / "odd"
    odd.mkdir()
    (odd / "target.json").write_text("{}")
    with pytest.raises(ValueError, match="has other units"):
        fit(own, SMALL, RECIPE, odd, begin_from=folder)


def test_another_loss_of_the_same_kind_is_welcome(
    own: OwnPairs, folder: Path, tmp_path: Path
) -> None:
    glancing = replace(SMALL, objective=CTC(Glancing()))
    assert fit(own, glancing, STILL, tmp_path / "m", begin_from=folder).kind == "ctc"
