"""Translators beside CTranslate2: the same ids of the same weights, and rows that keep apart."""

import json
from pathlib import Path
from typing import cast

import pytest
import torch

from anyorder.decode.generate import generate
from anyorder.measure.translation import Reading, translate
from anyorder.models.translator import Translator
from anyorder.units.special import BLANK, BOS, EOS, UNKNOWN
from anyorder.units.training import letters
from benchmarks import translate as bench
from benchmarks.engines import ctranslate
from tests.train.made import length_based, masked_lm, seq2seq

SOURCES = ["abc", "fed", "a", "bb", "cafe", "deaf", "", "abcdef" * 400]
FEW = [
    "--precision",
    "float32",
    "--pairs",
    "4",
    "--timed",
    "2",
    "--threads",
    "1",
    "--out",
    "out.json",
]


def translator(seed: int = 1) -> Translator:
    """Random, with layers so strong that texts differ."""
    units, net = letters(["abcdef"]), seq2seq()
    rng = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in net.named_parameters():
            if "table" not in name and weight.dim() == 2:
                weight.add_(torch.randn(weight.shape, generator=rng))
        net.target.table.weight[[UNKNOWN, BOS, BLANK]] = 0  # no text shows them
    return Translator(net.eval(), units, units, "m", (EOS,))


@pytest.fixture
def pairs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(bench, "LONGEST", 8)
    lines = [f"{'abcdef'[n % 6]}{'fedcba'[n % 5]}{n}\t{n}\n" for n in range(80)]
    Path("pairs.tsv").write_text("".join(lines), encoding="utf-8")
    return "pairs.tsv"


@pytest.mark.parametrize("seed", [0, 4, 5])
def test_the_peer_writes_the_same_ids(tmp_path: Path, seed: int) -> None:
    pytest.importorskip("ctranslate2")
    ours = translator(seed)
    found = generate(ours, SOURCES[:-2], decoder="left-to-right", max_new_tokens=12)
    ids = [[token for token in row if token != EOS] for row in cast(list[list[int]], found.tokens)]
    with ctranslate.of(ours, precision="float32", threads=1, folder=tmp_path) as peer:
        assert peer.targets([ours.source_units.encode(s) for s in SOURCES[:-2]], 12) == ids
        assert len(set(map(tuple, ids))) > 3
        assert peer.texts(SOURCES, 12) == translate(ours, SOURCES, max_new_tokens=12)
        assert peer.texts(SOURCES[-2:], 12) == ["", ""], "what none can read"
        for source in SOURCES[:-2]:
            cost, theirs = (r.write([source], 12) for r in (Reading(ours), peer))
            assert (cost.tokens, cost.calls) == (theirs.tokens, theirs.calls)


@pytest.mark.parametrize("precision", ctranslate.PRECISIONS)
def test_the_peer_leaves_our_weights_alone(tmp_path: Path, precision: str) -> None:
    pytest.importorskip("ctranslate2")
    ours = translator()
    before = {name: weight.clone() for name, weight in ours.net.state_dict().items()}
    with ctranslate.of(ours, precision=precision, threads=1, folder=tmp_path) as peer:
        assert len(peer.texts(SOURCES, 12)) == len(SOURCES)
    for name, weight in ours.net.state_dict().items():
        assert torch.equal(weight, before[name]), name


def test_models_of_one_name_keep_apart(pairs: str) -> None:
    pytest.importorskip("ctranslate2")
    for seed, place in enumerate(("a/m", "b/m")):
        translator(seed).save(Path(place))
    both = ["--model", "a/m", "--model", "b/m", "--decoder", "m=beam:width=2"]
    assert bench.main([pairs, *both, *FEW]) == 0
    found = json.loads(Path("out.json").read_text())
    rows = found["rows"]
    assert [(row["model"], row["engine"], row["precision"]) for row in rows] == [
        (model, *engine)
        for model in ("m", "m (2)")
        for engine in (
            ("anyorder", "float32"),
            ("ctranslate2", "float32"),
            ("ctranslate2", "int8"),
        )
    ]
    assert [row["same_text"] for row in rows[::3]] == [None, None]
    assert [row["same_share"] for row in rows[1::3]] == [1.0, 1.0], "greedily, not as the beam"
    assert [len(row["ratio"]) for row in rows] == [4, 3, 3] * 2
    assert all(row["tokens_per_s"] > 0 and row["batch"] == found["pairs"] for row in rows)
    assert "ctranslate2" in found["versions"]


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--decoder", "n=beam"], "--decoder is for a model 'n'; there is m"),
        (["--decoder", "m=beem"], "beem"),
        (["--decoder", "m=ctc-greedy"], "CTCGreedy needs a CTCModel"),
        (["--model", "lm"], "translates nothing"),
        (["--model", "nowhere"], "nowhere"),
    ],
)
def test_what_can_not_be_is_a_sentence(
    pairs: str, args: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    units = letters(["abcdef"])
    Translator(length_based().eval(), units, units, "m", (EOS,)).save(Path("m"))
    Translator(masked_lm().eval(), units, units, "lm", (EOS,)).save(Path("lm"))
    assert bench.main([pairs, "--model", "m", *args, *FEW]) == 1
    said = capsys.readouterr().err
    assert words in said
    assert len(said.splitlines()) == 1


def test_without_a_model_it_says_what_to_do(pairs: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert bench.main([pairs, *FEW]) == 1
    assert "no model of pairs.tsv comes with the library" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        bench.main([pairs, "--decoder", "beam", *FEW])
    assert "MODEL=DECODER" in capsys.readouterr().err


def test_without_the_peer_ours_are_measured_alone(
    pairs: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmarks.engines.ctranslate.ctranslate2", None)
    translator().save(Path("m"))
    assert bench.main([pairs, "--model", "m", *FEW]) == 0
    assert "pip install ctranslate2" in capsys.readouterr().err
    found = json.loads(Path("out.json").read_text())
    assert [(row["engine"], row["decoder"]) for row in found["rows"]] == [
        ("anyorder", "left-to-right")
    ]
    assert "ctranslate2" not in found["versions"]
