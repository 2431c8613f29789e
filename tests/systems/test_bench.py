"""Models are loaded once, and a quick bench needs none."""

from typing import Any

import pytest

from anyorder.decode.generate import generate
from anyorder.systems import bench as module
from anyorder.systems.bench import Bench
from anyorder.systems.tiny import END, byte_tokenizer, tiny


def forbidden(*_: Any, **__: Any) -> None:
    raise AssertionError("a quick bench loads nothing")


def test_each_precision_is_loaded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, str]] = []

    def load(source: str, *, precision: str) -> Any:
        asked.append((source, precision))
        return tiny(precision)

    monkeypatch.setattr(module, "load", load)
    bench = Bench(model="some-model")
    models = [bench.language_model(p) for p in ("float32", "int8", "float32")]
    assert asked == [("some-model", "float32"), ("some-model", "int8")]
    assert models[0] is models[2]
    assert models[0] is not models[1]


def test_a_quick_bench_loads_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "load", forbidden)
    bench = Bench(model="some-model", quick=True)
    assert bench.language_model("bfloat16").precision == "bfloat16"
    assert (bench.reduced(96, 12), Bench().reduced(96, 12)) == (12, 96)
    assert [len(group) for group in bench.prompts(["story", "code"])] == [2, 2, 2]
    assert [len(group) for group in Bench().prompts(["story", "code"])] == [4, 4, 4]


def test_a_quick_bench_leaves_nothing_behind() -> None:
    bench = Bench(quick=True)
    folder = bench.scratch
    assert folder is not None
    assert folder is bench.scratch
    (folder / "model.safetensors").write_bytes(b"weights")
    del bench
    assert not folder.exists()
    assert Bench().scratch is None


def test_bytes_are_units() -> None:
    units = tiny().units
    text = "naïve café, 日本語 🤗\n"
    assert units.decode(units.encode(text)) == text
    assert len(units.encode("日")) == 3
    assert units.eos_ids == (byte_tokenizer().convert_tokens_to_ids(END),)


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "int8"])
def test_texts_run_to_their_full_length(precision: str) -> None:
    out = generate(tiny(precision), "a", decoder="left-to-right", max_new_tokens=40)
    assert out.finish == "length"
    assert len(out.tokens) == 40


def test_texts_come_round_again() -> None:
    """So that drafters have something to find in seconds."""
    out = generate(tiny(), "a", decoder="prompt-copy", max_new_tokens=60)
    assert out.cost.calls < 30
