"""Fertilities for pairs, a model that is trained on them, and its folder."""

from dataclasses import replace
from pathlib import Path

import pytest

from anyorder.data.own import OwnPairs
from anyorder.decode.generate import generate
from anyorder.decode.one_shot.fertility import NoisyParallel
from anyorder.models.translator import Translator, opened
from anyorder.objectives.ctc import CTC
from anyorder.objectives.fertility import SURE, Fertility
from anyorder.objectives.fertility_tuning import FertilityTuning
from anyorder.train.fertilities import LearnsFertilities, with_fertilities
from anyorder.train.fit import fit
from anyorder.train.paradigm import Paradigm
from anyorder.train.paradigms import paradigms
from anyorder.train.recipe import Recipe
from anyorder.train.schedule import InverseRoot
from tests.train.made import WIDTH, rows, seq2seq

RECIPE = Recipe(steps=8, cells=200, check_every=4, schedule=InverseRoot(peak=3e-3, warmup=2))


def small(name: str) -> Paradigm:
    return replace(paradigms()[name], encoder_layers=1, decoder_layers=1, width=WIDTH)


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> OwnPairs:
    path = tmp_path_factory.mktemp("own") / "pairs.tsv"
    lines = [f"{n} and {n * n % 17}\t{n * n % 17} und {n}\n" for n in range(80)]
    path.write_text("".join(lines), encoding="utf-8")
    return OwnPairs(str(path), vocabulary=320)


@pytest.fixture(scope="module")
def translators(
    own: OwnPairs, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Translator, Translator]:
    folder = tmp_path_factory.mktemp("models")
    return (
        fit(own, small("fertility"), RECIPE, folder / "fertility"),
        fit(own, small("autoregressive"), RECIPE, folder / "teacher"),
    )


def test_every_pair_has_fertilities_that_sum_to_its_target() -> None:
    bare, held_out = (replace(rows(30, seed=seed), fertilities=None) for seed in (0, 1))
    for given in with_fertilities(SURE, bare, held_out):
        assert given.fertilities is not None
        for source, target, fertility in zip(
            given.sources, given.targets, given.fertilities, strict=True
        ):
            assert len(fertility) == len(source)
            assert sum(fertility) == len(target)
    assert with_fertilities(SURE, bare, bare)[0].fertilities == rows(30).fertilities


def test_objectives_say_whether_they_learn_fertilities() -> None:
    assert isinstance(Fertility(), LearnsFertilities)
    assert isinstance(FertilityTuning(seq2seq()), LearnsFertilities)
    assert not isinstance(CTC(), LearnsFertilities)


def test_a_model_is_trained_written_and_opened(
    translators: tuple[Translator, Translator], own: OwnPairs, tmp_path: Path
) -> None:
    translator, teacher = translators
    translator.save(tmp_path)
    again = opened(tmp_path)
    assert again.kind == "fertility"
    sources = ["3 and 9", "12 and 8"]
    for decoder in (None, "fertility-average", NoisyParallel(samples=3, teacher=teacher)):
        one, other = (
            generate(each, sources, decoder=decoder, seed=3).text for each in (translator, again)
        )
        assert one == other
    tuning = replace(small("fertility"), objective=FertilityTuning(teacher.net))  # type: ignore[arg-type]
    assert fit(own, tuning, RECIPE, tmp_path / "tuned").kind == "fertility"


def test_a_teacher_of_other_units_is_refused(
    translators: tuple[Translator, Translator], tmp_path: Path
) -> None:
    path = tmp_path / "other.tsv"
    path.write_text("".join(f"{n} plus {n}\t{n} {n} plus\n" for n in range(80)), encoding="utf-8")
    other = OwnPairs(str(path), vocabulary=300)
    stranger = fit(other, small("autoregressive"), RECIPE, tmp_path / "stranger")
    with pytest.raises(ValueError, match="the teacher stranger has another vocabulary than fert"):
        generate(translators[0], "3 and 9", decoder=NoisyParallel(teacher=stranger))
