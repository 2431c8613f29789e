"""A training around a masked language model from elsewhere: what it lends, and what is new."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForMaskedLM, AutoTokenizer

from anyorder.data.own import OwnPairs
from anyorder.measure.translation import translate
from anyorder.models.load import load
from anyorder.models.parallel.semantic_guided import GuidedBertSizes
from anyorder.models.translator import Translator, opened
from anyorder.train.fit import fit, rows_of
from anyorder.train.paradigms import paradigms
from anyorder.train.recipe import Recipe
from anyorder.train.schedule import InverseRoot
from tests.models import made_masked

GUIDED = paradigms()["semantic-guided"]
RECIPE = Recipe(steps=40, cells=200, check_every=20, schedule=InverseRoot(peak=1e-2, warmup=10))
SHORT = replace(RECIPE, steps=4, check_every=2)
SOURCES = ["3 and 9", "17 and 0", "5 and 8"]
every = pytest.mark.parametrize("kind", made_masked.TOKENIZERS)


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> OwnPairs:
    path = tmp_path_factory.mktemp("own") / "pairs.tsv"
    lines = [f"{n} and {n * n % 17}\t{n * n % 17} und {n}\n" for n in range(80)]
    path.write_text("".join(lines), encoding="utf-8")
    return OwnPairs(str(path))


def losses(folder: Path) -> list[float]:
    """On held-out pairs."""
    lines = map(json.loads, (folder / "training" / "log.jsonl").read_text().splitlines())
    return [line["held_out"] for line in lines if "held_out" in line]


@every
def test_few_new_weights_learn_around_a_network_that_stays(
    kind: str, own: OwnPairs, tmp_path: Path
) -> None:
    elsewhere = made_masked.folder(tmp_path / "lm", kind)
    made = fit(own, GUIDED, RECIPE, tmp_path / "m", begin_from=elsewhere)
    first, *_, last = losses(tmp_path / "m")
    assert last < 0.8 * first
    assert (made.kind, made.decoder) == ("semantic-guided-bert", "align-denoise")
    tokenizer = AutoTokenizer.from_pretrained(elsewhere)
    assert made.first == tokenizer.mask_token_id
    theirs = AutoModelForMaskedLM.from_pretrained(elsewhere).state_dict()
    body = "bert" if kind == "bert" else "roberta"
    own_names = {
        "words.table.weight": f"{body}.embeddings.word_embeddings.weight",
        "encoder.layers.1.middle.2.bias": f"{body}.encoder.layer.1.output.dense.bias",
    }
    for name, called in own_names.items():
        assert torch.equal(made.net.get_parameter(f"lm.{name}"), theirs[called])


@every
def test_it_is_opened_again_and_writes_the_same(kind: str, own: OwnPairs, tmp_path: Path) -> None:
    elsewhere = made_masked.folder(tmp_path / "lm", kind)
    made = fit(own, GUIDED, SHORT, tmp_path / "m", begin_from=elsewhere)
    with torch.no_grad():
        made.net.get_parameter("blank").zero_()  # else little is written after so few steps
    made.save(tmp_path / "m")
    shutil.rmtree(elsewhere)
    again = opened(tmp_path / "m")
    texts = translate(again, SOURCES)
    assert all(texts)
    assert texts == translate(made, SOURCES)
    assert again.net.sizes == made.net.sizes
    assert (again.kind, again.decoder) == ("semantic-guided-bert", "align-denoise")


def test_weights_that_stay_are_not_kept_at_every_check(own: OwnPairs, tmp_path: Path) -> None:
    elsewhere = made_masked.folder(tmp_path / "lm")
    whole = fit(own, GUIDED, SHORT, tmp_path / "m", begin_from=elsewhere)
    with safe_open(tmp_path / "m/training/snapshot-4.safetensors", "pt") as kept:
        assert not [name for name in kept.keys() if name.startswith("lm.")]
        assert {*kept.keys()} == {n for n, _ in whole.net.named_parameters() if n[:3] != "lm."}

    def kill(step: int, steps: int, loss: float, speed: float) -> None:
        if step == 3:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        fit(own, GUIDED, SHORT, tmp_path / "torn", begin_from=elsewhere, on_step=kill)
    torn = fit(own, GUIDED, SHORT, tmp_path / "torn", begin_from=elsewhere)
    for one, other in zip(whole.net.parameters(), torn.net.parameters(), strict=True):
        assert torch.equal(one, other)
    made_masked.folder(tmp_path / "lm", seed=1)
    with pytest.raises(ValueError, match="differs in its earlier model"):
        fit(own, GUIDED, SHORT, tmp_path / "torn", begin_from=elsewhere)


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_what_is_adopted_is_kept_in_the_precision_that_it_had(
    dtype: str, own: OwnPairs, tmp_path: Path
) -> None:
    elsewhere = made_masked.folder(tmp_path / "lm", dtype=dtype)
    made = fit(own, GUIDED, SHORT, tmp_path / "m", begin_from=elsewhere)
    with safe_open(tmp_path / "m/model.safetensors", "pt") as kept:
        tables = {name: kept.get_tensor(f"{name}.weight").dtype for name in ("guide", "lm.last.0")}
    assert tables == {"guide": torch.float32, "lm.last.0": getattr(torch, dtype)}
    again = opened(tmp_path / "m")
    for one, other in zip(made.net.parameters(), again.net.parameters(), strict=True):
        assert torch.equal(one, other)
        assert other.dtype == torch.float32


@every
def test_a_source_is_framed_and_a_target_is_not(kind: str, own: OwnPairs, tmp_path: Path) -> None:
    elsewhere = made_masked.folder(tmp_path / "lm", kind)
    fit(own, GUIDED, SHORT, tmp_path / "m", begin_from=elsewhere)
    found, tokenizer = opened(tmp_path / "m"), AutoTokenizer.from_pretrained(elsewhere)
    for text in ("13 and 7", "und and"):
        ids = tokenizer.encode(text)
        assert found.source_units.encode(text) == ids
        assert found.units.encode(text) == ids[1:-1]
        assert found.units.decode(ids) == text
    strange = f"3 {tokenizer.mask_token} 4"
    assert tokenizer.mask_token_id not in [
        *found.units.encode(strange),
        *found.source_units.encode(strange),
    ]
    assert not found.reads("")
    with pytest.raises(ValueError, match="is empty"):
        found.begin(["3", ""], max_new_tokens=4)
    examples = [replace(own.splits().train[0], source="", targets=("4",))]
    with pytest.raises(ValueError, match="no pairs to learn from"):
        rows_of(examples, found.source_units, found.units, longest=9)


def test_texts_beyond_its_places_are_refused_and_left_out(own: OwnPairs, tmp_path: Path) -> None:
    """Of 18 places two are RoBERTa's padding; a source has two cells for each of its tokens."""
    elsewhere = made_masked.folder(tmp_path / "lm", max_position_embeddings=18)
    told: list[str] = []
    made = fit(own, GUIDED, SHORT, tmp_path / "m", begin_from=elsewhere, on_remark=told.append)
    assert "are left out: a side is empty, or longer than 8 tokens" in told[0]
    assert made.reads("1 and 23")
    assert not made.reads("1 and 234")
    with pytest.raises(ValueError, match="has 9 tokens; m reads 8 at most"):
        made.begin(["1 and 234"], max_new_tokens=4)


def test_a_second_training_tunes_all(own: OwnPairs, tmp_path: Path) -> None:
    elsewhere = made_masked.folder(tmp_path / "lm")
    made = fit(own, GUIDED, SHORT, tmp_path / "m", begin_from=elsewhere)
    more = fit(own, GUIDED, SHORT, tmp_path / "more", begin_from=tmp_path / "m")
    assert isinstance(more.net.sizes, GuidedBertSizes)
    for (name, one), other in zip(made.net.named_parameters(), more.net.parameters(), strict=True):
        assert not torch.equal(one, other), name
    with pytest.raises(ValueError, match="other sizes: spread 2, not 3"):
        fit(own, GUIDED.resized(spread=3), SHORT, tmp_path / "x", begin_from=tmp_path / "m")
    with pytest.raises(ValueError, match="channels and layers of its own"):
        fit(own, GUIDED.resized(channels=64), SHORT, tmp_path / "y", begin_from=tmp_path / "m")
    with pytest.raises(ValueError, match=r"kind 'semantic-guided-bert'.* the kind 'ctc'"):
        fit(own, paradigms()["ctc"], SHORT, tmp_path / "z", begin_from=tmp_path / "m")


def test_what_can_not_begin_is_a_sentence(own: OwnPairs, tmp_path: Path) -> None:
    elsewhere = made_masked.folder(tmp_path / "lm")
    for paradigm, words in (
        (paradigms()["ctc"], "semantic-guided begins from it, and .* kind 'ctc' can't"),
        (GUIDED.resized(encoder_layers=2), "lm has channels and layers of its own"),
    ):
        with pytest.raises(ValueError, match=words):
            fit(own, paradigm, SHORT, tmp_path / "m", begin_from=elsewhere)
    (elsewhere / "tokenizer.json").unlink()
    with pytest.raises(ValueError, match="has no tokenizer: "):
        fit(own, GUIDED, SHORT, tmp_path / "m", begin_from=elsewhere)
    config = AutoConfig.for_model("gpt2", vocab_size=30, n_embd=16, n_layer=1, n_head=2)
    AutoModelForCausalLM.from_config(config).save_pretrained(tmp_path / "gpt2")
    with pytest.raises(ValueError, match="is a 'gpt2', which is no masked language model"):
        fit(own, GUIDED, SHORT, tmp_path / "m", begin_from=tmp_path / "gpt2")
    assert not (tmp_path / "m").exists(), "refused before anything was written"


def test_other_units_are_refused(own: OwnPairs, tmp_path: Path) -> None:
    elsewhere = made_masked.folder(tmp_path / "lm")
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "target.json").write_text("{}")
    with pytest.raises(ValueError, match="has other units"):
        fit(own, GUIDED, SHORT, tmp_path / "m", begin_from=elsewhere)


def test_it_is_loaded_by_its_folder(own: OwnPairs, tmp_path: Path) -> None:
    elsewhere = made_masked.folder(tmp_path / "lm")
    fit(own, GUIDED, SHORT, tmp_path / "m", begin_from=elsewhere)
    found = load(tmp_path / "m")
    assert isinstance(found, Translator)
    with pytest.raises(ValueError, match="can't run in int8 here"):
        load(tmp_path / "m", precision="int8")
