"""Distillation: whole lines, in order, gone on with after a kill; and training on them."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from anyorder.data.mixtures import Reversed, TrainedOn
from anyorder.data.own import OwnPairs
from anyorder.data.pairs import Example
from anyorder.measure.translation import translate
from anyorder.models.translator import Translator, is_ours, opened
from anyorder.train.distill import Distilled, distill, never_learnt
from anyorder.train.fit import fit, rows_of
from anyorder.train.paradigm import Paradigm
from anyorder.train.paradigms import paradigms
from anyorder.train.recipe import Recipe
from anyorder.train.schedule import InverseRoot
from anyorder.units.training import letters, save_units
from tests.train.made import WIDTH, frozen, one_of_each

RECIPE = Recipe(steps=8, cells=200, check_every=4, schedule=InverseRoot(peak=3e-3, warmup=2))


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> OwnPairs:
    path = tmp_path_factory.mktemp("own") / "pairs.tsv"
    lines = [f"{n} and {n * n % 17}\t{n * n % 17} und {n}\n" for n in range(80)]
    path.write_text("".join(lines), encoding="utf-8")
    return OwnPairs(str(path), vocabulary=320)


def small(name: str) -> Paradigm:
    paradigm = paradigms()[name]
    return Paradigm(
        kind=paradigm.kind,
        objective=paradigm.objective,
        encoder_layers=1,
        decoder_layers=paradigm.more.get("most", 1),  # what skips layers needs some
        width=WIDTH,
        more=paradigm.more,
    )


@pytest.fixture(scope="module")
def teacher(own: OwnPairs, tmp_path_factory: pytest.TempPathFactory) -> Translator:
    return fit(own, small("autoregressive"), RECIPE, tmp_path_factory.mktemp("teacher") / "m")


def test_a_run_that_was_killed_goes_on_after_its_last_whole_line(
    own: OwnPairs, teacher: Translator, tmp_path: Path
) -> None:
    examples, whole, torn = own.splits().train[:20], tmp_path / "whole.jsonl", tmp_path / "t.jsonl"
    options = {"decoder": "beam:width=2", "batch": 6, "max_new_tokens": 12}
    found = distill(teacher, examples, whole, **options)  # type: ignore[arg-type]
    lines = whole.read_bytes().splitlines(keepends=True)
    assert len(lines) == found.lines == 20
    assert found.empty == sum(not json.loads(line)["target"] for line in lines) > 0
    assert found.pairs == 20 - found.empty
    assert sorted(json.loads(line)["source"] for line in lines) == sorted(
        example.source for example in examples
    )
    part = tmp_path / "t.jsonl.part"  # nobody learns from half a file by chance
    part.write_bytes(b"".join(lines[:7]) + lines[7][:9])
    with pytest.raises(ValueError, match="by another teacher"):  # whoever it was, it is not said
        distill(teacher, examples, torn, **options)  # type: ignore[arg-type]
    torn.with_name("t.jsonl.job").write_bytes(whole.with_name("whole.jsonl.job").read_bytes())
    assert distill(teacher, examples, torn, **options) == found  # type: ignore[arg-type]
    assert torn.read_bytes() == whole.read_bytes()
    assert not part.exists()
    strange = [Example("a\u2028b", ("x",), "0"), Example("c", ("x",), "1")]
    for _ in range(2):  # lines end with line feeds alone
        distill(teacher, strange, tmp_path / "strange.jsonl", **options)  # type: ignore[arg-type]
    assert (tmp_path / "strange.jsonl").read_bytes().count(b"\n") == 2
    with pytest.raises(ValueError, match="holds other pairs"):
        distill(teacher, own.splits().train[20:40], whole, **options)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="or in another way"):
        distill(teacher, examples, whole, decoder="left-to-right")


def test_what_was_refused_is_in_nobodys_way(
    own: OwnPairs, teacher: Translator, tmp_path: Path
) -> None:
    examples, path = own.splits().train, tmp_path / "out.jsonl"
    with pytest.raises(ValueError, match="CTCModel"):
        distill(teacher, examples, path, decoder="ctc-greedy")
    assert distill(teacher, examples, path, decoder="left-to-right").lines == len(examples)


def test_a_pupil_has_the_units_and_the_test_pairs_of_the_task(
    own: OwnPairs, tmp_path: Path
) -> None:
    train = own.splits().train
    path = tmp_path / "distilled.jsonl"
    lines = [{"source": e.source, "target": "und"} for e in train[:30]]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    pure, mixed = TrainedOn(own, (str(path),)), TrainedOn(own, (str(path),), own=True)
    assert {e.targets for e in pure.splits().train} == {("und",)}
    assert len(mixed.splits().train) == len(train) + 30
    for task in (pure, mixed):
        assert task.splits().test == own.splits().test
        assert task.splits().valid == own.splits().valid
        ours, theirs = task.units(task.splits().train), own.units(train)
        assert ours[1].encode("9 und 8") == theirs[1].encode("9 und 8")
    assert pure.name != mixed.name != own.name


def test_what_is_tested_must_not_be_learnt(own: OwnPairs, tmp_path: Path) -> None:
    path = tmp_path / "cheat.jsonl"
    tested: Example = own.splits().test[0]
    path.write_text(json.dumps({"source": tested.source, "target": "x"}) + "\n")
    with pytest.raises(ValueError, match="must not be trained on it"):
        TrainedOn(own, (str(path),)).splits()


@pytest.mark.parametrize("name", one_of_each())
def test_every_paradigm_is_trained_saved_and_opened(
    own: OwnPairs, name: str, tmp_path: Path
) -> None:
    before = tmp_path / "before" if frozen(name) else None
    if before:  # heads are nothing alone
        fit(own, small("deep-shallow"), RECIPE, before)
    made = fit(own, small(name), RECIPE, tmp_path / "m", begin_from=before)
    again = opened(tmp_path / "m")
    assert (made.kind, made.decoder) == (again.kind, again.decoder)
    for one, other in zip(made.net.parameters(), again.net.parameters(), strict=True):
        assert one.equal(other)
    again_fit = fit(
        own, small(name), RECIPE, tmp_path / "m", begin_from=before
    )  # all steps are made
    assert next(again_fit.net.parameters()).equal(next(made.net.parameters()))
    with pytest.raises(ValueError, match=r"in its recipe \(steps: \d+ there, 9 now, "):
        fit(own, small(name), Recipe(steps=9), tmp_path / "m", begin_from=before)


def test_other_pairs_under_the_same_name_are_another_training(tmp_path: Path) -> None:
    path = tmp_path / "pairs.tsv"
    path.write_text("".join(f"{n}\t{n} {n}\n" for n in range(60)), encoding="utf-8")
    fit(OwnPairs(str(path), vocabulary=320), small("ctc"), RECIPE, tmp_path / "m")
    path.write_text("".join(f"{n}\t{n} and\n" for n in range(60)), encoding="utf-8")
    with pytest.raises(ValueError, match="differs in its pairs; to go on"):
        fit(OwnPairs(str(path), vocabulary=320), small("ctc"), RECIPE, tmp_path / "m")


def test_pairs_that_no_model_reads_are_left_out_and_told(own: OwnPairs) -> None:
    told: list[str] = []
    units = own.units(own.splits().train)
    pairs = [Example("3 and 9", ("9 und 3",), "0"), Example("ab " * 5000, ("x",), "1")]
    rows = rows_of(pairs, *units, longest=1024, on_remark=told.append)
    assert len(rows.sources) == 1
    assert told == ["1 of 2 pairs is left out: a side is empty, or longer than 1024 tokens"]


def test_a_source_that_is_too_long_has_no_target(teacher: Translator) -> None:
    texts = translate(teacher, ["3 and 9", "ab " * 5000, "", "4 and 16"], max_new_tokens=5)
    assert texts[1] == texts[2] == ""
    assert texts[::3] == translate(teacher, ["3 and 9", "4 and 16"], max_new_tokens=5)


def test_a_folder_of_another_version_or_damaged_is_named(
    teacher: Translator, tmp_path: Path
) -> None:
    teacher.save(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "anyorder": 99}))
    with pytest.raises(ValueError, match="has format 99"):
        opened(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({**config, "kind": "nonsense"}))
    with pytest.raises(ValueError, match="no kind of network 'nonsense'"):
        opened(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(config))
    units = (tmp_path / "source.json").read_bytes()
    save_units(letters(["xyz"]), tmp_path / "source.json")
    with pytest.raises(ValueError, match="trained with other units"):
        opened(tmp_path)
    (tmp_path / "source.json").write_bytes(units)
    (tmp_path / "config.json").write_text('["anyorder"]')
    assert not is_ours(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(config))
    weights = tmp_path / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-400] + b"\xff" * 400)
    with pytest.raises(ValueError, match="holds what is no number"):
        opened(tmp_path)
    weights.write_bytes(whole[:-9])
    with pytest.raises(ValueError, match="is damaged, or its files do not belong together"):
        opened(tmp_path)


def test_a_backward_teacher_writes_sources_for_real_targets(own: OwnPairs, tmp_path: Path) -> None:
    back = Reversed(own)
    longer = replace(RECIPE, steps=300, check_every=300)  # a text without an end is not learnt
    teacher = fit(back, small("autoregressive"), longer, tmp_path / "back")
    examples, path = back.splits().train[:12], tmp_path / "reverse.jsonl"
    options = {"decoder": "left-to-right", "max_new_tokens": 20, "reverse": True}
    assert distill(teacher, examples, path, **options).lines == 12  # type: ignore[arg-type]
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert sorted(line["target"] for line in lines) == sorted(e.source for e in examples)
    read = [line["target"] for line in lines]
    written = translate(teacher, read, decoder="left-to-right", max_new_tokens=20, whole=True)
    assert [line["source"] for line in lines] == written
    assert any(written)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    distill(teacher, examples, path, **options)  # type: ignore[arg-type]
    assert path.read_bytes() == whole
    with pytest.raises(ValueError, match="or in another way"):
        distill(teacher, examples, path, decoder="left-to-right", max_new_tokens=20)
    none = distill(teacher, examples, tmp_path / "n.jsonl", **options, never=written)  # type: ignore[arg-type]
    assert none == Distilled(12, empty=12)
    kept = [json.loads(line) for line in (tmp_path / "n.jsonl").read_text().splitlines()]
    assert {line["source"] for line in kept} == {""}
    assert not never_learnt(own) & {example.source for example in own.splits().train}


@pytest.mark.parametrize("name", ["source.json", "target.json", "model.safetensors"])
def test_a_folder_that_lacks_a_file_says_which(
    teacher: Translator, own: OwnPairs, tmp_path: Path, name: str
) -> None:
    teacher.save(tmp_path / "m")
    (tmp_path / "m" / name).unlink()
    with pytest.raises(ValueError, match=rf"m lacks {name}: a model is all of config\.json, "):
        opened(tmp_path / "m")
    with pytest.raises(ValueError, match=f"m lacks {name}"):
        fit(own, small("ctc"), RECIPE, tmp_path / "next", begin_from=tmp_path / "m")
    assert not (tmp_path / "next").exists()


def test_what_is_written_may_be_read_by_whom_the_umask_lets(own: OwnPairs, tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        fit(own, small("ctc"), replace(RECIPE, steps=4), tmp_path / "m")
    finally:
        os.umask(before)
    written = list((tmp_path / "m").rglob("*.safetensors"))
    assert len(written) == 3, "the model, a snapshot and the state"
    assert {path.stat().st_mode & 0o777 for path in written} == {0o640}
