"""Second ways to two claims: each begins with what it says, and a run goes on where it was."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from anyorder.data.copy_or_reverse import CopyOrReverse
from anyorder.data.joint import Joint
from anyorder.models.parallel.semantic_guided import SemanticGuided
from anyorder.models.translator import Translator
from anyorder.nets.layers import Width
from anyorder.train.paradigm import Paradigm
from benchmarks import second_ways
from benchmarks.second_ways import (
    Bench,
    all_learnt,
    main,
    new_decoder,
    new_links,
    trainings,
)

WIDTH = Width(channels=16, heads=2, middle=32)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(Joint(CopyOrReverse(length=3, alphabet=5, pairs=50)), WIDTH, 1, tmp_path, 0)


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        (new_links, {"query", "key", "gate"}),
        (new_decoder, {"query", "key", "gate", "split", "decoder"}),
    ],
)
def test_nothing_is_new_but_what_is_to_be(
    bench: Bench, change: Callable[[Translator, Paradigm], Translator], parts: set[str]
) -> None:
    paradigm = replace(trainings()["graph"].paradigm, width=WIDTH)
    before = {k: x.clone() for k, x in bench.translator("long gaps").net.state_dict().items()}
    after = change(bench.translator("long gaps"), paradigm).net.state_dict()
    changed = {name.split(".")[0] for name in before if not torch.equal(before[name], after[name])}
    assert changed == parts


def test_a_guided_model_has_the_texts_weights_and_learns_them(bench: Bench) -> None:
    texts = bench.translator("texts")
    paradigm = replace(trainings()["guided after texts"].paradigm, width=WIDTH)
    begun = all_learnt(texts, paradigm).net
    assert isinstance(begun, SemanticGuided)
    for name, x in texts.net.state_dict().items():
        assert torch.equal(begun.lm.state_dict()[name], x)
    trained = bench.translator("guided after texts").net.state_dict()
    frozen = bench.translator("guided, texts frozen").net.state_dict()
    assert not torch.equal(trained["lm.words.table.weight"], frozen["lm.words.table.weight"])
    assert torch.equal(
        frozen["lm.words.table.weight"], texts.net.state_dict()["words.table.weight"]
    )


def test_a_run_goes_on_and_leaves_a_row_for_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out.json"
    asked = ["--quick", "--steps", "1", "--folder", str(tmp_path / "m"), "--out", str(out)]
    only = ["--only", "graph after long gaps", "guided"]
    assert main([*asked, *only]) == 0
    monkeypatch.setattr(second_ways, "fit", None)  # nothing is trained again
    assert main([*asked, *only]) == 0
    found = json.loads(out.read_text(encoding="utf-8"))
    assert [(row["model"], row["after"]) for row in found["rows"]] == [
        ("graph after long gaps", "long gaps"),
        ("guided", None),
    ]
    assert {row["system"] for row in found["rows"]} == {
        "predat",
        "semantic-guided-alignment-denoising",
    }
    assert all(len(row["metric"]["nats"]) == 1 for row in found["rows"])


def test_those_that_are_compared_are_trained_alike() -> None:
    every = trainings()
    for system in ("predat", "semantic-guided-alignment-denoising"):
        assert all(each.times == 1 for each in every.values() if each.system == system)
    graphs = {repr(each.paradigm) for each in every.values() if each.system == "predat"}
    assert len(graphs) == 1
